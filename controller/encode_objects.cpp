#include "controller/encode_objects.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/json.hpp>

#include "controller/timestamp.hpp"

namespace podfence {

namespace {

namespace json = boost::json;

json::object encode_labels(const Labels& labels) {
    json::object object;
    object.reserve(labels.size());
    for (const auto& [key, value] : labels) object[key] = value;
    return object;
}

std::string_view name_of(SelectorOp op) {
    switch (op) {
        case SelectorOp::in:
            return "In";
        case SelectorOp::not_in:
            return "NotIn";
        case SelectorOp::exists:
            return "Exists";
        case SelectorOp::does_not_exist:
            return "DoesNotExist";
    }
    return "";
}

/// matchLabels where that says the same, as people write it; of several requirements on one key
/// only the first can stand there.
json::object encode_selector(const LabelSelector& selector) {
    json::object labels;
    json::array expressions;
    for (const Requirement& requirement : selector.requirements) {
        const bool equals = requirement.op == SelectorOp::in && requirement.values.size() == 1;
        if (equals && !labels.contains(requirement.key)) {
            labels[requirement.key] = requirement.values.front();
            continue;
        }
        json::object expression{{"key", requirement.key}, {"operator", name_of(requirement.op)}};
        if (!requirement.values.empty()) {
            expression["values"] =
                json::array(requirement.values.begin(), requirement.values.end());
        }
        expressions.push_back(std::move(expression));
    }
    json::object object;
    if (!labels.empty()) object["matchLabels"] = std::move(labels);
    if (!expressions.empty()) object["matchExpressions"] = std::move(expressions);
    return object;
}

// Objects of one member are made by assignment: in braces Boost.JSON takes them for arrays.
json::object member(std::string_view key, std::string_view value) {
    json::object object;
    object[key] = value;
    return object;
}

json::object unreadable_item() {
    return member(kUnreadableItem, "nothing in this list could be understood: it matches nothing");
}

json::object encode_peer(const Peer& peer) {
    json::object object;
    if (const auto* block = std::get_if<IpBlock>(&peer)) {
        json::object inner = member("cidr", to_string(block->cidr));
        if (!block->except.empty()) {
            json::array except;
            for (const Prefix& hole : block->except) except.emplace_back(to_string(hole));
            inner["except"] = std::move(except);
        }
        object["ipBlock"] = std::move(inner);
        return object;
    }
    const auto& pods = std::get<PodPeer>(peer);
    if (pods.namespaces) object["namespaceSelector"] = encode_selector(*pods.namespaces);
    if (pods.pods) object["podSelector"] = encode_selector(*pods.pods);
    return object;
}

json::object encode_port(const PolicyPort& port) {
    json::object object = member("protocol", to_string(port.protocol));
    if (const auto* named = std::get_if<NamedPort>(&port.port)) {
        object["port"] = named->name;
        return object;
    }
    const auto& range = std::get<PortRange>(port.port);
    if (range == PortRange{}) return object;  // All of the protocol (N38).
    object["port"] = range.first;
    if (range.last != range.first) object["endPort"] = range.last;
    return object;
}

json::object encode_rule(const PolicyRule& rule, Direction direction) {
    json::object object;
    if (!rule.any_peer) {
        json::array peers;
        for (const Peer& peer : rule.peers) {
            // A peer without any field matches nothing (N16), and is refused when read.
            if (json::object item = encode_peer(peer); !item.empty()) {
                peers.push_back(std::move(item));
            }
        }
        if (peers.empty()) peers.push_back(unreadable_item());
        object[direction == Direction::ingress ? "from" : "to"] = std::move(peers);
    }
    if (!rule.any_port) {
        json::array ports;
        for (const PolicyPort& port : rule.ports) ports.push_back(encode_port(port));
        if (ports.empty()) ports.push_back(unreadable_item());
        object["ports"] = std::move(ports);
    }
    return object;
}

json::object encode_metadata(const ObjectName& name) {
    json::object object;
    if (!name.ns.empty()) object["namespace"] = name.ns;
    object["name"] = name.name;
    return object;
}

json::array encode_addresses(const std::vector<Address>& addresses) {
    json::array list;
    for (const Address& address : addresses) list.push_back(member("ip", nft::to_string(address)));
    return list;
}

/// Containers that declare these ports in this order; within one container no name occurs twice,
/// as the API server demands.
json::array encode_containers(const std::vector<ContainerPort>& ports) {
    json::array containers;
    json::array list;
    std::set<std::string_view> names;
    const auto finish = [&] {
        json::object container = member("name", "c" + std::to_string(containers.size()));
        if (!list.empty()) container["ports"] = std::exchange(list, {});
        containers.push_back(std::move(container));
        names.clear();
    };
    for (const ContainerPort& port : ports) {
        if (!port.name.empty() && !names.insert(port.name).second) {
            finish();
            names.insert(port.name);
        }
        json::object item{{"containerPort", port.number}, {"protocol", to_string(port.protocol)}};
        if (!port.name.empty()) item["name"] = port.name;
        list.push_back(std::move(item));
    }
    finish();
    return containers;
}

std::string_view name_of(PodPhase phase) {
    switch (phase) {
        case PodPhase::pending:
            return "Pending";
        case PodPhase::running:
            return "Running";
        case PodPhase::succeeded:
            return "Succeeded";
        case PodPhase::failed:
            return "Failed";
        case PodPhase::unknown:
            return "Unknown";
    }
    return "";
}

}  // namespace

json::object encode(const Pod& pod) {
    json::object metadata = encode_metadata(pod.name);
    if (!pod.uid.empty()) metadata["uid"] = pod.uid.text();
    if (!pod.labels.empty()) metadata["labels"] = encode_labels(pod.labels);
    if (pod.created_s != 0) metadata["creationTimestamp"] = timestamp_s(pod.created_s);
    if (pod.deleting) metadata["deletionTimestamp"] = timestamp_s(0);
    if (!pod.extra_addresses.empty()) {
        std::string list;
        for (const Prefix& block : pod.extra_addresses) {
            list += (list.empty() ? "" : ", ") + to_string(block);
        }
        metadata["annotations"] = member(kExtraAddresses, list);
    }
    json::object spec;
    spec["containers"] = encode_containers(pod.ports);
    if (!pod.node.empty()) spec["nodeName"] = pod.node.get();
    if (pod.host_network) spec["hostNetwork"] = true;
    json::object status = member("phase", name_of(pod.phase));
    if (!pod.addresses.empty()) status["podIPs"] = encode_addresses(pod.addresses);
    if (!pod.node_addresses.empty()) status["hostIPs"] = encode_addresses(pod.node_addresses);
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", std::move(metadata)},
            {"spec", std::move(spec)},
            {"status", std::move(status)}};
}

json::object encode(const Namespace& ns) {
    json::object metadata = encode_metadata({.ns = "", .name = ns.name});
    if (!ns.labels.empty()) metadata["labels"] = encode_labels(ns.labels);
    return {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", std::move(metadata)}};
}

json::object encode(const NetworkPolicy& policy) {
    json::array types;
    json::object spec;
    spec["podSelector"] = encode_selector(policy.pods);
    for (const auto direction : {Direction::ingress, Direction::egress}) {
        if (!policy.isolates(direction)) continue;
        types.emplace_back(direction == Direction::ingress ? "Ingress" : "Egress");
        json::array rules;
        for (const PolicyRule& rule : policy.rules(direction)) {
            rules.push_back(encode_rule(rule, direction));
        }
        spec[to_string(direction)] = std::move(rules);
    }
    spec["policyTypes"] = std::move(types);
    json::object metadata = encode_metadata(policy.name);
    if (!policy.uid.empty()) metadata["uid"] = policy.uid;
    return {{"apiVersion", "networking.k8s.io/v1"},
            {"kind", "NetworkPolicy"},
            {"metadata", std::move(metadata)},
            {"spec", std::move(spec)}};
}

}  // namespace podfence
