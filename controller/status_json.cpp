// The stable JSON of the agent's status.
#include <boost/json.hpp>

#include "controller/status.hpp"
#include "controller/text_safety.hpp"
#include "controller/timestamp.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

/// Other people's messages in it; the whole answer stays small.
constexpr std::size_t kTextBytesMax = 2048;

std::string text_of(const std::string& text) {
    return as_utf8(shortened(text, kTextBytesMax));
}

json::value time_or_null(const std::optional<WallTime>& time) {
    return time ? json::value(timestamp(*time)) : json::value();
}

/// Members "<name>" and "<name>_left_out".
template <class T, class ToJson>
void put_list(json::object& to, const std::string& name, const Bounded<T>& bounded,
              ToJson to_json) {
    json::array list;
    for (const T& item : bounded.list) list.push_back(to_json(item));
    to[name] = std::move(list);
    to[name + "_left_out"] = bounded.more;
}

/// Of addresses or ranges of them.
template <typename T>
json::array texts_of(const std::vector<T>& items) {
    json::array texts;
    for (const T& item : items) texts.emplace_back(to_string(item));
    return texts;
}

json::object problem_json(const Problem& problem) {
    return {{"severity", problem.severity == Severity::error ? "error" : "warning"},
            {"file", problem.pos.file},
            {"line", problem.pos.line},
            {"object", text_of(problem.object)},
            {"field", text_of(problem.field)},
            {"message", text_of(problem.message)},
            {"remedy", text_of(problem.remedy)}};
}

json::object failure_json(const KernelFailure& failure) {
    return {{"error", text_of(failure.error)},
            {"since", timestamp(failure.since)},
            {"next_attempt", timestamp(failure.next_attempt)},
            {"attempts", failure.attempts}};
}

json::object source_json(const SourceKind& source, WallTime now) {
    json::value silent;
    if (source.heard) {
        silent = std::chrono::duration_cast<std::chrono::milliseconds>(now - *source.heard).count();
    }
    return {{"kind", source.kind},
            {"state", source.state},
            {"listed", source.listed},
            {"connected", source.connected},
            {"objects", source.objects},
            {"last_heard", time_or_null(source.heard)},
            {"silent_ms", silent},
            {"events", source.events},
            {"restarts", source.restarts},
            {"error", source.error.empty() ? json::value() : json::value(text_of(source.error))},
            {"remedy", source.remedy.empty() ? json::value() : json::value(text_of(source.remedy))},
            {"next_attempt", time_or_null(source.retry)}};
}

json::object commits_json(const AgentHistory& history) {
    json::array last;
    for (const CommitRecord& commit : history.commits) {
        last.push_back({{"at", timestamp(commit.at)},
                        {"operations", commit.operations},
                        {"latency_us", commit.latency.count()},
                        {"took_us", commit.took.count()}});
    }
    return {{"total", history.commits_total}, {"last", std::move(last)}};
}

json::object counts_json(const std::map<std::string, std::uint64_t>& counts) {
    json::object object;
    for (const auto& [reason, count] : counts) object[reason] = count;
    return object;
}

json::object drift_json(const AgentHistory& history) {
    std::uint64_t total = 0;
    for (const auto& [reason, count] : history.repairs_total) total += count;
    json::array last;
    for (const ResyncRecord& repair : history.repairs) {
        json::value culprit;
        if (!repair.culprit.empty() || repair.culprit_pid != 0) {
            culprit = {{"process", text_of(repair.culprit)}, {"pid", repair.culprit_pid}};
        }
        last.push_back({{"at", timestamp(repair.at)},
                        {"reason", repair.reason},
                        {"operations", repair.operations},
                        {"repaired", text_of(repair.repaired)},
                        {"culprit", std::move(culprit)},
                        {"took_us", repair.took.count()}});
    }
    return {{"repaired_total", total},
            {"repaired_by_reason", counts_json(history.repairs_total)},
            {"last", std::move(last)}};
}

json::object policy_json(const PolicyTrouble& trouble) {
    json::object object{{"namespace", trouble.policy.ns},
                        {"name", trouble.policy.name},
                        {"refused_by_kernel", trouble.refused_by_kernel}};
    put_list(object, "problems", trouble.problems, problem_json);
    return object;
}

json::object pod_json(const PodTrouble& trouble) {
    return {{"namespace", trouble.pod.ns},
            {"name", trouble.pod.name},
            {"reason", trouble.reason},
            {"text", trouble.text}};
}

json::object link_json(const PodLinkStatus& link) {
    return {{"namespace", link.pod.ns},
            {"name", link.pod.name},
            {"interface", text_of(link.interface)},
            {"index", link.index},
            {"known_by", link.evidence},
            {"addresses", texts_of(link.addresses)},
            {"extra_addresses", texts_of(link.extra)},
            {"refused_packets", link.refused}};
}

json::object held_json(const PodLinkStatus& link) {
    return {{"interface", text_of(link.interface)},
            {"index", link.index},
            {"addresses", texts_of(link.addresses)},
            {"refused_packets", link.refused}};
}

json::object anti_spoof_json(const std::optional<AntiSpoofStatus>& status) {
    if (!status) return {{"mode", "off"}};
    json::object object{
        {"mode", status->mode},
        {"in_sync", status->in_sync},
        {"refused_packets", status->refused},
        {"repaired_total", status->repairs},
        {"error", status->error.empty() ? json::value() : json::value(text_of(status->error))}};
    put_list(object, "interfaces", status->interfaces, link_json);
    put_list(object, "held", status->held, held_json);
    put_list(object, "unproved", status->unproved, pod_json);
    return object;
}

json::value canary_json(const CanaryRecord& canary) {
    if (canary.state == CanaryState::off) return nullptr;
    return {{"state", to_string(canary.state)},
            {"reason", canary.reason.empty() ? json::value() : json::value(text_of(canary.reason))},
            {"at", time_or_null(canary.at)},
            {"enforced_at", time_or_null(canary.enforced_at)},
            {"runs", canary.runs},
            {"period_s", canary.period.count()}};
}

json::object unknown_pods_json(const UnknownPodsStatus& status) {
    return {
        {"mode", status.hold ? "hold" : "allow"},
        {"pod_cidrs", texts_of(status.ranges)},
        {"known_by", status.known_by.empty() ? json::value() : json::value(status.known_by)},
        {"error", status.error.empty() ? json::value() : json::value(text_of(status.error))},
        {"remedy", status.remedy.empty() ? json::value() : json::value(text_of(status.remedy))}};
}

json::object rules_json(const CompileOptions& rules) {
    json::value group;
    if (rules.log_group) group = *rules.log_group;
    json::value bit;
    if (rules.connmark_bit) bit = *rules.connmark_bit;
    return {{"table", rules.table.name},
            {"counters", rules.counters},
            {"log_group", group},
            {"hook_priority", rules.priority},
            {"deny_with", to_string(rules.deny_with)},
            {"pod_to_node", rules.pod_to_node_enforced ? "enforce" : "allow"},
            {"established", rules.connmark_bit ? "cut" : "keep"},
            {"connmark_bit", bit}};
}

}  // namespace

json::object to_json(const AgentStatus& status) {
    json::object object{
        {"version", status.version},
        {"node", status.node},
        {"pid", status.pid},
        {"netns", status.netns},
        {"now", timestamp(status.now)},
        {"started", timestamp(status.started)},
        {"state", to_string(status.state)},
        {"summary", text_of(status.summary())},
        {"in_sync", status.in_sync()},
        {"in_sync_since", time_or_null(status.in_sync_since)},
        {"ever_synced", status.ever_synced},
        {"failure", status.failure ? json::value(failure_json(*status.failure)) : json::value()},
        {"origin", text_of(status.origin)}};
    json::array sources;
    for (const SourceKind& source : status.sources) {
        sources.push_back(source_json(source, status.now));
    }
    object["sources"] = std::move(sources);
    object["commits"] = commits_json(status.history);
    object["resyncs"] = counts_json(status.history.resyncs_total);
    object["drift"] = drift_json(status.history);
    put_list(object, "policies_in_trouble", status.policies, policy_json);
    put_list(object, "input_problems", status.input, problem_json);
    json::object pods{{"local", status.pods.local}, {"isolated", status.pods.isolated}};
    put_list(pods, "unenforced", status.pods.unenforced, pod_json);
    object["pods"] = std::move(pods);
    object["anti_spoof"] = anti_spoof_json(status.anti_spoof);
    object["unknown_pods"] = unknown_pods_json(status.unknown_pods);
    object["objects"] = {{"pods", status.pods_known},
                         {"namespaces", status.namespaces_known},
                         {"networkpolicies", status.policies_known}};
    object["table"] = {
        {"chains", status.table.chains}, {"rules", status.table.rules},
        {"sets", status.table.sets},     {"elements", status.table.elements},
        {"owned", status.table_owned},   {"shared_because", status.table_shared_because}};
    object["canary"] = canary_json(status.canary);
    object["rules"] = rules_json(status.rules);
    json::array settings;
    for (const AgentSetting& setting : status.settings) {
        settings.push_back({{"option", setting.option},
                            {"value", text_of(setting.value)},
                            {"origin", text_of(setting.origin)}});
    }
    object["settings"] = std::move(settings);
    object["rss_bytes"] = status.rss_bytes;
    return object;
}

}  // namespace podfence
