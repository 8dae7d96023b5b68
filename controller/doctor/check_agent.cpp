// The agent, its table, and the clock it goes by.
#include <utility>

#include "controller/doctor/checks.hpp"

namespace podfence::doctor {

namespace {

Findings check_running(const AgentFacts& agent) {
    Findings findings;
    if (agent.in_sync) {
        findings.push_back({.id = "agent",
                            .level = Level::ok,
                            .title = "the agent is in sync: " + std::to_string(agent.pods) +
                                     " pods on this node"});
    } else {
        findings.push_back({.id = "agent-not-in-sync",
                            .level = Level::error,
                            .title = "the agent is not in sync: " + agent.summary,
                            .text = "what it enforced last stays in force; changes do not arrive",
                            .remedy = "podfence status"});
    }
    for (const std::string& lost : agent.lost_sources) {
        findings.push_back({.id = "agent-source",
                            .level = Level::warning,
                            .title = "the agent does not follow " + lost,
                            .text = "it goes on enforcing what it knew last",
                            .remedy = "podfence status"});
    }
    if (agent.policies_in_trouble > 0) {
        findings.push_back({.id = "agent-policies",
                            .level = Level::warning,
                            .title = std::to_string(agent.policies_in_trouble) +
                                     " policies are not enforced as written",
                            .text = "what they would allow is denied",
                            .remedy = "podfence status"});
    }
    if (agent.repairs > 0) {
        findings.push_back({.id = "agent-drift",
                            .level = Level::warning,
                            .title = "somebody changed podfence's rules " +
                                     std::to_string(agent.repairs) + " times; they were repaired",
                            .text = "two owners of one table fight; who it is stands in the status",
                            .remedy = "podfence status"});
    }
    return findings;
}

}  // namespace

Findings check_agent(const Facts& facts) {
    const AgentFacts& agent = facts.agent;
    switch (agent.presence) {
        case AgentFacts::Presence::running:
            return check_running(agent);
        case AgentFacts::Presence::absent:
            return {{.id = "agent-absent",
                     .level = Level::note,
                     .title = "no agent runs on this node",
                     .text = "nobody follows changes of policies and pods",
                     .remedy = "kubectl apply -k manifests/, or podfence agent"}};
        case AgentFacts::Presence::elsewhere:
            return {{.id = "agent-elsewhere",
                     .level = Level::warning,
                     .title = "the agent works in another network namespace than this one",
                     .text = "what is said here of interfaces and rules is not about its node",
                     .remedy = "run it in the agent's pod: kubectl exec ... -- podfence doctor"}};
        case AgentFacts::Presence::unreachable:
            return {{.id = "agent-unreachable",
                     .level = Level::warning,
                     .title = "the agent cannot be asked: " + agent.message,
                     .text = "how it stands is not known"}};
    }
    return {};
}

namespace {

/// Whether others may change it; while no agent runs, everybody may.
Findings check_owner(const Facts& facts, const std::string& name) {
    const AgentFacts& agent = facts.agent;
    if (agent.presence != AgentFacts::Presence::running) return {};
    if (facts.table->owned) {
        return {{.id = "table-owner",
                 .level = Level::ok,
                 .title = "nobody but the agent can change " + name}};
    }
    return {
        {.id = "table-shared",
         .level = Level::note,
         .title = "anybody with CAP_NET_ADMIN may change " + name +
                  (agent.table_shared_because.empty() ? std::string()
                                                      : ", because " + agent.table_shared_because),
         .text = "the agent sees that and repairs it within milliseconds; for that long what "
                 "was changed decides"}};
}

}  // namespace

Findings check_table(const Facts& facts) {
    if (!facts.table) {
        return {{.id = "table-unknown",
                 .level = Level::warning,
                 .title = "podfence's own rules cannot be read: " + facts.table_error,
                 .text = "whether anything is enforced here is not known",
                 .remedy = "run it as root"}};
    }
    const OwnTable& table = *facts.table;
    const bool expected =
        facts.agent.presence == AgentFacts::Presence::running && facts.agent.in_sync;
    const std::string name = "table inet " + facts.table_name;
    if (!table.present) {
        return {{.id = "table-missing",
                 .level = expected ? Level::error : Level::note,
                 .title = "the kernel holds no " + name + ": nothing is enforced here",
                 .text = expected ? "the agent believes that it does" : "",
                 .remedy = expected ? "kubectl -n podfence-system rollout restart "
                                      "daemonset/podfence"
                                    : "podfence apply, or start the agent"}};
    }
    Findings findings;
    if (table.dormant) {
        findings.push_back({.id = "table-dormant",
                            .level = Level::error,
                            .title = name + " is dormant: its rules see no packet",
                            .text = "somebody put it to sleep; a running agent wakes it",
                            .remedy = "nft add table inet " + facts.table_name});
    }
    if (table.differences && *table.differences > 0) {
        findings.push_back({.id = "table-differs",
                            .level = Level::error,
                            .title = name + " is not what the agent's objects ask for: " +
                                     std::to_string(*table.differences) +
                                     " operations would mend it",
                            .text = "a change may be on its way just now; look again. The first: " +
                                    table.first_difference,
                            .remedy = "podfence diff"});
    }
    if (findings.empty()) {
        findings.push_back(
            {.id = "table",
             .level = Level::ok,
             .title =
                 name + " is in the kernel" +
                 (table.differences ? " and holds exactly what the agent's objects ask for" : "")});
    }
    for (Finding& finding : check_owner(facts, name)) findings.push_back(std::move(finding));
    return findings;
}

Findings check_clock(const Facts& facts) {
    /// 2024-01-01: before this program was written.
    constexpr std::int64_t kEarliest = 1'704'067'200;
    const Clock& clock = facts.clock;
    if (clock.now_s < kEarliest) {
        return {{.id = "clock-wrong",
                 .level = Level::warning,
                 .title = "the clock is years behind",
                 .text = "the API server's certificate looks not yet valid, so the agent cannot "
                         "follow it; rules that are in force stay",
                 .remedy = "timedatectl set-ntp true"}};
    }
    if (clock.synchronised == false) {
        return {{.id = "clock-unsynchronised",
                 .level = Level::note,
                 .title = "nobody keeps the clock right (adjtimex: unsynchronised)",
                 .text = "policies know no time; certificates and logs do",
                 .remedy = "timedatectl set-ntp true"}};
    }
    return {{.id = "clock", .level = Level::ok, .title = "the clock is plausible"}};
}

Findings check_all(const Facts& facts) {
    Findings all;
    for (const auto check :
         {check_privileges, check_agent, check_table, check_pods, check_anti_spoof,
          check_own_plugin, check_features, check_bridges, check_forwarding, check_hooks,
          check_bypasses, check_legacy, check_engines, check_plugins, check_rp_filter,
          check_conntrack, check_clock}) {
        for (Finding& finding : check(facts)) all.push_back(std::move(finding));
    }
    return all;
}

}  // namespace podfence::doctor
