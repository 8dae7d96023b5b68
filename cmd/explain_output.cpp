// How the answer of `explain` looks, to a person and to a script.
#include <algorithm>

#include <boost/json.hpp>

#include "cmd/explained.hpp"
#include "cmd/reason.hpp"

namespace podfence::cmd {

namespace {

std::string sign(const Output& out, Mark mark) {
    switch (mark) {
        case Mark::none:
            return " ";
        case Mark::good:
            return out.paint(Tone::good, out.unicode() ? "✓" : "+");
        case Mark::bad:
            return out.paint(Tone::bad, out.unicode() ? "✗" : "x");
    }
    return " ";
}

void print(Output& out, const std::vector<ReasonLine>& lines) {
    for (const ReasonLine& line : lines) {
        std::string text = std::string(line.depth * 2, ' ') + sign(out, line.mark) + " ";
        text += line.depth == 0 ? out.paint(Tone::strong, line.text) : line.text;
        if (line.at.line != 0) text += "  " + out.paint(Tone::dim, "(" + to_string(line.at) + ")");
        out.line(text);
    }
}

std::string verdict(const Output& out, bool allowed) {
    return allowed ? out.paint(Tone::good, "ALLOWED") : out.paint(Tone::bad, "DENIED");
}

void print_live(Output& out, const LiveVerdict& live) {
    if (!live.skipped.empty()) {
        out.line("  live: not checked: " + live.skipped);
        return;
    }
    std::string text = std::string("live: the kernel ") + (live.accepted ? "accepts" : "drops") +
                       " it, the policies " + (live.expected ? "allow" : "deny") + " it";
    if (live.agrees()) {
        out.line(sign(out, Mark::good) + " " + text);
    } else {
        out.line(sign(out, Mark::bad) + " " + out.paint(Tone::bad, text + ": DISAGREEMENT"));
    }
    for (const LiveStep& step : live.steps) {
        out.line("    " + printable(step.chain) + ": " + printable(step.text) +
                 (step.note.empty() ? "" : out.paint(Tone::dim, "  # " + printable(step.note))));
    }
}

/// Flows of which the same is said: to one port, by IPv4 and by IPv6.
struct Block {
    std::vector<const JudgedFlow*> flows{};
    std::vector<ReasonLine> egress{};
    std::vector<ReasonLine> ingress{};

    const JudgedFlow& first() const { return *flows.front(); }
    /// What the kernel does is told of each family by itself, since each has rules of its own.
    bool takes(const Block& other) const {
        return first().target == other.first().target && egress == other.egress &&
               ingress == other.ingress && !first().live && !other.first().live;
    }
};

std::vector<Block> blocks_of(const Explained& explained) {
    std::vector<Block> blocks;
    for (const JudgedFlow& flow : explained.flows) {
        Block block{.flows = {&flow},
                    .egress = reasons(flow.why.egress, Direction::egress),
                    .ingress = reasons(flow.why.ingress, Direction::ingress)};
        const auto same = std::find_if(blocks.begin(), blocks.end(),
                                       [&](const Block& known) { return known.takes(block); });
        if (same == blocks.end()) {
            blocks.push_back(std::move(block));
        } else {
            same->flows.push_back(&flow);
        }
    }
    return blocks;
}

/// "shop/db (10.1.0.4, fd00:1::4)", or the address alone where that is all there is.
std::string name_with(const Endpoint& endpoint, const std::vector<Address>& addresses) {
    std::string texts;
    for (const Address& address : addresses) {
        texts += (texts.empty() ? "" : ", ") + to_string(address);
    }
    return endpoint.text == texts ? texts : endpoint.text + " (" + texts + ")";
}

void print(Output& out, const Explained& explained, const Block& block) {
    std::vector<Address> sources;
    std::vector<Address> destinations;
    for (const JudgedFlow* flow : block.flows) {
        sources.push_back(flow->why.flow.source);
        destinations.push_back(flow->why.flow.destination);
    }
    const JudgedFlow& flow = block.first();
    const std::string port =
        to_string(flow.target) + (flow.target.name.empty() ? "" : " (" + flow.target.name + ")");
    out.line(verdict(out, flow.why.allowed()) + "  " + name_with(explained.from, sources) + " -> " +
             name_with(explained.to, destinations) + "  " + out.paint(Tone::strong, port));
    print(out, block.egress);
    print(out, block.ingress);
    if (flow.live) print_live(out, *flow.live);
}

}  // namespace

void print_text(Output& out, const Explained& explained) {
    const auto denied = static_cast<std::size_t>(
        std::count_if(explained.flows.begin(), explained.flows.end(),
                      [](const JudgedFlow& flow) { return !flow.why.allowed(); }));
    const auto blocks = blocks_of(explained);
    if (blocks.size() > 1) {
        const bool mixed = denied != 0 && denied != explained.flows.size();
        std::string line =
            verdict(out, denied == 0) + "  " + explained.from.text + " -> " + explained.to.text;
        if (mixed) {
            line += "  in part: " + std::to_string(denied) + " of " +
                    std::to_string(explained.flows.size()) + " flows are denied";
        }
        out.line(line);
    }
    for (const std::string& remark : explained.remarks) {
        out.line(out.paint(Tone::dim, "note: " + remark));
    }
    bool something_above = blocks.size() > 1 || !explained.remarks.empty();
    for (const Block& block : blocks) {
        if (something_above) out.line("");
        something_above = true;
        print(out, explained, block);
    }
}

namespace {

boost::json::value to_json(const RuleOutcome& rule, Direction direction) {
    return {{"field", std::string(to_string(direction)) + "[" + std::to_string(rule.index) + "]"},
            {"file", rule.pos.file},
            {"line", rule.pos.line},
            {"matches", rule.matches()},
            {"peer_matches", rule.peer_matches},
            {"peer", rule.peer_note},
            {"port_matches", rule.port_matches},
            {"port", rule.port_note}};
}

boost::json::object to_json(const DirectionOutcome& outcome, Direction direction) {
    boost::json::array policies;
    boost::json::array details;
    for (const PolicyOutcome& policy : outcome.policies) {
        boost::json::array rules;
        for (const RuleOutcome& rule : policy.rules) rules.push_back(to_json(rule, direction));
        policies.push_back(boost::json::string(to_string(policy.policy)));
        details.push_back({{"policy", to_string(policy.policy)},
                           {"file", policy.pos.file},
                           {"line", policy.pos.line},
                           {"allows", policy.allows()},
                           {"rules", std::move(rules)}});
    }
    boost::json::object json{{"isolated", outcome.isolated()},
                             {"allowed", outcome.allowed()},
                             {"exemption", std::string(to_string(outcome.exemption))},
                             {"held", outcome.held},
                             {"policies", std::move(policies)},
                             {"rule", nullptr},
                             {"details", std::move(details)}};
    if (const std::string rule = allowing_rule(outcome, direction); !rule.empty()) {
        json["rule"] = rule;
    }
    return json;
}

boost::json::object to_json(const LiveVerdict& live) {
    boost::json::object json{{"checked", live.skipped.empty()}, {"agrees", live.agrees()}};
    if (!live.skipped.empty()) {
        json["reason"] = live.skipped;
        return json;
    }
    boost::json::array steps;
    for (const LiveStep& step : live.steps) {
        steps.push_back(
            {{"chain", step.chain}, {"rule", step.rule}, {"nft", step.text}, {"note", step.note}});
    }
    json["expected"] = live.expected ? "allow" : "deny";
    json["verdict"] = live.accepted ? "allow" : "deny";
    json["steps"] = std::move(steps);
    return json;
}

const char* verdict_word(bool allowed) {
    return allowed ? "allow" : "deny";
}

/// What is said of each flow, and at the top of the one that decides.
void add_flow(boost::json::object& json, const JudgedFlow& flow) {
    const bool has_port = flow.target.port != 0;
    json["source"] = to_string(flow.why.flow.source);
    json["destination"] = to_string(flow.why.flow.destination);
    json["protocol"] = protocol_name(flow.target.protocol);
    json["port"] = has_port ? boost::json::value(flow.target.port) : boost::json::value(nullptr);
    json["port_name"] = flow.target.name;
    json["egress"] = to_json(flow.why.egress, Direction::egress);
    json["ingress"] = to_json(flow.why.ingress, Direction::ingress);
    if (flow.live) json["live"] = to_json(*flow.live);
}

boost::json::value pod_name(const Endpoint& endpoint) {
    if (endpoint.pod == nullptr) return nullptr;
    return boost::json::string(to_string(endpoint.pod->name));
}

}  // namespace

void print_json(Output& out, const Explained& explained, const Input& input) {
    boost::json::object json{{"verdict", verdict_word(explained.allowed())},
                             {"from", explained.from.text},
                             {"from_pod", pod_name(explained.from)},
                             {"to", explained.to.text},
                             {"to_pod", pod_name(explained.to)}};
    add_flow(json, explained.decisive());
    if (explained.decisive().live) {
        json["live_agrees"] = explained.live_agrees();
        json["node"] = explained.node;
    }
    boost::json::array flows;
    for (const JudgedFlow& flow : explained.flows) {
        boost::json::object one{{"verdict", verdict_word(flow.why.allowed())}};
        add_flow(one, flow);
        flows.push_back(std::move(one));
    }
    json["flows"] = std::move(flows);
    json["remarks"] = to_json(explained.remarks);
    json["problems"] = to_json(input.loaded.problems);
    json["warnings"] = to_json(input.warnings);
    out.json(json);
}

}  // namespace podfence::cmd
