// Who else enforces policies here, and plugins whose pods no hook of the host sees.
#include <algorithm>
#include <array>
#include <string_view>

#include "controller/doctor/checks.hpp"

namespace podfence::doctor {

namespace {

/// Where packets go under another engine.
enum class Path : std::uint8_t {
    netfilter,  ///< It drops in netfilter, as we do: a packet must get past both.
    around,     ///< Its programs may carry packets past netfilter.
};

/// How an engine is recognised: any one is enough. Beginnings of names, except of CNI types.
struct Engine {
    std::string_view id;
    std::string_view name;
    Path path;
    std::array<std::string_view, 3> chains;    ///< In any table.
    std::array<std::string_view, 2> tables;    ///< Of nftables.
    std::array<std::string_view, 3> programs;  ///< Attached by tc.
    std::array<std::string_view, 2> interfaces;
    std::string_view cni;
};

constexpr std::array<Engine, 10> kEngines{{
    {"cilium",
     "Cilium",
     Path::around,
     {"CILIUM_", "OLD_CILIUM_", ""},
     {"", ""},
     {"cil_", "", ""},
     {"cilium_", ""},
     "cilium-cni"},
    {"calico",
     "Calico",
     Path::netfilter,
     {"cali-", "", ""},
     {"calico", ""},
     {"", "", ""},
     {"", ""},
     "calico"},
    {"calico-bpf",
     "Calico with its eBPF dataplane",
     Path::around,
     {"", "", ""},
     {"", ""},
     {"calico_", "cali_", ""},
     {"bpfin.cali", ""},
     ""},
    {"kube-router",
     "kube-router (also in k3s)",
     Path::netfilter,
     {"KUBE-ROUTER-FORWARD", "KUBE-NWPLCY-", "KUBE-POD-FW-"},
     {"", ""},
     {"", "", ""},
     {"", ""},
     ""},
    {"kube-network-policies",
     "kube-network-policies (also in kindnet)",
     Path::netfilter,
     {"", "", ""},
     {"kube-network-policies", "kindnet-network-policies"},
     {"", "", ""},
     {"", ""},
     ""},
    {"aws",
     "the AWS network policy agent",
     Path::netfilter,
     {"", "", ""},
     {"", ""},
     {"handle_ingress", "handle_egress", ""},
     {"", ""},
     ""},
    {"antrea",
     "Antrea",
     Path::around,
     {"ANTREA-", "", ""},
     {"antrea", ""},
     {"", "", ""},
     {"antrea-gw", ""},
     "antrea"},
    {"ovn",
     "OVN (ovn-kubernetes, kube-ovn)",
     Path::around,
     {"", "", ""},
     {"", ""},
     {"", "", ""},
     {"ovn-k8s-mp", "ovn0"},
     "kube-ovn"},
    {"weave",
     "weave-npc",
     Path::netfilter,
     {"WEAVE-NPC", "", ""},
     {"", ""},
     {"", "", ""},
     {"", ""},
     ""},
    {"azure-npm",
     "Azure NPM",
     Path::netfilter,
     {"AZURE-NPM", "", ""},
     {"", ""},
     {"", "", ""},
     {"", ""},
     ""},
}};

template <std::size_t N>
bool begins_with_any(std::string_view name, const std::array<std::string_view, N>& beginnings) {
    return std::ranges::any_of(beginnings, [&](std::string_view beginning) {
        return !beginning.empty() && name.starts_with(beginning);
    });
}

/// What gives it away; "" when it is not here.
std::string evidence_of(const Engine& engine, const Facts& facts) {
    for (const auto& hook : facts.tc.value_or(std::vector<TcHook>())) {
        if (begins_with_any(hook.name, engine.programs)) {
            return "program " + hook.name + " on " + hook.interface;
        }
    }
    if (facts.ruleset) {
        for (const auto& table : facts.ruleset->tables) {
            if (begins_with_any(table.name, engine.tables)) {
                return "table " + table.family + " " + table.name;
            }
            for (const auto& chain : table.chains) {
                if (begins_with_any(chain, engine.chains)) {
                    return "chain " + table.family + " " + table.name + " " + chain;
                }
            }
        }
    }
    for (const auto& one : facts.interfaces.value_or(std::vector<Interface>())) {
        if (begins_with_any(one.name, engine.interfaces)) return "interface " + one.name;
    }
    for (const auto& config : facts.cni) {
        const bool named = !engine.cni.empty() &&
                           std::ranges::find(config.types, engine.cni) != config.types.end();
        if (named) return "plugin " + std::string(engine.cni) + " in " + config.file;
    }
    return "";
}

/// Plugins that give pods a device of the node, or a part of one, without a host's end.
constexpr std::array<std::string_view, 6> kUnseenTypes{"macvlan",  "ipvlan",      "sriov",
                                                       "ib-sriov", "host-device", "dpdk"};

}  // namespace

Findings check_engines(const Facts& facts) {
    Findings findings;
    for (const Engine& engine : kEngines) {
        const std::string evidence = evidence_of(engine, facts);
        if (evidence.empty()) continue;
        const std::string name(engine.name);
        const bool around = engine.path == Path::around;
        findings.push_back(
            {.id = "engine-" + std::string(engine.id),
             .level = around ? Level::error : Level::warning,
             .title = name + " is or was at work here (" + evidence + ")",
             .text = around ? "it can carry pods' packets past netfilter: podfence does not see "
                              "those, so leave enforcing to it"
                            : "a packet must be allowed by both, and a policy that one of them "
                              "takes away stays in force in the other until it notices too",
             .remedy = around ? "podfence cleanup"
                              : "turn off policies in " + name + ", or run podfence cleanup"});
    }
    if (findings.empty()) {
        findings.push_back({.id = "engines",
                            .level = Level::ok,
                            .title = "no other engine for policies was recognised"});
    }
    return findings;
}

Findings check_plugins(const Facts& facts) {
    Findings findings;
    for (const CniConfig& config : facts.cni) {
        for (const std::string& type : config.types) {
            if (std::ranges::find(kUnseenTypes, type) == kUnseenTypes.end()) continue;
            findings.push_back(
                {.id = "plugin-" + type,
                 .level = Level::warning,
                 .title = "pods get interfaces by the plugin " + type + " (" + config.file + ")",
                 .text = "what they send by these passes no hook of this node, and policies cannot "
                         "be enforced on it; 'podfence status' lists pods that it knows of"});
        }
    }
    return findings;
}

}  // namespace podfence::doctor
