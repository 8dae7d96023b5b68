#include "controller/unsure_pods.hpp"

#include <utility>

namespace podfence {

bool is_unknown(const Pod& pod) {
    const auto mark = pod.labels.find(kUnsureLabel);
    return mark != pod.labels.end() && mark->second == kUnknown;
}

NetworkPolicy stand_in_policy(const std::string& ns, SourcePos pos) {
    const Requirement marked{
        .key = std::string(kUnsureLabel), .op = SelectorOp::in, .values = {std::string(kUnknown)}};
    return {.name = {.ns = ns, .name = std::string(kUnsureLabel)},
            .pods = {.requirements = {marked}},
            .ingress = true,
            .egress = true,
            .pos = std::move(pos)};
}

bool is_stand_in(const ObjectName& policy) {
    return policy.name == kUnsureLabel;
}

void UnsurePods::put(Object object, std::vector<Problem> problems) {
    const auto* pod = std::get_if<Pod>(&object);
    if (pod == nullptr) return sink_.put(std::move(object), std::move(problems));
    const ObjectName name = pod->name;
    const bool unknown = is_unknown(*pod);
    if (unknown) {
        auto& pods = pods_[name.ns];
        if (pods.empty()) sink_.put(stand_in_policy(name.ns, pod->pos), {});
        pods.insert(name.name);
    }
    sink_.put(std::move(object), std::move(problems));
    if (!unknown) forget(name);
}

void UnsurePods::remove(Kind kind, const ObjectName& name) {
    sink_.remove(kind, name);
    if (kind == Kind::pod) forget(name);
}

void UnsurePods::forget(const ObjectName& pod) {
    const auto ns = pods_.find(pod.ns);
    if (ns == pods_.end() || ns->second.erase(pod.name) == 0 || !ns->second.empty()) return;
    pods_.erase(ns);
    sink_.remove(Kind::policy, stand_in_policy(pod.ns, {}).name);
}

}  // namespace podfence
