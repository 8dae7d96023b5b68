#include "test/support/api_model.hpp"

#include <algorithm>

namespace podfence::test {

std::string api_pod(const std::string& name, int version, const std::string& label) {
    return R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":")" + name +
           R"(","namespace":"shop","uid":"u-)" + name + R"(","resourceVersion":")" +
           std::to_string(version) + R"(","labels":{"v":"x)" + label +
           R"("},"managedFields":[{"manager":"kubelet","fieldsV1":{"f:status":{}}}]},)" +
           R"("spec":{"nodeName":"n1","containers":[{"name":"c","env":[{"name":"A"}]}]},)" +
           R"("status":{"phase":"Running","podIP":"10.0.0.1"}})";
}

std::string api_event(const std::string& type, const std::string& object) {
    return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

std::string api_bookmark(int version, bool end_of_initial_events) {
    return api_event("BOOKMARK",
                     R"({"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":")" +
                         std::to_string(version) + R"(","creationTimestamp":null)" +
                         (end_of_initial_events
                              ? R"(,"annotations":{"k8s.io/initial-events-end":"true","x":"y"})"
                              : "") +
                         R"(},"spec":{"containers":null},"status":{}})");
}

std::string api_status(int code, const std::string& reason, const std::string& more) {
    return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" +
           reason + R"( happened","reason":")" + reason + R"(","code":)" + std::to_string(code) +
           more + "}";
}

std::string api_pod_list(int version, const std::vector<std::string>& items,
                         const std::string& next) {
    std::string text = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":")" +
                       std::to_string(version) + '"';
    if (!next.empty()) text += R"(,"continue":")" + next + R"(","remainingItemCount":7)";
    text += R"(},"items":[)";
    for (const std::string& item : items) text += (&item == items.data() ? "" : ",") + item;
    return text + "]}\n";
}

namespace {

/// The value of a parameter; empty when there is none.
std::string parameter(const std::string& target, const std::string& name) {
    const std::size_t found =
        std::min(target.find('?' + name + '='), target.find('&' + name + '='));
    if (found == std::string::npos) return "";
    const std::size_t start = found + name.size() + 2;
    return target.substr(start, target.find('&', start) - start);
}

}  // namespace

void ApiModel::put(const std::string& name, const std::string& label) {
    auto state = pods();
    state[name] = label;
    states_[++version_] = std::move(state);
    changes_[version_] = {.name = name, .label = label};
}

void ApiModel::remove(const std::string& name) {
    auto state = pods();
    const std::string label = state.at(name);
    state.erase(name);
    states_[++version_] = std::move(state);
    changes_[version_] = {.name = name, .label = label, .removed = true};
}

void ApiModel::compact() {
    compacted_ = version_;
}

std::string ApiModel::pod_at(int version, const std::string& name) const {
    int changed = version;
    while (!changes_.contains(changed) || changes_.at(changed).name != name) --changed;
    return api_pod(name, changed, states_.at(version).at(name));
}

std::string ApiModel::events_since(int version) const {
    std::string text;
    for (auto it = changes_.upper_bound(version); it != changes_.end(); ++it) {
        const Change& change = it->second;
        const bool known = states_.at(it->first - 1).contains(change.name);
        text += api_event(change.removed ? "DELETED" : (known ? "MODIFIED" : "ADDED"),
                          api_pod(change.name, it->first, change.label));
    }
    return text;
}

ApiModel::Answer ApiModel::watch(const std::string& target) const {
    const std::string version = parameter(target, "resourceVersion");
    const int since = version.empty() ? version_ : std::stoi(version);
    if (parameter(target, "sendInitialEvents") != "true") {
        if (since < compacted_) {
            return {.body = api_event("ERROR", api_status(410, "Expired"))};
        }
        return {.body = events_since(since)};
    }
    if (!watch_list) return {.code = 422, .body = api_status(422, "Invalid")};
    std::string text;
    for (const auto& [name, label] : pods()) text += api_event("ADDED", pod_at(version_, name));
    return {.body = text + api_bookmark(version_, true)};
}

/// Continue tokens are "VERSION.INDEX".
ApiModel::Answer ApiModel::list(const std::string& target) const {
    const std::string token = parameter(target, "continue");
    const bool paged = !parameter(target, "limit").empty();
    const int version = token.empty() ? version_ : std::stoi(token);
    if (version < compacted_) return {.code = 410, .body = api_status(410, "Expired")};
    std::size_t index = token.empty() ? 0 : std::stoul(token.substr(token.find('.') + 1));
    const auto& state = states_.at(version);
    std::vector<std::string> items;
    for (auto it = std::next(state.begin(), static_cast<std::ptrdiff_t>(index));
         it != state.end() && (!paged || items.size() < page_size); ++it, ++index) {
        items.push_back(pod_at(version, it->first));
    }
    const bool more = index < state.size();
    return {.body = api_pod_list(
                version, items,
                more ? std::to_string(version) + '.' + std::to_string(index) : std::string())};
}

ApiModel::Answer ApiModel::answer(const std::string& target) const {
    return target.find("watch=true") == std::string::npos ? list(target) : watch(target);
}

}  // namespace podfence::test
