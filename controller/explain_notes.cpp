// The words of the oracle: which part of a rule did not match, for a person. It decides nothing.
#include <algorithm>
#include <array>
#include <utility>

#include "controller/explain_detail.hpp"
#include "controller/selector.hpp"
#include "nft/error.hpp"

namespace podfence {

std::string_view to_string(Exemption exemption) {
    switch (exemption) {
        case Exemption::none:
            return "none";
        case Exemption::not_a_pod:
            return "not-a-pod";
        case Exemption::not_isolated:
            return "not-isolated";
        case Exemption::own_node:
            return "own-node";
        case Exemption::hairpin:
            return "hairpin";
        case Exemption::link_protocol:
            return "link-protocol";
    }
    PODFENCE_CHECK(false);
    return {};
}

namespace {

/// Notes stay on one line: of longer lists the rest is only counted.
constexpr std::size_t kPeersInNoteMax = 3;
constexpr std::size_t kPortsInNoteMax = 8;

std::string protocol_name(std::uint8_t protocol) {
    constexpr std::array<std::pair<std::uint8_t, const char*>, 6> kNames{
        {{1, "ICMP"}, {2, "IGMP"}, {6, "TCP"}, {17, "UDP"}, {58, "ICMPv6"}, {132, "SCTP"}}};
    for (const auto& [number, name] : kNames) {
        if (number == protocol) return name;
    }
    return "IP protocol " + std::to_string(protocol);
}

bool has_ports(std::uint8_t protocol) {
    return protocol == static_cast<std::uint8_t>(Protocol::tcp) ||
           protocol == static_cast<std::uint8_t>(Protocol::udp) ||
           protocol == static_cast<std::uint8_t>(Protocol::sctp);
}

/// "5432/TCP", or "ICMP" where there are no ports.
std::string port_text(const Flow& flow) {
    const std::string protocol = protocol_name(flow.protocol);
    return has_ports(flow.protocol) ? std::to_string(flow.port) + "/" + protocol : protocol;
}

std::string text(const Requirement& requirement) {
    return to_string(LabelSelector{.requirements = {requirement}});
}

/// What the labels have that the requirement does not want: "has app=api, not app=web".
std::string failure(const Requirement& requirement, const Labels& labels) {
    const auto label = labels.find(requirement.key);
    if (label == labels.end()) {
        const bool one_value = requirement.op == SelectorOp::exists ||
                               (requirement.op == SelectorOp::in && requirement.values.size() == 1);
        return (one_value ? "lacks label " : "lacks a label ") + text(requirement);
    }
    std::string has = "has " + label->first + "=" + label->second;
    switch (requirement.op) {
        case SelectorOp::in:
            return has + ", not " + text(requirement);
        case SelectorOp::not_in:
        case SelectorOp::does_not_exist:
            return has + ", against " + text(requirement);
        case SelectorOp::exists:
            break;  // It is there.
    }
    PODFENCE_CHECK(false);
    return {};
}

/// Of the first requirement that fails, in the selector's order.
std::string failure(const LabelSelector& selector, const Labels& labels) {
    for (const Requirement& requirement : selector.requirements) {
        if (!matches(requirement, labels)) return failure(requirement, labels);
    }
    PODFENCE_CHECK(false);  // Only asked when the selector does not match.
    return {};
}

}  // namespace

std::string to_string(const Flow& flow) {
    return to_string(flow.source) + " -> " + to_string(flow.destination) + " " + port_text(flow);
}

namespace explain_detail {

namespace {

std::string join(const std::vector<std::string>& items, const char* separator, std::size_t max) {
    std::string joined;
    for (std::size_t i = 0; i < std::min(items.size(), max); ++i) {
        joined += (i == 0 ? "" : separator) + items[i];
    }
    if (items.size() > max) {
        joined += separator + std::to_string(items.size() - max) + " more";
    }
    return joined;
}

std::string lacks(const Question& question, const ObjectName& policy, const PodPeer& peer) {
    const Pod* pod = question.other_pod();
    if (pod == nullptr) return to_string(question.other_address()) + " is no pod's address";
    if (!peer.namespaces && !peer.pods) return "the peer is empty, which matches nothing";
    if (!may_be_peer(pod->labels)) {
        return "pod " + to_string(pod->name) +
               " has metadata in error: no selector takes it as a peer";
    }
    const std::string& ns = pod->name.ns;
    if (!peer.namespaces && ns != policy.ns) {
        return "pod " + to_string(pod->name) + " is not in namespace " + policy.ns;
    }
    if (peer.namespaces && !question.cluster.namespace_matches(*peer.namespaces, ns)) {
        const auto seen = question.cluster.namespaces().find(ns);
        if (seen == question.cluster.namespaces().end()) {  // N29
            return "the labels of namespace " + ns + " are not known (no such Namespace was read)";
        }
        if (const auto* names = names_asked(*peer.namespaces)) {
            return "namespace " + ns + (names->size() == 1 ? " is not " : " is none of ") +
                   join(*names, ", ", kPeersInNoteMax);
        }
        if (!may_be_peer(seen->second.labels)) {
            return "namespace " + ns + " has labels in error: only its name counts";
        }
        return "namespace " + ns + " " + failure(*peer.namespaces, seen->second.labels);
    }
    return "pod " + to_string(pod->name) + " " + failure(*peer.pods, pod->labels);
}

std::string lacks(const Question& question, const IpBlock& block) {
    const Address& address = question.other_address();
    if (block.cidr.family() != address.family()) {  // N34
        return to_string(address) + " is no " +
               (block.cidr.family() == nft::Family::ipv4 ? "IPv4" : "IPv6") + " address";
    }
    for (const Prefix& except : block.except) {
        if (except.contains(address)) {
            return to_string(address) + " is in the block's except " + to_string(except);
        }
    }
    return to_string(address) + " is outside " + to_string(block.cidr);
}

std::string lacks(const Question& question, const ObjectName& policy, const Peer& peer) {
    if (const auto* block = std::get_if<IpBlock>(&peer)) return lacks(question, *block);
    return lacks(question, policy, std::get<PodPeer>(peer));
}

std::string lacks(const Question& question, const PolicyPort& port) {
    if (question.flow.protocol != static_cast<std::uint8_t>(port.protocol)) {
        return "the protocol is " + protocol_name(question.flow.protocol);
    }
    return "the port is " + std::to_string(question.flow.port);
}

/// "5432/TCP", "http/TCP (8080 on shop/web)", "http/TCP (not a port of pod shop/db)".
std::string item_text(const Question& question, const PolicyPort& port) {
    std::string text = to_string(port);
    const auto* named = std::get_if<NamedPort>(&port.port);
    if (named == nullptr) return text;
    const Pod* pod = question.destination_pod;
    if (pod == nullptr) {
        return text + " (" + to_string(question.flow.destination) + " is no pod's address)";
    }
    if (const auto number = find_port(*pod, named->name, port.protocol)) {
        return text + " (" + std::to_string(*number) + " on " + to_string(pod->name) + ")";
    }
    return text + " (not a port of pod " + to_string(pod->name) + ")";
}

const ItemOutcome* first_match(const std::vector<ItemOutcome>& items) {
    const auto found = std::find_if(items.begin(), items.end(),
                                    [](const ItemOutcome& item) { return item.matches; });
    return found == items.end() ? nullptr : &*found;
}

std::string peer_note(const PolicyRule& rule, const RuleOutcome& outcome) {
    if (rule.any_peer) return "any peer";
    if (outcome.peers.empty()) return "no peer of this rule could be understood";  // D12
    if (const ItemOutcome* match = first_match(outcome.peers)) return match->item;
    std::vector<std::string> reasons;
    for (const ItemOutcome& peer : outcome.peers) {
        // Peers often fail for the same reason, such as not being a pod: say it once.
        if (std::find(reasons.begin(), reasons.end(), peer.lacks) == reasons.end()) {
            reasons.push_back(peer.lacks);
        }
    }
    return join(reasons, "; ", kPeersInNoteMax);
}

std::string port_note(const Flow& flow, const PolicyRule& rule, const RuleOutcome& outcome) {
    if (rule.any_port) return "any port";
    if (outcome.ports.empty()) return "no port of this rule could be understood";  // D12
    if (const ItemOutcome* match = first_match(outcome.ports)) {
        const std::string port = port_text(flow);
        const auto& matching = rule.ports[static_cast<std::size_t>(match - outcome.ports.data())];
        const bool named = std::holds_alternative<NamedPort>(matching.port);
        return "port " + port +
               (match->item == port ? "" : (named ? " is " : " is in ") + match->item);
    }
    if (!has_ports(flow.protocol)) {  // D3
        return port_text(flow) + " is allowed only by rules without ports";
    }
    std::vector<std::string> items;
    for (const ItemOutcome& port : outcome.ports) items.push_back(port.item);
    return "port " + port_text(flow) + " is not among " + join(items, ", ", kPortsInNoteMax);
}

}  // namespace

RuleOutcome describe(const Question& question, const ObjectName& policy, const PolicyRule& rule) {
    RuleOutcome outcome{.index = rule.index, .pos = rule.pos};
    for (const Peer& peer : rule.peers) {
        const bool matches = peer_matches(question, policy, peer);
        outcome.peers.push_back({.item = to_string(peer),
                                 .matches = matches,
                                 .lacks = matches ? "" : lacks(question, policy, peer)});
    }
    for (const PolicyPort& port : rule.ports) {
        const bool matches = port_matches(question, port);
        outcome.ports.push_back({.item = item_text(question, port),
                                 .matches = matches,
                                 .lacks = matches ? "" : lacks(question, port)});
    }
    outcome.peer_matches = rule.any_peer || first_match(outcome.peers) != nullptr;
    outcome.port_matches = rule.any_port || first_match(outcome.ports) != nullptr;
    outcome.peer_note = peer_note(rule, outcome);
    outcome.port_note = port_note(question.flow, rule, outcome);
    return outcome;
}

}  // namespace explain_detail

}  // namespace podfence
