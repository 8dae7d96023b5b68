#include "controller/self_test/verdict.hpp"

#include <algorithm>

namespace podfence::self_test {

namespace {

using doctor::Finding;
using doctor::Level;

bool is_denied(const FlowResult& result) {
    return result.flow.expected != Expected::allowed;
}

/// "between pods on bridge cni0"
std::string way_of(const FlowResult& result) {
    if (result.wiring == Wiring::routed) return "between routed pods";
    return "between pods on " + (result.bridge.empty() ? "a bridge" : "bridge " + result.bridge);
}

/// One of the ways that were tried, with what happened there.
struct Way {
    std::string name{};
    std::vector<FlowResult> results{};

    /// "TCP over IPv4, UDP over IPv4"; each once.
    std::string list(bool denied, Fate fate) const {
        std::vector<std::string> names;
        for (const FlowResult& result : results) {
            if (is_denied(result) != denied || result.fate != fate) continue;
            const std::string name = describe(result.flow);
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
        }
        std::string text;
        for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
        return text;
    }
};

std::vector<Way> ways_of(const std::vector<FlowResult>& results) {
    std::vector<Way> ways;
    for (const FlowResult& result : results) {
        const std::string name = way_of(result);
        if (ways.empty() || ways.back().name != name) ways.push_back({.name = name});
        ways.back().results.push_back(result);
    }
    return ways;
}

Finding bypassed(const Way& way, const std::string& flows) {
    const bool bridged = way.results.front().wiring == Wiring::bridged;
    return {.id = "self-test-bypassed",
            .level = Level::error,
            .title = flows + " " + way.name + " arrived although the policy denies it",
            .text = "rules are loaded and packets pass by them: policies are NOT enforced there",
            .remedy = bridged ? "modprobe br_netfilter && sysctl -w "
                                "net.bridge.bridge-nf-call-iptables=1 "
                                "net.bridge.bridge-nf-call-ip6tables=1"
                              : "nft list ruleset, and look for flowtables and for 'fwd'; tc "
                                "filter show dev DEV ingress"};
}

Finding intercepted(const Way& way, const std::string& flows, bool answered) {
    return {.id = answered ? "self-test-answered" : "self-test-lost",
            .level = Level::error,
            .title = flows + " " + way.name + " was " + (answered ? "refused" : "dropped") +
                     " by somebody before podfence saw it",
            .text =
                "so it is not proven that podfence enforces here: what somebody else does "
                "with these packets may not be what they do with those of pods",
            .remedy =
                "nft list ruleset, and look for drops in front of the forward hook's "
                "priority filter - 10; iptables-legacy-save"};
}

Finding hindered(const Way& way, const std::string& flows) {
    return {.id = "self-test-hindered",
            .level = Level::warning,
            .title = flows + " " + way.name + " did not arrive although the policy allows it",
            .text =
                "podfence did not drop it. Somebody else's firewall may accept only the "
                "addresses of real pods, or drop what policies allow for them too",
            .remedy = "podfence doctor shows who else drops what is forwarded"};
}

Finding overblocked(const Way& way, const std::string& flows) {
    return {
        .id = "self-test-denied",
        .level = Level::error,
        .title = flows + " " + way.name + " was dropped by podfence although the policy allows it",
        .text = "a fault of podfence; please report it with the output of podfence version",
        .remedy = ""};
}

void judge_way(const Way& way, Outcome& outcome) {
    const auto add = [&](Finding finding, Proof proof) {
        if (outcome.reason.empty() || proof == Proof::bypassed) outcome.reason = finding.title;
        if (outcome.proof != Proof::bypassed) outcome.proof = proof;
        outcome.findings.push_back(std::move(finding));
    };
    if (const auto flows = way.list(true, Fate::passed); !flows.empty()) {
        add(bypassed(way, flows), Proof::bypassed);
    }
    if (const auto flows = way.list(true, Fate::lost); !flows.empty()) {
        add(intercepted(way, flows, false), Proof::unproven);
    }
    if (const auto flows = way.list(true, Fate::answered); !flows.empty()) {
        add(intercepted(way, flows, true), Proof::unproven);
    }
    if (const auto flows = way.list(false, Fate::dropped); !flows.empty()) {
        add(overblocked(way, flows), Proof::unproven);
    }
    for (const Fate fate : {Fate::lost, Fate::answered}) {
        const auto flows = way.list(false, fate);
        if (!flows.empty()) outcome.findings.push_back(hindered(way, flows));
    }
}

}  // namespace

std::string_view to_string(Proof proof) {
    switch (proof) {
        case Proof::enforced:
            return "enforced";
        case Proof::bypassed:
            return "bypassed";
        case Proof::unproven:
            return "unproven";
        case Proof::impossible:
            return "impossible";
    }
    return "?";
}

Outcome judge(std::vector<FlowResult> results) {
    if (results.empty()) return impossible("there was no way to try it on", "");
    Outcome outcome{.proof = Proof::enforced};
    std::size_t denied = 0;
    std::string names;
    for (const Way& way : ways_of(results)) {
        judge_way(way, outcome);
        denied += static_cast<std::size_t>(std::ranges::count_if(way.results, is_denied));
        names += (names.empty() ? "" : " and ") + way.name;
    }
    if (outcome.proof == Proof::enforced) {
        outcome.findings.insert(
            outcome.findings.begin(),
            {.id = "self-test",
             .level = Level::ok,
             .title = "proven with packets " + names + ": all " + std::to_string(denied) +
                      " denied flows were dropped by podfence's rules"});
    }
    outcome.results = std::move(results);
    return outcome;
}

Outcome impossible(const std::string& reason, const std::string& remedy) {
    return {.proof = Proof::impossible,
            .reason = reason,
            .findings = {{.id = "self-test-impossible",
                          .level = Level::warning,
                          .title = "the self-test could not be made: " + reason,
                          .text = "whether packets pass by the rules is not known",
                          .remedy = remedy}}};
}

}  // namespace podfence::self_test
