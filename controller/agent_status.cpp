// How the agent stands, gathered from its parts.
#include <unistd.h>

#include "controller/agent.hpp"
#include "controller/status_sources.hpp"

namespace podfence {

void Agent::proven(const CanaryRecord& answer) {
    api_.changed();
    if (answer.state == CanaryState::enforced) {
        return log_.info("enforcement is proven with packets");
    }
    metrics_.error("canary");
    if (answer.forbids_ready()) {
        return log_.error("enforcement is NOT proven",
                          {{"result", answer.summary()}, {"remedy", "podfence doctor"}});
    }
    log_.warning("enforcement could not be tried with packets",
                 {{"reason", answer.reason}, {"remedy", "podfence doctor --self-test"}});
}

void Agent::tell_service() const {
    if (options_.service.present()) options_.service.tell_status(status().summary());
}

/// The event loop turns: that is what a watchdog cannot know otherwise.
void Agent::feed_watchdog() {
    const auto period = options_.service.watchdog();
    if (!period) return;
    options_.service.tell("WATCHDOG=1");
    watchdog_.expires_after(*period / 2);
    watchdog_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) feed_watchdog();
    });
}

std::string Agent::unguarded() const {
    const bool needed = guard_ && options_.anti_spoof.mode == AntiSpoofMode::enforce;
    return needed && !guard_->in_sync() ? guard_->trouble() : std::string();
}

/// Whoever waits for the guard is asked again; status is another only with its being in sync.
void Agent::note_guard() {
    api_.wake();
    if (guarded_ == guard_->in_sync()) return;
    guarded_ = !guarded_;
    api_.changed();
}

AgentState Agent::state() const {
    if (failure_) return AgentState::failing;
    if (!reconciler_.ever_synced()) return AgentState::waiting;
    return reconciler_.in_sync() ? AgentState::synced : AgentState::syncing;
}

AgentStatus Agent::status() const {
    AgentStatus status{.version = options_.version,
                       .node = options_.rules.node,
                       .pid = ::getpid(),
                       .netns = network_namespace(),
                       .now = std::chrono::system_clock::now(),
                       .started = started_,
                       .state = state(),
                       .in_sync_since = in_sync_since_,
                       .ever_synced = reconciler_.ever_synced(),
                       .failure = failure_,
                       .history = history_,
                       .canary = canary_.record(),
                       .settings = options_.settings,
                       .rules = desired_.options()};
    if (source_) tell_source(source_->status(), status);
    for (const auto& [name, error] : refused_) {
        PolicyTrouble trouble{.policy = name, .refused_by_kernel = true};
        trouble.problems.add({.object = "NetworkPolicy " + to_string(name), .message = error},
                             kProblemsPerPolicyMax);
        status.policies.add(std::move(trouble), kPoliciesInTroubleMax);
    }
    for (const auto& [name, problems] : policy_problems_) {
        PolicyTrouble trouble{.policy = name};
        for (const auto& problem : problems) trouble.problems.add(problem, kProblemsPerPolicyMax);
        status.policies.add(std::move(trouble), kPoliciesInTroubleMax);
    }
    for (const auto& problem : input_problems_) status.input.add(problem, kInputProblemsMax);
    const Cluster& cluster = desired_.cluster();
    status.pods = survey_pods(cluster, desired_.own_pods());
    if (guard_) status.anti_spoof = guard_->status();
    status.unknown_pods = unknown_.status();
    status.pods_known = cluster.pods().size();
    status.namespaces_known = cluster.namespaces().size();
    status.policies_known = cluster.policies().size();
    if (reconciler_.ever_synced()) status.table = desired_.counts();
    status.table_owned = hold_.is_ours();
    status.table_shared_because = hold_.shared_because();
    status.rss_bytes = resident_bytes();
    return status;
}

}  // namespace podfence
