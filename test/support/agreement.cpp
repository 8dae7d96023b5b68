#include "test/support/agreement.hpp"

#include "test/support/generator.hpp"
#include "test/support/judge.hpp"
#include "test/support/manifest.hpp"
#include "test/support/shrink.hpp"

namespace podfence::test {

namespace {

using Way = bool (RulesetJudge::*)(const Flow&) const;

std::string describe(const Cluster& cluster, const Flow& flow, const ExplainOptions& options,
                     Way way) {
    const auto fails = [&](const Cluster& c) {
        return allowed(c, flow, options) != (RulesetJudge(c, options).*way)(flow);
    };
    const Cluster small = shrink(cluster, fails);
    return "the oracle and the compiled ruleset disagree on " + to_string(flow) +
           (way == &RulesetJudge::allowed ? "" : " by relays") +
           "\noracle: " + (allowed(small, flow, options) ? "allow" : "deny") +
           (options.pod_to_node_enforced ? " (pod to node enforced)" : "") +
           (options.held.ranges.empty() ? "" : " (unknown pods held)") + "\n" +
           RulesetJudge(small, options).trace(flow) + to_manifest(small);
}

/// Ranges in which pods, nodes and what is outside have addresses, or some of them.
HeldAddresses some_held(Generator& generator) {
    HeldAddresses held{.node = "n1"};
    for (const char* range : {"10.0.0.0/8", "10.0.1.0/24", "fd00::/8", "8.0.0.0/8", "0.0.0.0/1"}) {
        if (generator.random().percent(40)) held.ranges.push_back(*Prefix::parse(range));
    }
    return held;
}

void count(const Explanation& why, Tally& tally) {
    const auto by_policy = [](const auto& direction) {
        return direction.isolated() && direction.exemption == Exemption::none;
    };
    const bool judged = by_policy(why.egress) || by_policy(why.ingress);
    tally.held += why.egress.held || why.ingress.held ? 1 : 0;
    ++tally.flows;
    tally.allowed += why.allowed() ? 1 : 0;
    tally.judged += judged ? 1 : 0;
    tally.judged_and_allowed += judged && why.allowed() ? 1 : 0;
}

}  // namespace

std::optional<std::string> find_disagreement(std::uint64_t seed, Tally& tally) {
    Generator generator(seed);
    const Cluster cluster = generator.cluster();
    ExplainOptions options{.pod_to_node_enforced = generator.random().percent(30)};
    if (generator.random().percent(30)) options.held = some_held(generator);
    const RulesetJudge judge(cluster, options);
    const FlowGenerator flows(cluster, generator.options());
    for (std::size_t i = 0; i < kFlowsPerCluster; ++i) {
        const Flow flow = flows.next(generator.random());
        const bool verdict = allowed(cluster, flow, options);
        for (const Way way : {&RulesetJudge::allowed, &RulesetJudge::allowed_by_relays}) {
            if ((judge.*way)(flow) != verdict) return describe(cluster, flow, options, way);
        }
        const Explanation why = explain(cluster, flow, options);
        if (why.allowed() != verdict) {
            return "explain() and allowed() disagree on " + to_string(flow) + "\n" +
                   to_manifest(cluster);
        }
        count(why, tally);
    }
    return std::nullopt;
}

}  // namespace podfence::test
