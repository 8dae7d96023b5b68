#include "controller/self_test/verdict.hpp"

#include <algorithm>

namespace podfence::self_test {

namespace {

using doctor::Finding;
using doctor::Level;

/// What policies want of a flow, whichever of them it is.
enum class Want : std::uint8_t { allow, deny, cut };

Want want_of(const FlowResult& result) {
    if (result.flow.expected == Expected::allowed) return Want::allow;
    return result.flow.expected == Expected::cut ? Want::cut : Want::deny;
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
    std::string list(Want want, Fate fate) const {
        std::vector<std::string> names;
        for (const FlowResult& result : results) {
            if (want_of(result) != want || result.fate != fate) continue;
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

Finding uncut(const Way& way, const std::string& flows) {
    return {.id = "self-test-uncut",
            .level = Level::error,
            .title = flows + " " + way.name + " went on after the connection was cut",
            .text =
                "packets of open connections pass by the rules: when policies stop allowing "
                "a connection it goes on until it ends",
            .remedy = "nft list flowtables; podfence doctor names those on pods' interfaces"};
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
                "nft list ruleset, and look for drops on the forward hook at priorities "
                "below podfence's; iptables-legacy-save"};
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
    if (const auto flows = way.list(Want::deny, Fate::passed); !flows.empty()) {
        add(bypassed(way, flows), Proof::bypassed);
    }
    if (const auto flows = way.list(Want::cut, Fate::passed); !flows.empty()) {
        add(uncut(way, flows), Proof::bypassed);
    }
    if (const auto flows = way.list(Want::deny, Fate::lost); !flows.empty()) {
        add(intercepted(way, flows, false), Proof::unproven);
    }
    if (const auto flows = way.list(Want::deny, Fate::answered); !flows.empty()) {
        add(intercepted(way, flows, true), Proof::unproven);
    }
    if (const auto flows = way.list(Want::allow, Fate::dropped); !flows.empty()) {
        add(overblocked(way, flows), Proof::unproven);
    }
    for (const Fate fate : {Fate::lost, Fate::answered}) {
        const auto flows = way.list(Want::allow, fate);
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
    std::size_t cut = 0;
    std::string names;
    for (const Way& way : ways_of(results)) {
        judge_way(way, outcome);
        denied += static_cast<std::size_t>(std::ranges::count(way.results, Want::deny, want_of));
        cut += static_cast<std::size_t>(std::ranges::count(way.results, Want::cut, want_of));
        names += (names.empty() ? "" : " and ") + way.name;
    }
    if (outcome.proof == Proof::enforced) {
        outcome.findings.insert(
            outcome.findings.begin(),
            {.id = "self-test",
             .level = Level::ok,
             .title = "proven with packets " + names + ": all " + std::to_string(denied) +
                      " denied flows were dropped by podfence's rules" +
                      (cut > 0 ? ", and what was cut stayed cut" : "")});
    }
    outcome.results = std::move(results);
    return outcome;
}

void add_bypasses(Outcome& outcome, const doctor::Findings& findings) {
    for (const Finding& finding : findings) {
        if (finding.level != Level::error || outcome.proof == Proof::bypassed) continue;
        outcome.proof = Proof::bypassed;
        outcome.reason = finding.title;
        // What packets of the self-test's own pods showed does not hold for all.
        std::erase_if(outcome.findings, [](const Finding& one) { return one.level == Level::ok; });
    }
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
