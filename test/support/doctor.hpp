#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "controller/doctor/checks.hpp"

/// Nodes as the doctor finds them, and what it says of them.
namespace podfence::test {

inline const doctor::Finding* find(const doctor::Findings& findings, const std::string& id) {
    const auto found = std::ranges::find(findings, id, &doctor::Finding::id);
    return found == findings.end() ? nullptr : &*found;
}

/// The level of a finding; nullopt: there is none with this id.
inline std::optional<doctor::Level> level(const doctor::Findings& findings, const std::string& id) {
    const auto* found = find(findings, id);
    return found == nullptr ? std::nullopt : std::optional(found->level);
}

inline bool says(const doctor::Findings& findings, const std::string& id, const std::string& text) {
    const auto* found = find(findings, id);
    return found != nullptr &&
           (found->title + found->text + found->remedy).find(text) != std::string::npos;
}

/// A node with routed pods on which all is well.
inline doctor::Facts healthy() {
    doctor::Facts facts;
    facts.kernel.release = "6.12.0";
    facts.kernel.features.emplace();
    for (std::size_t i = 0; i < nft::kFeatureCount; ++i) {
        facts.kernel.features->push_back(
            {.feature = static_cast<nft::Feature>(i), .present = true});
    }
    facts.privileges = {.net_admin = true, .may_make_namespaces = true, .initial_netns = true};
    facts.interfaces = {{.index = 1, .name = "lo"},
                        {.index = 2, .name = "eth0", .up = true},
                        {.index = 3, .name = "veth1", .kind = "veth", .up = true, .pods = 1}};
    facts.sysctls = {{"net/ipv4/ip_forward", "1"},
                     {"net/ipv6/conf/all/forwarding", "1"},
                     {"net/ipv4/conf/all/rp_filter", "1"},
                     {"net/ipv4/conf/veth1/rp_filter", "0"},
                     {"net/netfilter/nf_conntrack_count", "10"},
                     {"net/netfilter/nf_conntrack_max", "1000"}};
    facts.ruleset.emplace();
    facts.tc.emplace();
    facts.clock = {.now_s = 1'900'000'000, .synchronised = true};
    facts.ruleset->tables = {{.family = "inet", .name = "podfence"},
                             {.family = "netdev", .name = "podfence"}};
    facts.cni = {{.file = "10-ptp.conflist",
                  .types = {"ptp", "portmap", doctor::kOwnCniPlugin},
                  .on_agent_missing = "wait"}};
    facts.cni_program = true;
    facts.agent = {.presence = doctor::AgentFacts::Presence::running, .in_sync = true, .pods = 1};
    facts.agent.anti_spoof = {.mode = "enforce", .in_sync = true, .interfaces = 1};
    facts.table = doctor::OwnTable{.present = true, .owned = true, .differences = 0};
    return facts;
}

inline doctor::Facts bridged() {
    doctor::Facts facts = healthy();
    facts.interfaces = {{.index = 2, .name = "cni0", .kind = "bridge", .up = true, .pods = 2},
                        {.index = 3, .name = "veth1", .kind = "veth", .bridge = 2},
                        {.index = 4, .name = "veth2", .kind = "veth", .bridge = 2}};
    facts.sysctls["net/bridge/bridge-nf-call-iptables"] = "1";
    facts.sysctls["net/bridge/bridge-nf-call-ip6tables"] = "1";
    return facts;
}

}  // namespace podfence::test
