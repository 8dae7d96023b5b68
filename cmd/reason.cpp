#include "cmd/reason.hpp"

#include "cmd/terminal.hpp"

namespace podfence::cmd {

namespace {

std::string field_of(Direction direction, const RuleOutcome& rule) {
    return std::string(to_string(direction)) + "[" + std::to_string(rule.index) + "]";
}

Mark mark_of(bool matches) {
    return matches ? Mark::good : Mark::bad;
}

void add_rule(std::vector<ReasonLine>& lines, const RuleOutcome& rule, Direction direction) {
    lines.push_back({.depth = 2,
                     .mark = mark_of(rule.matches()),
                     .text = field_of(direction, rule),
                     .at = rule.pos});
    const char* side = direction == Direction::ingress ? "from: " : "to: ";
    lines.push_back(
        {.depth = 3, .mark = mark_of(rule.peer_matches), .text = side + rule.peer_note});
    lines.push_back(
        {.depth = 3, .mark = mark_of(rule.port_matches), .text = "ports: " + rule.port_note});
}

/// Why nobody asks the policies.
std::string exemption_text(Exemption exemption, Direction direction) {
    const std::string name(to_string(direction));
    switch (exemption) {
        case Exemption::none:
            return "";
        case Exemption::not_a_pod:
            return "not judged: " +
                   std::string(direction == Direction::egress ? "the source" : "the destination") +
                   " is no pod";
        case Exemption::not_isolated:
            return "allowed: no policy isolates the pod for " + name;
        case Exemption::own_node:
            return "allowed: a pod and its own node always reach each other";
        case Exemption::hairpin:
            return "allowed: a pod always reaches itself";
        case Exemption::link_protocol:
            return "allowed: a protocol that the pod's link needs to work";
    }
    return "";
}

std::string subject(const DirectionOutcome& outcome, Direction direction) {
    const std::string name(to_string(direction));
    return outcome.pod == nullptr ? name : name + " of " + to_string(outcome.pod->name);
}

void add_denials(std::vector<ReasonLine>& lines, const DirectionOutcome& outcome,
                 Direction direction) {
    for (const PolicyOutcome& policy : outcome.policies) {
        lines.push_back({.depth = 1,
                         .mark = Mark::bad,
                         .text = "policy " + to_string(policy.policy),
                         .at = policy.pos});
        if (policy.rules.empty()) {
            lines.push_back(
                {.depth = 2,
                 .text = "has no " + std::string(to_string(direction)) + " rules: allows nothing"});
        }
        for (const RuleOutcome& rule : policy.rules) add_rule(lines, rule, direction);
    }
}

}  // namespace

std::string allowing_rule(const DirectionOutcome& outcome, Direction direction) {
    const PolicyOutcome* policy = outcome.allowing_policy();
    if (outcome.exemption != Exemption::none || policy == nullptr) return "";
    return to_string(policy->policy) + " " + field_of(direction, *policy->allowing_rule());
}

std::vector<ReasonLine> reasons(const DirectionOutcome& outcome, Direction direction) {
    const std::string who = subject(outcome, direction) + ": ";
    if (outcome.held) {
        return {{.mark = Mark::bad,
                 .text = who + "DENIED: " +
                         (direction == Direction::egress ? "the source" : "the destination") +
                         " is an address of pods, and no known pod has it (--unknown-pods=hold)"}};
    }
    if (outcome.exemption != Exemption::none) {
        const bool judged = outcome.exemption != Exemption::not_a_pod;
        return {{.mark = judged ? Mark::good : Mark::none,
                 .text = who + exemption_text(outcome.exemption, direction)}};
    }
    const std::size_t count = outcome.policies.size();
    const std::string isolating =
        count_of(count, "policy") + (count == 1 ? " isolates" : " isolate");
    std::vector<ReasonLine> lines;
    const PolicyOutcome* policy = outcome.allowing_policy();
    if (policy == nullptr) {
        lines.push_back({.mark = Mark::bad,
                         .text = who + "DENIED: " + isolating + " the pod and " +
                                 (count == 1 ? "does not allow this" : "none allows this")});
        add_denials(lines, outcome, direction);
        return lines;
    }
    lines.push_back({.mark = Mark::good,
                     .text = who + "allowed: " + isolating + " the pod, and one rule allows this"});
    lines.push_back({.depth = 1,
                     .mark = Mark::good,
                     .text = "policy " + to_string(policy->policy),
                     .at = policy->pos});
    add_rule(lines, *policy->allowing_rule(), direction);
    return lines;
}

}  // namespace podfence::cmd
