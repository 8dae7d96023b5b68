// The network stack's settings: whether pods' packets come by our hooks at all, and what conntrack
// makes of them.
#include <algorithm>
#include <array>
#include <charconv>

#include "controller/doctor/checks.hpp"

namespace podfence::doctor {

namespace {

std::optional<std::string> setting(const Facts& facts, const std::string& name) {
    const auto found = facts.sysctls.find(name);
    return found == facts.sysctls.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::uint64_t> number(const Facts& facts, const std::string& name) {
    const auto text = setting(facts, name);
    std::uint64_t value = 0;
    if (!text ||
        std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc())
        return std::nullopt;
    return value;
}

std::string with_dots(std::string name) {
    std::ranges::replace(name, '/', '.');
    return name;
}

/// One family's way from a bridge to the IP hooks.
struct BridgeCall {
    const char* family;
    const char* id;
    const char* sysctl;
    bool Interface::*always;
};
constexpr std::array<BridgeCall, 2> kBridgeCalls{{
    {"IPv4", "bridge-bypass-ipv4", "net/bridge/bridge-nf-call-iptables",
     &Interface::calls_iptables},
    {"IPv6", "bridge-bypass-ipv6", "net/bridge/bridge-nf-call-ip6tables",
     &Interface::calls_ip6tables},
}};

std::vector<Interface> bridges_with_ports(const std::vector<Interface>& interfaces) {
    std::vector<Interface> bridges;
    for (const Interface& bridge : interfaces) {
        const bool used =
            bridge.kind == "bridge" && std::ranges::any_of(interfaces, [&](const Interface& port) {
                return port.bridge == bridge.index;
            });
        if (used) bridges.push_back(bridge);
    }
    return bridges;
}

std::string names_of(const std::vector<Interface>& interfaces) {
    std::string names;
    for (const Interface& one : interfaces) names += (names.empty() ? "" : ", ") + one.name;
    return names;
}

/// Of bridges that no pod is known to be on, nobody knows whose they are unless pods are elsewhere.
Level bypass_level(const Facts& facts, const std::vector<Interface>& bridges) {
    const bool on_bridge =
        std::ranges::any_of(bridges, [](const Interface& bridge) { return bridge.pods > 0; });
    const bool elsewhere =
        std::ranges::any_of(*facts.interfaces, [](const Interface& one) { return one.pods > 0; });
    return on_bridge || !elsewhere ? Level::error : Level::note;
}

}  // namespace

Findings check_bridges(const Facts& facts) {
    if (!facts.interfaces) return {};
    const auto bridges = bridges_with_ports(*facts.interfaces);
    if (bridges.empty()) {
        return {{.id = "bridges",
                 .level = Level::ok,
                 .title = "no bridge has ports: between pods everything is routed"}};
    }
    const Level level = bypass_level(facts, bridges);
    Findings findings;
    for (const BridgeCall& call : kBridgeCalls) {
        std::vector<Interface> open = bridges;
        std::erase_if(open, [&](const Interface& bridge) { return bridge.*call.always; });
        const auto value = setting(facts, call.sysctl);
        if (open.empty() || (value && *value != "0")) continue;
        const std::string remedy = "sysctl -w " + with_dots(call.sysctl) + "=1";
        findings.push_back(
            {.id = call.id,
             .level = level,
             .title = std::string(call.family) + " between ports of a bridge (" + names_of(open) +
                      ") passes no rule: " +
                      (value ? with_dots(call.sysctl) + " is 0"
                             : std::string("the module br_netfilter is not loaded")),
             .text = level == Level::error
                         ? "policies are NOT enforced between pods of this node on one bridge"
                         : "the pods that are known are not on it",
             .remedy = value ? remedy : "modprobe br_netfilter && " + remedy});
    }
    if (findings.empty()) {
        findings.push_back({.id = "bridges",
                            .level = Level::ok,
                            .title = "what is bridged (" + names_of(bridges) +
                                     ") passes the rules: br_netfilter is on"});
    }
    return findings;
}

Findings check_forwarding(const Facts& facts) {
    Findings findings;
    if (setting(facts, "net/ipv4/ip_forward") == "0") {
        findings.push_back({.id = "forwarding-ipv4",
                            .level = Level::warning,
                            .title = "net.ipv4.ip_forward is 0",
                            .text = "pods reach nothing that is routed, allowed or not",
                            .remedy = "sysctl -w net.ipv4.ip_forward=1"});
    }
    const bool v6 = facts.agent.pods_v6 > 0;
    if (setting(facts, "net/ipv6/conf/all/forwarding") == "0") {
        findings.push_back({.id = "forwarding-ipv6",
                            .level = v6 ? Level::warning : Level::note,
                            .title = "net.ipv6.conf.all.forwarding is 0",
                            .text = v6 ? "pods have IPv6 addresses and reach nothing that is routed"
                                       : "right on a node whose pods have no IPv6 addresses",
                            .remedy = v6 ? "sysctl -w net.ipv6.conf.all.forwarding=1" : ""});
    }
    if (findings.empty()) {
        findings.push_back(
            {.id = "forwarding", .level = Level::ok, .title = "IPv4 and IPv6 are forwarded"});
    }
    return findings;
}

/// The kernel takes the stricter of "all" and the interface's own (ip-sysctl, rp_filter).
Findings check_rp_filter(const Facts& facts) {
    // The agent's proof at pods' interfaces is stricter, and of IPv6 and ARP too.
    if (!facts.interfaces || facts.agent.anti_spoof.mode == "enforce") return {};
    const auto all = number(facts, "net/ipv4/conf/all/rp_filter");
    std::vector<std::string> loose;
    for (const Interface& one : *facts.interfaces) {
        if (one.kind != "veth" && one.kind != "bridge") continue;
        const auto own = number(facts, "net/ipv4/conf/" + one.name + "/rp_filter");
        if (all && own && std::max(*all, *own) != 1) loose.push_back(one.name);
    }
    if (loose.empty()) return {};
    const std::string more =
        loose.size() > 1 ? " and " + std::to_string(loose.size() - 1) + " more" : "";
    return {{.id = "rp-filter",
             .level = Level::note,
             .title = "rp_filter is not strict on " + loose.front() + more,
             .text = "the kernel itself lets a pod with NET_RAW send from addresses that are not "
                     "its own, and so use what policies allow to others",
             .remedy = "podfence agent --anti-spoof=enforce"}};
}

namespace {

Findings check_conntrack_room(const Facts& facts) {
    const auto count = number(facts, "net/netfilter/nf_conntrack_count");
    const auto max = number(facts, "net/netfilter/nf_conntrack_max");
    if (!count || !max || *max == 0) {
        return {{.id = "conntrack",
                 .level = Level::note,
                 .title = "conntrack is not in use yet",
                 .text = "it is loaded with the first rule that asks for a connection's state"}};
    }
    const std::uint64_t percent = *count * 100 / *max;
    const std::string title = "conntrack holds " + std::to_string(*count) + " of " +
                              std::to_string(*max) + " connections (" + std::to_string(percent) +
                              " %)";
    constexpr std::uint64_t kTightPercent = 80;
    if (percent < kTightPercent) {
        return {{.id = "conntrack", .level = Level::ok, .title = title}};
    }
    return {{.id = "conntrack-full",
             .level = Level::warning,
             .title = title,
             .text = "when it is full the kernel drops new connections of everybody, allowed or "
                     "not",
             .remedy = "sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(*max * 2)}};
}

}  // namespace

Findings check_conntrack(const Facts& facts) {
    Findings findings = check_conntrack_room(facts);
    if (setting(facts, "net/netfilter/nf_conntrack_tcp_be_liberal") == "1") {
        findings.push_back({.id = "conntrack-liberal",
                            .level = Level::note,
                            .title = "nf_conntrack_tcp_be_liberal is 1",
                            .text = "packets outside of a connection's window count as part of it; "
                                    "what is judged are its first packets, so policies hold"});
    }
    if (setting(facts, "net/netfilter/nf_conntrack_tcp_loose") == "0") {
        findings.push_back({.id = "conntrack-strict",
                            .level = Level::note,
                            .title = "nf_conntrack_tcp_loose is 0",
                            .text = "connections that conntrack forgot are not picked up again, "
                                    "even where policies allow them"});
    }
    return findings;
}

}  // namespace podfence::doctor
