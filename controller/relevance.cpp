#include "controller/relevance.hpp"

#include <algorithm>
#include <array>

#include "controller/objects.hpp"

namespace podfence {

namespace {

/// Sorted, for binary search.
constexpr std::array<std::string_view, 42> kIrrelevant = {
    "metadata.annotations",
    "metadata.finalizers",
    "metadata.managedFields",
    "metadata.ownerReferences",
    "spec.affinity",
    "spec.containers[].args",
    "spec.containers[].command",
    "spec.containers[].env",
    "spec.containers[].envFrom",
    "spec.containers[].lifecycle",
    "spec.containers[].livenessProbe",
    "spec.containers[].readinessProbe",
    "spec.containers[].resources",
    "spec.containers[].securityContext",
    "spec.containers[].startupProbe",
    "spec.containers[].volumeDevices",
    "spec.containers[].volumeMounts",
    "spec.dnsConfig",
    "spec.ephemeralContainers",
    "spec.hostAliases",
    "spec.imagePullSecrets",
    "spec.initContainers[].args",
    "spec.initContainers[].command",
    "spec.initContainers[].env",
    "spec.initContainers[].envFrom",
    "spec.initContainers[].lifecycle",
    "spec.initContainers[].livenessProbe",
    "spec.initContainers[].readinessProbe",
    "spec.initContainers[].resources",
    "spec.initContainers[].securityContext",
    "spec.initContainers[].startupProbe",
    "spec.initContainers[].volumeDevices",
    "spec.initContainers[].volumeMounts",
    "spec.readinessGates",
    "spec.securityContext",
    "spec.tolerations",
    "spec.topologySpreadConstraints",
    "spec.volumes",
    "status.conditions",
    "status.containerStatuses",
    "status.ephemeralContainerStatuses",
    "status.initContainerStatuses",
};
static_assert(std::is_sorted(kIrrelevant.begin(), kIrrelevant.end()));

/// Of a pod's spec and status, by the decoder (controller/decode_pod.cpp).
constexpr std::array<std::string_view, 10> kReadOfPods = {
    "spec.containers[].ports",
    "spec.hostNetwork",
    "spec.initContainers[].ports",
    "spec.initContainers[].restartPolicy",
    "spec.nodeName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
};

/// Of an event's object, on the bookmark that says that all was told.
constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

/// Takes the first step off a path: "spec", "[]", "env" of "spec[].env".
std::string_view take_step(std::string_view& path) {
    constexpr std::string_view kItems = "[]";
    if (path.starts_with('.')) path.remove_prefix(1);
    const std::size_t size = path.starts_with(kItems) ? kItems.size() : path.find_first_of(".[");
    const std::string_view step = path.substr(0, size);
    path.remove_prefix(step.size());
    return step;
}

/// Whether the field at `path` is the one at `field` or below it.
bool is_within(std::string_view path, std::string_view field) {
    return path.starts_with(field) &&
           (path.size() == field.size() || path[field.size()] == '.' || path[field.size()] == '[');
}

}  // namespace

bool is_irrelevant(std::string_view path) {
    return std::binary_search(kIrrelevant.begin(), kIrrelevant.end(), path);
}

bool is_read_of_pod(std::string_view path) {
    if (!path.starts_with("spec.") && !path.starts_with("status.")) return true;
    return std::any_of(kReadOfPods.begin(), kReadOfPods.end(), [&](std::string_view field) {
        return is_within(path, field) || is_within(field, path);
    });
}

const Field* Field::find(std::string_view key) const {
    static const auto without_value = [](bool unread) {
        Field field;
        field.irrelevant_ = true;
        field.unread_ = unread;
        return field;
    };
    static const Field irrelevant = without_value(false);
    static const Field unread = without_value(true);
    for (const auto& [name, field] : below_) {
        if (name == key) return &field;
    }
    return others_ == Others::matter ? nullptr : others_ == Others::unread ? &unread : &irrelevant;
}

Field& Field::grow(std::string_view key) {
    const auto known = std::find_if(below_.begin(), below_.end(),
                                    [&](const auto& field) { return field.first == key; });
    if (known != below_.end()) return known->second;
    return below_.emplace_back(key, Field()).second;
}

Field Field::make_object() {
    Field object;
    for (std::string_view path : kIrrelevant) {
        Field* field = &object;
        while (!path.empty()) field = &field->grow(take_step(path));
        field->irrelevant_ = true;
    }
    Field& annotations = object.grow("metadata").grow("annotations");
    annotations.irrelevant_ = false;
    annotations.others_ = Others::irrelevant;
    annotations.grow(kExtraAddresses);
    return object;
}

Field Field::make_pod() {
    Field pod = make_object();
    for (const std::string_view part : {"spec", "status"}) pod.grow(part) = Field();
    for (std::string_view path : kReadOfPods) {
        Field* field = &pod.grow(take_step(path));
        for (; !path.empty(); field = &field->grow(take_step(path)))
            field->others_ = Others::unread;
    }
    return pod;
}

Field Field::make_event(Field object) {
    object.grow("metadata").grow("annotations").grow(kInitialEventsEnd);
    Field event;
    event.below_.emplace_back("object", std::move(object));
    return event;
}

const Field& Field::of_object() {
    static const Field object = make_object();
    return object;
}

const Field& Field::of_answer(Kind kind) {
    static const Field pod = make_pod();
    return kind == Kind::pod ? pod : of_object();
}

const Field& Field::of_event(Kind kind) {
    static const Field pod = make_event(of_answer(Kind::pod));
    static const Field other = make_event(of_object());
    return kind == Kind::pod ? pod : other;
}

}  // namespace podfence
