// The pods of this node: which of them cannot be judged, whose source addresses are not proved, and
// whether they speak before their rules are there.
#include <algorithm>

#include "controller/doctor/checks.hpp"

namespace podfence::doctor {

namespace {

constexpr const char* kInstallPlugin =
    "podfence cni install (in the DaemonSet: kubectl apply -k manifests/overlays/cni-plugin)";

std::vector<std::string> names_of(const std::vector<PodRemark>& pods, std::string_view reason) {
    std::vector<std::string> names;
    for (const PodRemark& pod : pods) {
        if (pod.reason == reason) names.push_back(pod.pod);
    }
    return names;
}

/// "1 pod (shop/web)", "3 pods (a/x, a/y, a/z)"
std::string pods_of(const std::vector<std::string>& names) {
    return std::to_string(names.size()) + (names.size() == 1 ? " pod (" : " pods (") +
           list_of(names) + ")";
}

bool is_running(const Facts& facts) {
    return facts.agent.presence == AgentFacts::Presence::running;
}

const nft::SurveyedTable* guard_table(const Facts& facts) {
    if (!facts.ruleset) return nullptr;
    const auto found =
        std::ranges::find_if(facts.ruleset->tables, [&](const nft::SurveyedTable& table) {
            return table.family == "netdev" && table.name == facts.table_name;
        });
    return found == facts.ruleset->tables.end() ? nullptr : &*found;
}

}  // namespace

Findings check_pods(const Facts& facts) {
    if (!is_running(facts)) return {};
    Findings findings;
    if (const auto hosts = names_of(facts.agent.unenforced, "hostNetwork"); !hosts.empty()) {
        findings.push_back({.id = "pods-host-network",
                            .level = Level::note,
                            .title = "policies do not judge " + pods_of(hosts) +
                                     " on the node's own network (hostNetwork)",
                            .text = "they are the node, for policies too: an ipBlock with the "
                                    "node's addresses is what allows or denies them"});
    }
    if (const auto shared = names_of(facts.agent.unenforced, "address-shared"); !shared.empty()) {
        findings.push_back({.id = "pods-address-shared",
                            .level = Level::warning,
                            .title = pods_of(shared) + " share an address with another pod",
                            .text = "only the newest pod's policies are enforced for it; the "
                                    "network plugin gave it away twice, or a pod is about to go",
                            .remedy = "podfence status -o json | jq .pods.unenforced"});
    }
    if (const auto unseen = names_of(facts.agent.anti_spoof.unproved, "no-interface");
        !unseen.empty()) {
        findings.push_back(
            {.id = "pods-not-enforceable",
             .level = Level::warning,
             .title = "no interface of this node leads to " + pods_of(unseen),
             .text = "with macvlan, ipvlan and SR-IOV their traffic passes no hook of the node, "
                     "and policies are NOT enforced on it; a pod that starts just now is listed "
                     "for a moment, too",
             .remedy = "connect such pods by a plugin with an interface on the node (bridge, ptp, "
                       "flannel...)"});
    }
    return findings;
}

namespace {

Findings check_guard_table(const Facts& facts) {
    if (!facts.ruleset || !facts.agent.anti_spoof.in_sync) return {};
    const auto* table = guard_table(facts);
    const std::string name = "table netdev " + facts.table_name;
    if (table == nullptr && facts.agent.anti_spoof.interfaces > 0) {
        return {{.id = "anti-spoof-missing",
                 .level = Level::error,
                 .title = "the kernel holds no " + name,
                 .text = "the agent believes that it does; pods' source addresses are NOT proved",
                 .remedy = "kubectl -n podfence-system rollout restart daemonset/podfence"}};
    }
    if (table != nullptr && table->dormant()) {
        return {{.id = "anti-spoof-dormant",
                 .level = Level::error,
                 .title = name + " is dormant: its rules see no packet",
                 .text = "pods' source addresses are NOT proved; a running agent wakes it",
                 .remedy = "nft add table netdev " + facts.table_name}};
    }
    return {};
}

Finding describe_guard(const AntiSpoofFacts& guard) {
    const std::string what = "source addresses are proved at " + std::to_string(guard.interfaces) +
                             " pods' interfaces; packets refused: " + std::to_string(guard.refused);
    if (guard.mode == "audit") {
        return {.id = "anti-spoof-audit",
                .level = Level::note,
                .title = what + ", though only counted (--anti-spoof=audit)",
                .text = "a pod that can send raw packets may use what policies allow to others",
                .remedy = "podfence agent --anti-spoof=enforce"};
    }
    return {.id = "anti-spoof", .level = Level::ok, .title = what};
}

}  // namespace

Findings check_anti_spoof(const Facts& facts) {
    if (!is_running(facts)) return {};
    const AntiSpoofFacts& guard = facts.agent.anti_spoof;
    if (guard.mode == "off") {
        return {{.id = "anti-spoof-off",
                 .level = Level::note,
                 .title = "pods' source addresses are not proved (--anti-spoof=off)",
                 .text = "policies go by address: a pod that can send raw packets may use what "
                         "policies allow to others",
                 .remedy = "podfence agent --anti-spoof=enforce"}};
    }
    Findings findings = check_guard_table(facts);
    if (!guard.in_sync) {
        findings.push_back(
            {.id = "anti-spoof-not-in-sync",
             .level = Level::warning,
             .title = "the proof of pods' source addresses is not in sync" +
                      (guard.error.empty() ? std::string() : ": " + guard.error),
             .text = "policies are enforced; who borrows another pod's address is not stopped",
             .remedy = "podfence status"});
    } else if (findings.empty()) {
        findings.push_back(describe_guard(guard));
    }
    for (const char* reason : {"interface-kind", "interface-shared"}) {
        const auto pods = names_of(guard.unproved, reason);
        if (pods.empty()) continue;
        findings.push_back({.id = std::string("anti-spoof-") + reason,
                            .level = Level::note,
                            .title = "the source addresses of " + pods_of(pods) +
                                     " cannot be proved: the interface is not one pod's own",
                            .text = "policies are enforced; such a pod may borrow its neighbours' "
                                    "addresses",
                            .remedy = "podfence status"});
    }
    return findings;
}

namespace {

/// Where in a list our plugin stands.
Finding describe_place(const Facts& facts, const CniConfig& config) {
    const std::string name = kOwnCniPlugin;
    if (facts.cni_program == false) {
        return {.id = "cni-plugin-program-missing",
                .level = Level::error,
                .title = name + " stands in " + config.file + ", but its program is missing",
                .text = "NO pod can start on this node: the runtime runs every plugin of the list",
                .remedy = "podfence cni install, or podfence cni remove"};
    }
    if (&config != &facts.cni.front()) {
        return {.id = "cni-plugin-unused",
                .level = Level::warning,
                .title = name + " stands in " + config.file +
                         ", but runtimes take the first file, " + facts.cni.front().file,
                .text = "a pod's first packets go before its rules are in force",
                .remedy = kInstallPlugin};
    }
    if (config.types.back() != name) {
        return {.id = "cni-plugin-not-last",
                .level = Level::warning,
                .title = name + " is not the last plugin of " + config.file + ": " +
                         config.types.back() + " comes after it",
                .text =
                    "what later plugins change of a pod's interface and addresses the agent "
                    "learns only from the API server, seconds later",
                .remedy = "podfence cni remove && podfence cni install"};
    }
    return {.id = "cni-plugin",
            .level = Level::ok,
            .title = name + " is the last plugin of " + config.file +
                     ": policies hold from a pod's first packet" +
                     (config.on_agent_missing.empty()
                          ? std::string()
                          : "; without an agent: " + config.on_agent_missing)};
}

}  // namespace

Findings check_own_plugin(const Facts& facts) {
    if (facts.cni.empty()) {
        if (facts.cni_directory.empty()) return {};
        return {{.id = "cni-unknown",
                 .level = Level::note,
                 .title = "no configuration of the pod network in " + facts.cni_directory,
                 .text = "in a pod that directory is the container's own, and elsewhere there may "
                         "be another: whether " +
                         std::string(kOwnCniPlugin) + " is installed is not known",
                 .remedy = "run it on the node itself; elsewhere say where: --conf-dir DIR"}};
    }
    for (const CniConfig& config : facts.cni) {
        const bool ours = std::ranges::find(config.types, kOwnCniPlugin) != config.types.end();
        if (ours) return {describe_place(facts, config)};
    }
    return {{.id = "cni-plugin-absent",
             .level = Level::note,
             .title = std::string(kOwnCniPlugin) + " is not installed here (" +
                      facts.cni.front().file + ")",
             .text = "a new pod is open until the agent has heard of its address, a second or two",
             .remedy = kInstallPlugin}};
}

}  // namespace podfence::doctor
