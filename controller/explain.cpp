#include "controller/explain.hpp"

#include <algorithm>

#include "controller/explain_detail.hpp"
#include "controller/selector.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace explain_detail {

namespace {

bool matches(const Question& question, const ObjectName& policy, const PodPeer& peer) {
    const Pod* pod = question.other_pod();
    if (pod == nullptr) return false;                  // outside, a node, hostNetwork (N57)
    if (!peer.namespaces && !peer.pods) return false;  // N16
    if (!may_be_peer(pod->labels)) return false;       // D12
    const bool ns_matches = peer.namespaces            // N17, N21
                                ? question.cluster.namespace_matches(*peer.namespaces, pod->name.ns)
                                : pod->name.ns == policy.ns;
    return ns_matches && (!peer.pods || podfence::matches(*peer.pods, pod->labels));
}

/// By address, pods included (N32, D6); `except` counts only within its own block (N30, N31).
bool matches(const Question& question, const IpBlock& block) {
    const Address& address = question.other_address();
    return block.cidr.contains(address) &&
           std::none_of(block.except.begin(), block.except.end(),
                        [&](const Prefix& except) { return except.contains(address); });
}

}  // namespace

bool peer_matches(const Question& question, const ObjectName& policy, const Peer& peer) {
    if (const auto* block = std::get_if<IpBlock>(&peer)) return matches(question, *block);
    return matches(question, policy, std::get<PodPeer>(peer));
}

bool port_matches(const Question& question, const PolicyPort& port) {
    if (question.flow.protocol != static_cast<std::uint8_t>(port.protocol)) return false;  // D3
    if (const auto* range = std::get_if<PortRange>(&port.port)) {
        return range->first <= question.flow.port && question.flow.port <= range->last;  // N39
    }
    // Always the destination pod's name for it: on ingress that is the judged pod (N41, N45, N46).
    const Pod* destination = question.destination_pod;
    return destination != nullptr && find_port(*destination, std::get<NamedPort>(port.port).name,
                                               port.protocol) == question.flow.port;
}

}  // namespace explain_detail

namespace {

using explain_detail::Question;

constexpr std::uint8_t kIgmp = 2;

/// N2.
bool isolates(const NetworkPolicy& policy, const Pod& pod, Direction direction) {
    return policy.name.ns == pod.name.ns && policy.isolates(direction) &&
           matches(policy.pods, pod.labels);
}

/// N19, N20, N23.
bool allows(const Question& question, const NetworkPolicy& policy, const PolicyRule& rule) {
    const bool peer =
        rule.any_peer || std::any_of(rule.peers.begin(), rule.peers.end(), [&](const Peer& p) {
            return explain_detail::peer_matches(question, policy.name, p);
        });
    return peer && (rule.any_port ||
                    std::any_of(rule.ports.begin(), rule.ports.end(), [&](const PolicyPort& p) {
                        return explain_detail::port_matches(question, p);
                    }));
}

bool is_own_address(const Pod& pod, const Address& address) {
    return std::find(pod.node_addresses.begin(), pod.node_addresses.end(), address) !=
           pod.node_addresses.end();
}

/// Of the node that holds unknown pods.
bool is_of_holder(const Question& question, const ExplainOptions& options, const Address& address) {
    const auto& pods = question.cluster.pods();
    return std::any_of(pods.begin(), pods.end(), [&](const auto& entry) {
        return entry.second.node == options.held.node && is_own_address(entry.second, address);
    });
}

/// Whether the judged end is an address of pods that no known pod has, and nothing exempts it.
bool is_held(const Question& question, const ExplainOptions& options) {
    const Address& own = question.ingress() ? question.flow.destination : question.flow.source;
    const auto& ranges = options.held.ranges;
    const auto contains = [&](const Prefix& range) { return range.contains(own); };
    if (question.judged() != nullptr || std::none_of(ranges.begin(), ranges.end(), contains) ||
        is_of_holder(question, options, own) || question.flow.protocol == kIgmp) {
        return false;
    }
    // Between the node and what is on it, known or not: D1, D2.
    const bool judged = options.pod_to_node_enforced && !question.ingress();
    return judged || !is_of_holder(question, options, question.other_address());
}

/// Before any policy is asked: what no policy can forbid. Isolation is not looked at here.
Exemption exemption_of(const Question& question, const ExplainOptions& options) {
    const Pod* pod = question.judged();
    if (pod == nullptr) return Exemption::not_a_pod;
    if (pod == question.other_pod()) return Exemption::hairpin;
    if (question.flow.protocol == kIgmp) return Exemption::link_protocol;
    if (is_own_address(*pod, question.other_address()) &&
        (question.ingress() || !options.pod_to_node_enforced)) {
        return Exemption::own_node;
    }
    return Exemption::none;
}

bool direction_allowed(const Question& question, const ExplainOptions& options) {
    if (is_held(question, options)) return false;
    if (exemption_of(question, options) != Exemption::none) return true;
    bool isolated = false;
    for (const auto& [name, policy] : question.cluster.policies_of(question.judged()->name.ns)) {
        if (!isolates(policy, *question.judged(), question.direction)) continue;
        isolated = true;
        if (options.refused && options.refused(name)) continue;
        for (const PolicyRule& rule : policy.rules(question.direction)) {
            if (allows(question, policy, rule)) return true;  // N4
        }
    }
    return !isolated;  // N1, N3
}

DirectionOutcome explain_direction(const Question& question, const ExplainOptions& options) {
    if (is_held(question, options)) return {.held = true};
    DirectionOutcome outcome{.exemption = exemption_of(question, options),
                             .pod = question.judged()};
    if (outcome.pod == nullptr) return outcome;
    for (const auto& [name, policy] : question.cluster.policies()) {
        if (!isolates(policy, *outcome.pod, question.direction)) continue;
        PolicyOutcome& entry =
            outcome.policies.emplace_back(PolicyOutcome{.policy = name, .pos = policy.pos});
        if (options.refused && options.refused(name)) continue;
        for (const PolicyRule& rule : policy.rules(question.direction)) {
            entry.rules.push_back(explain_detail::describe(question, name, rule));
        }
    }
    if (!outcome.isolated() && outcome.exemption == Exemption::none) {
        outcome.exemption = Exemption::not_isolated;
    }
    return outcome;
}

Question ask(const Cluster& cluster, const Flow& flow, Direction direction) {
    PODFENCE_CHECK(flow.source.family() == flow.destination.family());
    return {.cluster = cluster,
            .flow = flow,
            .source_pod = cluster.owner_of(flow.source),
            .destination_pod = cluster.owner_of(flow.destination),
            .direction = direction};
}

}  // namespace

const RuleOutcome* PolicyOutcome::allowing_rule() const {
    const auto found = std::find_if(rules.begin(), rules.end(),
                                    [](const RuleOutcome& rule) { return rule.matches(); });
    return found == rules.end() ? nullptr : &*found;
}

const PolicyOutcome* DirectionOutcome::allowing_policy() const {
    const auto found = std::find_if(policies.begin(), policies.end(),
                                    [](const PolicyOutcome& policy) { return policy.allows(); });
    return found == policies.end() ? nullptr : &*found;
}

Explanation explain(const Cluster& cluster, const Flow& flow, const ExplainOptions& options) {
    const Question egress = ask(cluster, flow, Direction::egress);
    const Question ingress = ask(cluster, flow, Direction::ingress);
    return {.flow = flow,
            .source_pod = egress.source_pod,
            .destination_pod = egress.destination_pod,
            .egress = explain_direction(egress, options),
            .ingress = explain_direction(ingress, options)};
}

bool allowed(const Cluster& cluster, const Flow& flow, const ExplainOptions& options) {
    return allowed(cluster, flow, Direction::egress, options) &&
           allowed(cluster, flow, Direction::ingress, options);  // N5
}

bool allowed(const Cluster& cluster, const Flow& flow, Direction direction,
             const ExplainOptions& options) {
    return direction_allowed(ask(cluster, flow, direction), options);
}

}  // namespace podfence
