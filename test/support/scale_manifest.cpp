#include <sstream>

#include "test/support/scale.hpp"

// Writes the objects of a scale cluster as kubectl prints them: one List in YAML, with the fields
// that do not matter to policy left in where they make up the bulk of real output.
namespace podfence::test {

namespace {

const char* name_of(SelectorOp op) {
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

void write_selector(std::ostream& out, const LabelSelector& selector) {
    out << "{matchExpressions: [";
    const char* separator = "";
    for (const auto& requirement : selector.requirements) {
        out << separator << "{key: " << requirement.key
            << ", operator: " << name_of(requirement.op);
        if (!requirement.values.empty()) {
            const char* comma = "";
            out << ", values: [";
            for (const auto& value : requirement.values) {
                out << comma << '"' << value << '"';
                comma = ", ";
            }
            out << "]";
        }
        out << "}";
        separator = ", ";
    }
    out << "]}";
}

void write_peer(std::ostream& out, const Peer& peer) {
    if (const auto* block = std::get_if<IpBlock>(&peer)) {
        out << "      - ipBlock: {cidr: \"" << to_string(block->cidr) << "\", except: [";
        const char* comma = "";
        for (const auto& except : block->except) {
            out << comma << '"' << to_string(except) << '"';
            comma = ", ";
        }
        out << "]}\n";
        return;
    }
    const auto& pods = std::get<PodPeer>(peer);
    const char* indent = "      - ";
    if (pods.namespaces) {
        out << indent << "namespaceSelector: ";
        write_selector(out, *pods.namespaces);
        out << "\n";
        indent = "        ";
    }
    if (pods.pods) {
        out << indent << "podSelector: ";
        write_selector(out, *pods.pods);
        out << "\n";
    }
}

void write_rules(std::ostream& out, Direction direction, const std::vector<PolicyRule>& rules) {
    const bool ingress = direction == Direction::ingress;
    out << (ingress ? "    ingress:" : "    egress:") << (rules.empty() ? " []\n" : "\n");
    for (const auto& rule : rules) {
        out << (ingress ? "    - from:" : "    - to:") << (rule.any_peer ? " []\n" : "\n");
        for (const auto& peer : rule.peers) write_peer(out, peer);
        if (rule.any_port) continue;
        out << "      ports:\n";
        for (const auto& port : rule.ports) {
            out << "      - protocol: " << to_string(port.protocol) << "\n        port: ";
            if (const auto* named = std::get_if<NamedPort>(&port.port)) {
                out << named->name << "\n";
                continue;
            }
            const auto& range = std::get<PortRange>(port.port);
            out << range.first << "\n";
            if (range.last != range.first) out << "        endPort: " << range.last << "\n";
        }
    }
}

void write_policy(std::ostream& out, const NetworkPolicy& policy) {
    out << "- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata:\n"
        << "    name: " << policy.name.name << "\n    namespace: " << policy.name.ns
        << "\n  spec:\n    podSelector: ";
    write_selector(out, policy.pods);
    out << "\n    policyTypes: [" << (policy.ingress ? "Ingress" : "")
        << (policy.ingress && policy.egress ? ", " : "") << (policy.egress ? "Egress" : "")
        << "]\n";
    if (policy.ingress) write_rules(out, Direction::ingress, policy.ingress_rules);
    if (policy.egress) write_rules(out, Direction::egress, policy.egress_rules);
}

void write_labels(std::ostream& out, const Labels& labels) {
    out << "    labels:\n";
    for (const auto& [key, value] : labels) out << "      " << key << ": \"" << value << "\"\n";
}

void write_pod(std::ostream& out, const Pod& pod) {
    out << "- apiVersion: v1\n  kind: Pod\n  metadata:\n"
        << "    creationTimestamp: \"2026-01-02T03:04:05Z\"\n    name: " << pod.name.name
        << "\n    namespace: " << pod.name.ns << "\n    uid: " << pod.uid.text() << "\n";
    write_labels(out, pod.labels);
    out << "  spec:\n    nodeName: " << pod.node.get()
        << "\n    containers:\n    - name: main\n      image: registry.example/app:1\n"
        << "      env:\n      - {name: LOG_LEVEL, value: info}\n"
        << "      resources: {requests: {cpu: 100m, memory: 64Mi}}\n      ports:\n";
    for (const auto& port : pod.ports) {
        out << "      - {name: " << port.name << ", containerPort: " << port.number
            << ", protocol: " << to_string(port.protocol) << "}\n";
    }
    out << "    volumes:\n    - name: kube-api-access\n      projected: {defaultMode: 420}\n"
        << "  status:\n    phase: Running\n    podIP: " << to_string(pod.addresses.front())
        << "\n    podIPs:\n";
    for (const auto& address : pod.addresses) {
        out << "    - ip: \"" << to_string(address) << "\"\n";
    }
}

}  // namespace

std::string scale_manifest(const Scale& scale) {
    const auto cluster = scale_cluster(scale);
    std::ostringstream out;
    out << "apiVersion: v1\nitems:\n";
    for (const auto& [name, ns] : cluster.namespaces()) {
        out << "- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: " << name << "\n";
        write_labels(out, ns.labels);
    }
    for (const auto& [name, pod] : cluster.pods()) write_pod(out, pod);
    for (const auto& [name, policy] : cluster.policies()) write_policy(out, policy);
    out << "kind: List\nmetadata: {resourceVersion: \"\"}\n";
    return std::move(out).str();
}

}  // namespace podfence::test
