#include "test/tools/objects.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace podfence::lab {

namespace {

constexpr std::uint16_t kCloudPort = 443;

void write_labels(std::ostream& out, const Labels& labels) {
    out << "    labels:\n";
    for (const auto& [key, value] : labels) out << "      " << key << ": \"" << value << "\"\n";
}

}  // namespace

std::string host_name(const ObjectName& name) {
    return name.ns + "-" + name.name;
}

LabPlan lab_for(const Cluster& cluster) {
    LabPlan plan;
    std::set<std::string> nodes;
    std::set<std::uint16_t> ports{kCloudPort};
    for (const auto& [name, pod] : cluster.pods()) {
        nodes.insert(pod.node);
        for (const auto& port : pod.ports) ports.insert(port.number);
    }
    for (const auto& node : nodes) {
        const bool even = plan.spec.nodes.size() % 2 == 0;
        plan.spec.nodes.push_back({node, even ? Wiring::bridge : Wiring::ptp});
    }
    for (const auto& [name, pod] : cluster.pods()) {
        const auto node = std::distance(nodes.begin(), nodes.find(pod.node));
        plan.spec.pods.push_back({host_name(name), static_cast<std::size_t>(node)});
    }
    for (const auto* address : {kPartner, kBlocked, kCloud}) {
        plan.spec.lent.push_back(*Address::parse(address));
    }
    plan.ports.assign(ports.begin(), ports.end());
    return plan;
}

std::string to_yaml(const Cluster& cluster) {
    std::ostringstream out;
    out << "apiVersion: v1\nitems:\n";
    for (const auto& [name, ns] : cluster.namespaces()) {
        out << "- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: " << name << "\n";
        write_labels(out, ns.labels);
    }
    for (const auto& [name, pod] : cluster.pods()) {
        out << "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: " << name.name
            << "\n    namespace: " << name.ns << "\n";
        write_labels(out, pod.labels);
        out << "  spec:\n    nodeName: " << pod.node.get()
            << "\n    containers:\n    - name: main\n      ports:\n";
        for (const auto& port : pod.ports) {
            out << "      - {name: " << port.name << ", containerPort: " << port.number
                << ", protocol: " << to_string(port.protocol) << "}\n";
        }
        out << "  status:\n    phase: Running\n";
        for (const auto& [key, addresses] : {std::pair{"podIPs", &pod.addresses},
                                             std::pair{"hostIPs", &pod.node_addresses.get()}}) {
            if (addresses->empty()) continue;
            out << "    " << key << ":\n";
            std::set<nft::Family> told;  // A status has one address of each family.
            for (const auto& address : *addresses) {
                if (!told.insert(address.family()).second) continue;
                out << "    - ip: \"" << to_string(address) << "\"\n";
            }
        }
    }
    out << "kind: List\n";
    return std::move(out).str();
}

}  // namespace podfence::lab
