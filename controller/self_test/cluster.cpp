#include "controller/self_test/cluster.hpp"

#include <utility>

namespace podfence::self_test {

namespace {

constexpr const char* kNamespace = "podfence-self-test";

Pod make_pod(const char* name, std::vector<Address> addresses) {
    Pod pod{.name = {.ns = kNamespace, .name = name}, .phase = PodPhase::running};
    pod.labels = Labels{{"pod", name}};
    pod.node = std::string(kNode);
    pod.addresses = std::move(addresses);
    return pod;
}

LabelSelector selector(const char* pod) {
    return {.requirements = {{.key = "pod", .op = SelectorOp::in, .values = {pod}}}};
}

/// To or from the other pod, by TCP and UDP, on these ports.
PolicyRule rule_for(const char* peer, std::initializer_list<Expected> ports) {
    PolicyRule rule{.peers = {PodPeer{.pods = selector(peer)}}};
    for (const Expected port : ports) {
        for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
            PolicyPort& allowed = rule.ports.emplace_back();
            allowed.protocol = protocol;
            allowed.port = PortRange{port_of(port), port_of(port)};
        }
    }
    return rule;
}

}  // namespace

Cluster make_cluster(const PodAddresses& addresses) {
    Cluster cluster;
    cluster.put(Namespace{.name = kNamespace});
    cluster.put(make_pod("first", addresses.first));
    cluster.put(make_pod("second", addresses.second));
    cluster.put(NetworkPolicy{.name = {.ns = kNamespace, .name = "second-ingress"},
                              .pods = selector("second"),
                              .ingress = true,
                              .ingress_rules = {rule_for("first", {Expected::allowed, Expected::cut,
                                                                   Expected::denied_for_source})}});
    cluster.put(NetworkPolicy{
        .name = {.ns = kNamespace, .name = "first-egress"},
        .pods = selector("first"),
        .egress = true,
        .egress_rules = {rule_for(
            "second", {Expected::allowed, Expected::cut, Expected::denied_for_destination})}});
    return cluster;
}

}  // namespace podfence::self_test
