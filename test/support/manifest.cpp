#include "test/support/manifest.hpp"

#include <array>
#include <ctime>
#include <string_view>
#include <vector>

#include "nft/error.hpp"

namespace podfence::test {

namespace {

std::string quoted(std::string_view text) {
    return '"' + std::string(text) + '"';
}

std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "" : ", ") + item;
    return text;
}
std::string list(const std::vector<std::string>& items) {
    return "[" + joined(items) + "]";
}
std::string object(const std::vector<std::string>& fields) {
    return "{" + joined(fields) + "}";
}

std::string labels_field(const Labels& labels) {
    std::vector<std::string> fields;
    for (const auto& [key, value] : labels) fields.push_back(quoted(key) + ": " + quoted(value));
    return "labels: " + object(fields);
}

std::string rfc3339(std::int64_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    PODFENCE_CHECK(gmtime_r(&time, &parts) != nullptr);
    std::array<char, 32> text{};
    const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return quoted({text.data(), size});
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

std::string text(const LabelSelector& selector) {
    std::vector<std::string> items;
    for (const auto& requirement : selector.requirements) {
        std::vector<std::string> fields{"key: " + requirement.key,
                                        "operator: " + std::string(name_of(requirement.op))};
        std::vector<std::string> values;
        for (const auto& value : requirement.values) values.push_back(quoted(value));
        if (!values.empty()) fields.push_back("values: " + list(values));
        items.push_back(object(fields));
    }
    return items.empty() ? "{}" : "{matchExpressions: " + list(items) + "}";
}

std::string text(const Peer& peer) {
    if (const auto* block = std::get_if<IpBlock>(&peer)) {
        std::vector<std::string> fields{"cidr: " + quoted(to_string(block->cidr))};
        std::vector<std::string> except;
        for (const auto& prefix : block->except) except.push_back(quoted(to_string(prefix)));
        if (!except.empty()) fields.push_back("except: " + list(except));
        return "{ipBlock: " + object(fields) + "}";
    }
    const auto& pods = std::get<PodPeer>(peer);
    std::vector<std::string> fields;
    if (pods.namespaces) fields.push_back("namespaceSelector: " + text(*pods.namespaces));
    if (pods.pods) fields.push_back("podSelector: " + text(*pods.pods));
    return object(fields);
}

std::string text(const PolicyPort& port) {
    std::vector<std::string> fields{"protocol: " + std::string(to_string(port.protocol))};
    if (const auto* named = std::get_if<NamedPort>(&port.port)) {
        fields.push_back("port: " + named->name);
        return object(fields);
    }
    const auto& range = std::get<PortRange>(port.port);
    if (range != PortRange{}) {
        fields.push_back("port: " + std::to_string(range.first));
        if (range.last != range.first) fields.push_back("endPort: " + std::to_string(range.last));
    }
    return object(fields);
}

std::string rules_field(const NetworkPolicy& policy, Direction direction) {
    const bool ingress = direction == Direction::ingress;
    std::vector<std::string> rules;
    for (const auto& rule : policy.rules(direction)) {
        std::vector<std::string> fields;
        if (!rule.any_peer) {
            std::vector<std::string> peers;
            for (const auto& peer : rule.peers) peers.push_back(text(peer));
            if (peers.empty()) peers.emplace_back("{}");  // V9
            fields.push_back((ingress ? "from: " : "to: ") + list(peers));
        }
        if (!rule.any_port) {
            std::vector<std::string> ports;
            for (const auto& port : rule.ports) ports.push_back(text(port));
            if (ports.empty()) ports.emplace_back("{port: 0}");  // V4
            fields.push_back("ports: " + list(ports));
        }
        rules.push_back(object(fields));
    }
    return (ingress ? "ingress: " : "egress: ") + list(rules);
}

std::string addresses_field(std::string_view field, const std::vector<Address>& addresses) {
    std::vector<std::string> items;
    for (const auto& address : addresses) {
        items.push_back("{ip: " + quoted(to_string(address)) + "}");
    }
    return std::string(field) + ": " + list(items);
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

std::vector<std::string> metadata(const ObjectName& name) {
    return {"namespace: " + name.ns, "name: " + name.name};
}

std::string document(std::string_view api_version, std::string_view kind,
                     const std::vector<std::string>& metadata,
                     const std::vector<std::string>& rest) {
    std::vector<std::string> fields{"apiVersion: " + std::string(api_version),
                                    "kind: " + std::string(kind), "metadata: " + object(metadata)};
    fields.insert(fields.end(), rest.begin(), rest.end());
    return "--- " + object(fields) + "\n";
}

}  // namespace

std::string to_manifest(const Pod& pod) {
    auto meta = metadata(pod.name);
    meta.push_back("uid: " + quoted(pod.uid));
    meta.push_back(labels_field(pod.labels));
    if (pod.created_s != 0) meta.push_back("creationTimestamp: " + rfc3339(pod.created_s));
    if (pod.deleting) meta.push_back("deletionTimestamp: " + rfc3339(pod.created_s + 1));
    std::vector<std::string> containers;
    for (const auto& port : pod.ports) {  // One each: names may repeat only across containers.
        containers.push_back("{name: c" + std::to_string(containers.size()) + ", ports: [{name: " +
                             port.name + ", containerPort: " + std::to_string(port.number) +
                             ", protocol: " + std::string(to_string(port.protocol)) + "}]}");
    }
    std::vector<std::string> spec{"containers: " + list(containers)};
    if (!pod.node.empty()) spec.push_back("nodeName: " + pod.node.get());
    if (pod.host_network) spec.emplace_back("hostNetwork: true");
    return document("v1", "Pod", meta,
                    {"spec: " + object(spec),
                     "status: " + object({"phase: " + std::string(name_of(pod.phase)),
                                          addresses_field("podIPs", pod.addresses),
                                          addresses_field("hostIPs", pod.node_addresses)})});
}

std::string to_manifest(const Namespace& ns) {
    return document("v1", "Namespace", {"name: " + ns.name, labels_field(ns.labels)}, {});
}

std::string to_manifest(const NetworkPolicy& policy) {
    std::vector<std::string> types;
    if (policy.ingress) types.emplace_back("Ingress");
    if (policy.egress) types.emplace_back("Egress");
    std::vector<std::string> spec{"podSelector: " + text(policy.pods),
                                  "policyTypes: " + list(types)};
    if (policy.ingress) spec.push_back(rules_field(policy, Direction::ingress));
    if (policy.egress) spec.push_back(rules_field(policy, Direction::egress));
    return document("networking.k8s.io/v1", "NetworkPolicy", metadata(policy.name),
                    {"spec: " + object(spec)});
}

std::string to_manifest(const Cluster& cluster) {
    std::string text;
    for (const auto& [name, ns] : cluster.namespaces()) text += to_manifest(ns);
    for (const auto& [name, pod] : cluster.pods()) text += to_manifest(pod);
    for (const auto& [name, policy] : cluster.policies()) text += to_manifest(policy);
    return text;
}

}  // namespace podfence::test
