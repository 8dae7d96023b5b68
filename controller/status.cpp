#include "controller/status.hpp"

#include <algorithm>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "controller/selector.hpp"
#include "controller/timestamp.hpp"

namespace podfence {

namespace {

template <class T>
void keep_last(std::vector<T>& list, T value) {
    if (list.size() == AgentHistory::kKept) list.erase(list.begin());
    list.push_back(std::move(value));
}

/// "pods and networkpolicies"
std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
        text += words[i];
    }
    return text;
}

std::string waiting_summary(const AgentStatus& status) {
    std::vector<std::string> missing;
    std::vector<std::string> reasons;
    for (const SourceKind& source : status.sources) {
        if (source.listed) continue;
        missing.push_back(source.kind);
        // What afflicts all kinds is said once.
        if (!source.error.empty() &&
            std::find(reasons.begin(), reasons.end(), source.error) == reasons.end()) {
            reasons.push_back(source.error);
        }
    }
    const bool range_missing = missing.empty() && !status.unknown_pods.known;
    if (range_missing && !status.unknown_pods.error.empty()) {
        reasons.push_back(status.unknown_pods.error);
        if (!status.unknown_pods.remedy.empty()) reasons.push_back(status.unknown_pods.remedy);
    }
    std::string text = "waiting for ";
    text += range_missing     ? "the range of this node's pods"
            : missing.empty() ? "the first commit"
                              : "the list of " + joined(missing);
    if (!status.origin.empty() && (!missing.empty() || range_missing))
        text += " from " + status.origin;
    for (const std::string& reason : reasons) text += ": " + reason;
    return text;
}

bool is_isolated(const Cluster& cluster, const Pod& pod) {
    return std::ranges::any_of(cluster.policies_of(pod.name.ns), [&](const auto& entry) {
        return matches(entry.second.pods, pod.labels);
    });
}

/// Why policies cannot judge the pod; "" when they can.
PodTrouble trouble_of(const Cluster& cluster, const Pod& pod) {
    PodTrouble trouble{.pod = pod.name};
    if (pod.host_network) {
        trouble.reason = "hostNetwork";
        trouble.text = "it is on its node's network, which policies do not judge";
        return trouble;
    }
    if (pod.addresses.empty()) {
        trouble.reason = "no-address";
        trouble.text = "it has no address yet";
        return trouble;
    }
    for (const Address& address : pod.addresses) {
        const Pod* owner = cluster.owner_of(address);
        if (owner == &pod || owner == nullptr) continue;
        trouble.reason = "address-shared";
        trouble.text = "its address " + nft::to_string(address) + " now counts as that of pod " +
                       to_string(owner->name);
        return trouble;
    }
    return trouble;
}

}  // namespace

std::string_view to_string(AgentState state) {
    switch (state) {
        case AgentState::waiting:
            return "waiting";
        case AgentState::synced:
            return "synced";
        case AgentState::syncing:
            return "syncing";
        case AgentState::failing:
            return "failing";
    }
    return "?";
}

std::string_view to_string(CanaryState state) {
    switch (state) {
        case CanaryState::off:
            return "off";
        case CanaryState::pending:
            return "pending";
        case CanaryState::enforced:
            return "enforced";
        case CanaryState::bypassed:
            return "bypassed";
        case CanaryState::unproven:
            return "unproven";
        case CanaryState::impossible:
            return "impossible";
    }
    return "?";
}

std::string CanaryRecord::summary() const {
    switch (state) {
        case CanaryState::off:
            return "not asked for";
        case CanaryState::pending:
            return "waiting for the first proof with packets";
        case CanaryState::enforced:
            return "proven with packets";
        case CanaryState::bypassed:
            return "packets pass by the rules: " + reason;
        case CanaryState::unproven:
            return "not proven with packets: " + reason;
        case CanaryState::impossible:
            return "could not be tried: " + reason;
    }
    return "";
}

void AgentHistory::add(CommitRecord record) {
    ++commits_total;
    keep_last(commits, record);
}

void AgentHistory::add(ResyncRecord record) {
    ++resyncs_total[record.reason];
    if (!record.is_repair()) return;
    ++repairs_total[record.reason];
    keep_last(repairs, std::move(record));
}

std::string AgentStatus::summary() const {
    switch (state) {
        case AgentState::waiting:
            return waiting_summary(*this);
        case AgentState::synced:
        case AgentState::syncing:
            return "enforcing, in sync" +
                   (in_sync_since ? " since " + timestamp(*in_sync_since) : std::string());
        case AgentState::failing:
            return "the kernel does not take the rules: " + (failure ? failure->error : "unknown");
    }
    return "";
}

PodSurvey survey_pods(const Cluster& cluster, const std::set<ObjectName>& pods) {
    PodSurvey survey;
    for (const auto& name : pods) {
        const Pod* pod = cluster.find_pod(name);
        if (pod == nullptr || pod->phase == PodPhase::succeeded || pod->phase == PodPhase::failed) {
            continue;
        }
        if (!pod->host_network) {
            ++survey.local;
            if (is_isolated(cluster, *pod)) ++survey.isolated;
        }
        PodTrouble trouble = trouble_of(cluster, *pod);
        if (!trouble.reason.empty()) survey.unenforced.add(std::move(trouble), kPodsInTroubleMax);
    }
    return survey;
}

WallTime wall_time(std::chrono::steady_clock::time_point time) {
    const auto ago = std::chrono::steady_clock::now() - time;
    return std::chrono::system_clock::now() -
           std::chrono::duration_cast<std::chrono::system_clock::duration>(ago);
}

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t total_pages = 0;
    std::size_t resident_pages = 0;
    file >> total_pages >> resident_pages;
    return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t network_namespace() {
    struct stat status {};
    return ::stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

}  // namespace podfence
