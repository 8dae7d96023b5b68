#include "test/support/scale.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace podfence::test {

namespace {

constexpr std::size_t kWorkloads = 5;  // of a namespace
constexpr std::array kApps{"web", "api", "db", "cache", "worker"};
constexpr std::size_t kTeams = 10;
constexpr std::size_t kPodsOfANode = 110;

std::string namespace_name(std::size_t i) {
    return "ns-" + std::to_string(i);
}

LabelSelector label(const std::string& key, const std::string& value) {
    return {{{key, SelectorOp::in, {value}}}};
}

Address pod_address_v4(std::size_t i) {
    return Address::v4(0x0a000000U + static_cast<std::uint32_t>(i) + 2U);
}

Address pod_address_v6(std::size_t i) {
    std::array<std::uint8_t, 16> bytes{0xfd};
    for (std::size_t b = 0; b < 4; ++b) bytes[15 - b] = static_cast<std::uint8_t>(i >> (8 * b));
    return Address::v6(bytes);
}

/// Texts as long as those that Kubernetes makes up.
std::string hash_text(std::size_t i, std::size_t length) {
    constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
    std::string text;
    for (std::uint64_t rest = 0x9e3779b97f4a7c15U * (i + 1); text.size() < length; rest /= 3)
        text += kLetters[rest % kLetters.size()];
    return text;
}

std::string uid(std::size_t i) {
    const std::string number = std::to_string(i);
    return "5a1c8a9e-3b0f-4a6e-9a39-" + std::string(12 - number.size(), '0') + number;
}

Pod make_pod(std::size_t i, const Scale& scale) {
    const std::size_t ns = i % scale.namespaces;
    const std::size_t workload = i / scale.namespaces % kWorkloads;
    const std::string app = kApps[workload];
    const std::string revision = hash_text(ns * kWorkloads + workload, 10);
    Pod pod{.name = {namespace_name(ns), app + "-" + revision + "-" + std::to_string(i)},
            .uid = Uid(uid(i)),
            .labels = {{"app", app},
                       {"tier", workload < 2 ? "front" : "back"},
                       {"pod-template-hash", revision}}};
    const std::size_t node = i < scale.local_pods ? 0 : 1 + (i - scale.local_pods) / kPodsOfANode;
    pod.node = node == 0 ? kScaleNode : "node-" + std::to_string(node);
    pod.phase = PodPhase::running;
    pod.created_s = 1'767'323'045 + static_cast<std::int64_t>(i);
    pod.addresses = {pod_address_v4(i), pod_address_v6(i)};
    pod.node_addresses = {Address::v4(0xac100000U + static_cast<std::uint32_t>(node))};
    pod.ports = {{.name = "http", .number = 8080}, {.name = "metrics", .number = 9090}};
    return pod;
}

PolicyRule peers_rule(std::vector<Peer> peers, std::vector<PolicyPort> ports) {
    PolicyRule rule{.any_peer = peers.empty(), .peers = std::move(peers)};
    rule.any_port = ports.empty();
    rule.ports = std::move(ports);
    return rule;
}

PolicyPort tcp(std::uint16_t first, std::uint16_t last) {
    return {Protocol::tcp, PortRange{first, last}};
}

NetworkPolicy make_policy(std::size_t i, const Scale& scale) {
    const std::size_t ns = i % scale.namespaces;
    const std::size_t round = i / scale.namespaces;
    const auto app = std::string(kApps[round % kWorkloads]);
    NetworkPolicy policy{.name = {namespace_name(ns), "policy-" + std::to_string(round)}};
    policy.ingress = true;
    const PodPeer front{.pods = label("tier", "front")};
    const PodPeer team{.namespaces = label("team", "team-" + std::to_string(i % kTeams)),
                       .pods = label("app", app)};
    switch (round % 5) {
        case 0:  // default deny, DNS allowed
            policy.egress = true;
            policy.egress_rules = {
                peers_rule({PodPeer{.namespaces = label(std::string(kNamespaceNameLabel), "ns-0")}},
                           {{Protocol::udp, PortRange{53, 53}}, tcp(53, 53)})};
            break;
        case 1:
            policy.pods = label("app", app);
            policy.ingress_rules = {peers_rule({front}, {tcp(8080, 8080), tcp(9000, 9010)})};
            break;
        case 2:
            policy.ingress_rules = {
                peers_rule({team}, {{Protocol::tcp, NamedPort{"metrics"}}, tcp(443, 443)})};
            break;
        case 3: {
            policy.egress = true;
            const auto third = static_cast<std::uint32_t>(i % 200) << 8;
            const auto base = Address::v4(0xc6120000U + third);
            policy.egress_rules = {peers_rule(
                {IpBlock{*Prefix::make(base, 24), {*Prefix::make(base, 28)}}}, {tcp(443, 443)})};
            policy.ingress_rules = {peers_rule({PodPeer{.pods = LabelSelector{}}}, {})};
            break;
        }
        default:
            policy.pods = label("app", app);
            policy.egress = true;
            policy.egress_rules = {
                peers_rule({front, team}, {{Protocol::tcp, NamedPort{"http"}}, tcp(5432, 5433)})};
            policy.ingress_rules = {peers_rule({team}, {tcp(1, 1023)})};
    }
    for (auto* rules : {&policy.ingress_rules, &policy.egress_rules}) {
        for (std::uint32_t index = 0; index < rules->size(); ++index) (*rules)[index].index = index;
    }
    return policy;
}

}  // namespace

Cluster scale_cluster(const Scale& scale) {
    Cluster cluster;
    for (std::size_t i = 0; i < scale.namespaces; ++i) {
        cluster.put(Namespace{.name = namespace_name(i),
                              .labels = {{"team", "team-" + std::to_string(i % kTeams)}}});
    }
    for (std::size_t i = 0; i < scale.pods; ++i) cluster.put(make_pod(i, scale));
    for (std::size_t i = 0; i < scale.policies; ++i) cluster.put(make_policy(i, scale));
    return cluster;
}

}  // namespace podfence::test
