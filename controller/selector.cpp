#include "controller/selector.hpp"

#include <algorithm>
#include <string_view>

namespace podfence {

bool matches(const Requirement& requirement, const Labels& labels) {
    const auto label = labels.find(requirement.key);
    const bool present = label != labels.end();
    const auto listed = [&] {
        return std::binary_search(requirement.values.begin(), requirement.values.end(),
                                  label->second);
    };
    switch (requirement.op) {
        case SelectorOp::in:
            return present && listed();
        case SelectorOp::not_in:
            return !present || !listed();
        case SelectorOp::exists:
            return present;
        case SelectorOp::does_not_exist:
            return !present;
    }
    return false;
}

bool matches(const LabelSelector& selector, const Labels& labels) {
    return std::all_of(selector.requirements.begin(), selector.requirements.end(),
                       [&](const Requirement& r) { return matches(r, labels); });
}

namespace {

std::string to_string(const Requirement& requirement) {
    const auto list = [&] {
        std::string text = "(";
        for (const auto& value : requirement.values) {
            if (text.size() > 1) text += ',';
            text += value;
        }
        return text + ")";
    };
    switch (requirement.op) {
        case SelectorOp::in:
            if (requirement.values.size() == 1) {
                return requirement.key + "=" + requirement.values.front();
            }
            return requirement.key + " in " + list();
        case SelectorOp::not_in:
            return requirement.key + " notin " + list();
        case SelectorOp::exists:
            return requirement.key;
        case SelectorOp::does_not_exist:
            return "!" + requirement.key;
    }
    return "?";
}

}  // namespace

std::string to_string(const LabelSelector& selector) {
    if (selector.requirements.empty()) return "<all>";
    std::string text;
    for (const auto& requirement : selector.requirements) {
        if (!text.empty()) text += ',';
        text += to_string(requirement);
    }
    return text;
}

const std::vector<std::string>* names_asked(const LabelSelector& namespaces) {
    if (namespaces.requirements.size() != 1) return nullptr;
    const Requirement& only = namespaces.requirements.front();
    return only.key == kNamespaceNameLabel && only.op == SelectorOp::in ? &only.values : nullptr;
}

std::string to_string(const PodPeer& peer) {
    const bool all_pods = !peer.pods || peer.pods->requirements.empty();
    std::string text = all_pods ? "all pods" : "pods " + to_string(*peer.pods);
    if (!peer.namespaces) return text + " of this namespace";
    if (peer.namespaces->requirements.empty()) return text + " in all namespaces";
    const auto* names = names_asked(*peer.namespaces);
    if (names == nullptr) return text + " in namespaces " + to_string(*peer.namespaces);
    text += names->size() == 1 ? " in namespace " : " in namespaces ";
    for (const auto& name : *names) text += (&name == &names->front() ? "" : ",") + name;
    return text;
}

std::string to_string(const IpBlock& block) {
    std::string text = to_string(block.cidr);
    std::string_view separator = " except ";
    for (const auto& except : block.except) {
        text += separator;
        text += to_string(except);
        separator = ", ";
    }
    return text;
}

std::string to_string(const Peer& peer) {
    return std::visit([](const auto& p) { return to_string(p); }, peer);
}

std::string to_string(const PolicyPort& port) {
    const std::string protocol(to_string(port.protocol));
    if (const auto* named = std::get_if<NamedPort>(&port.port)) return named->name + "/" + protocol;
    const auto& range = std::get<PortRange>(port.port);
    if (range == PortRange{}) return "all " + protocol;
    std::string text = std::to_string(range.first);
    if (range.last != range.first) text += "-" + std::to_string(range.last);
    return text + "/" + protocol;
}

}  // namespace podfence
