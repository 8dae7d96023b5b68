#include <algorithm>
#include <array>

#include "controller/decode.hpp"
#include "controller/encode_objects.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

constexpr const char* kRuleClosed = "this rule allows nothing until it is mended";
constexpr const char* kPeerClosed = "this peer matches nothing until it is mended";
constexpr const char* kPortClosed = "this port item matches nothing until it is mended";

/// An agent serves this in place of a list that it could not read.
bool is_unreadable_item(const Node& node, const std::string& field, Report& report) {
    if (node.find(kUnreadableItem) == nullptr) return false;
    report.error(node.line, field, "stands for what the agent could not understand either",
                 "it matches nothing; 'podfence status' says what to mend");
    return true;
}

std::optional<std::uint16_t> decode_number(const Node& node, const std::string& field,
                                           Report& report) {
    const auto value = parse_integer(node.text);
    if (value && *value >= 1 && *value <= 65535) return static_cast<std::uint16_t>(*value);
    report.error(node.line, field, "is " + describe(node) + ", not from 1 to 65535", kPortClosed);
    return std::nullopt;
}

/// The part behind `port` and `endPort` (V4-V8).
bool decode_port_value(const Node& node, const std::string& field, Report& report,
                       PolicyPort& out) {
    const Node* port = node.get("port");
    const Node* end = node.get("endPort");
    const auto refuse = [&](const Node& where, std::string_view key, const std::string& message) {
        report.error(where.line, join_field(field, key), message, kPortClosed);
        return false;
    };
    if (port == nullptr) {
        return end == nullptr || refuse(*end, "endPort", "needs a port to start from");
    }
    if (port->is_string()) {
        const bool digits =
            !port->text.empty() && port->text.find_first_not_of("0123456789") == std::string::npos;
        if (digits) {
            return refuse(*port, "port",
                          quoted(port->text) +
                              " is a string, so it is a port's name, and names need "
                              "a letter; write the number without quotes");
        }
        if (!is_port_name(port->text)) {
            return refuse(*port, "port",
                          quoted(port->text) +
                              " is no valid port name: 1 to 15 lower-case letters, "
                              "digits and single '-'");
        }
        out.port = NamedPort{port->text};
        return end == nullptr || refuse(*end, "endPort", "cannot stand with a port's name");
    }
    if (!port->is(Node::Kind::integer)) {
        return refuse(*port, "port", "is " + describe(*port) + ", not a number or a port's name");
    }
    const auto first = decode_number(*port, field + ".port", report);
    if (!first) return false;
    PortRange range{.first = *first, .last = *first};
    if (end != nullptr) {
        if (!end->is(Node::Kind::integer)) {
            return refuse(*end, "endPort", "is " + describe(*end) + ", not a number");
        }
        const auto last = decode_number(*end, field + ".endPort", report);
        if (!last) return false;
        if (*last < *first) {
            return refuse(*end, "endPort", "is " + end->text + ", less than port " + port->text);
        }
        range.last = *last;
    }
    out.port = range;
    return true;
}

std::optional<Prefix> decode_prefix(const Node& node, const std::string& field, Report& report) {
    if (!node.is_string()) {
        report.error(node.line, field, "is " + describe(node) + ", not a CIDR", kPeerClosed);
        return std::nullopt;
    }
    const CheckedPrefix checked = check_prefix(node.text);
    if (!checked.prefix) {
        const bool whole = checked.error == "has no /length" && Address::parse(node.text);
        const unsigned bits = whole ? nft::address_bits(Address::parse(node.text)->family()) : 0;
        report.error(
            node.line, field,
            quoted(node.text) + ' ' + checked.error +
                (whole ? "; for the one address write " + node.text + '/' + std::to_string(bits)
                       : ""),
            kPeerClosed);
        return std::nullopt;
    }
    if (!checked.warning.empty()) {
        report.warning(node.line, field, quoted(node.text) + " has " + checked.warning,
                       "write " + to_string(*checked.prefix) +
                           ", which is in force; stricter API servers refuse this");
    }
    return checked.prefix;
}

std::optional<Peer> decode_ip_block(const Node& node, const std::string& field, Report& report) {
    if (!node.is_map()) {
        report.error(node.line, field, "is " + describe(node) + ", not a map with cidr",
                     kPeerClosed);
        return std::nullopt;
    }
    if (!report.check_members(node, field, {"cidr", "except"}, kPeerClosed)) return std::nullopt;
    const Node* cidr = node.get("cidr");
    if (cidr == nullptr || (cidr->is_string() && cidr->text.empty())) {
        report.error(node.line, field + ".cidr", "is missing", kPeerClosed);
        return std::nullopt;
    }
    bool fine = true;
    const auto prefix = decode_prefix(*cidr, field + ".cidr", report);
    IpBlock block;
    const Node* except = report.child(node, field, "except", Node::Kind::list, kPeerClosed);
    fine = prefix.has_value() && (except != nullptr || node.get("except") == nullptr);
    for (std::size_t i = 0; except != nullptr && i < except->children.size(); ++i) {
        const Node& item = except->children[i];
        const std::string at = join_index(field + ".except", i);
        const auto hole = decode_prefix(item, at, report);
        fine = fine && hole.has_value();
        if (!hole || !prefix) continue;
        // Strictly inside: contained, and with a longer mask (V12).
        if (!prefix->contains(*hole) || hole->length() <= prefix->length()) {
            report.error(item.line, at,
                         quoted(item.text) + " does not lie strictly inside " + to_string(*prefix),
                         kPeerClosed);
            fine = false;
            continue;
        }
        block.except.push_back(*hole);
    }
    if (!fine) return std::nullopt;
    block.cidr = *prefix;
    return block;
}

std::optional<Peer> decode_pod_peer(const Node& node, const std::string& field, Report& report) {
    PodPeer peer;
    bool fine = true;
    const auto take = [&](std::string_view key, std::optional<LabelSelector>& to) {
        const Node* selector = node.get(key);
        if (selector == nullptr) return;
        auto decoded = decode_selector(*selector, join_field(field, key), report, kPeerClosed);
        fine = fine && decoded.complete;
        to = std::move(decoded.selector);
    };
    take("namespaceSelector", peer.namespaces);
    take("podSelector", peer.pods);
    const Node* namespaces = node.find("namespaceSelector");
    if (namespaces != nullptr && namespaces->is_null() && peer.pods) {
        report.warning(namespaces->line, field + ".namespaceSelector",
                       "is null, which means the policy's own namespace and not all",
                       "write {} for all namespaces, or leave it out");
    }
    if (!fine) return std::nullopt;
    return peer;
}

/// False: the list was there but is none, which was reported.
bool decode_ports(const Node& rule, const std::string& field, Report& report, PolicyRule& out) {
    const Node* ports = report.child(rule, field, "ports", Node::Kind::list, kRuleClosed);
    if (ports == nullptr && rule.get("ports") != nullptr) return false;
    // Empty or missing: every port of every protocol (N15).
    out.any_port = ports == nullptr || ports->children.empty();
    for (std::size_t i = 0; ports != nullptr && i < ports->children.size(); ++i) {
        auto port = decode_policy_port(ports->children[i], join_index(field + ".ports", i), report);
        if (port) out.ports.push_back(std::move(*port));
    }
    return true;
}

bool decode_peers(const Node& rule, std::string_view key, const std::string& field, Report& report,
                  PolicyRule& out) {
    const Node* peers = report.child(rule, field, key, Node::Kind::list, kRuleClosed);
    if (peers == nullptr && rule.get(key) != nullptr) return false;
    // Empty or missing: anyone (N15).
    out.any_peer = peers == nullptr || peers->children.empty();
    const std::string list_field = join_field(field, key);
    for (std::size_t i = 0; peers != nullptr && i < peers->children.size(); ++i) {
        auto peer = decode_peer(peers->children[i], join_index(list_field, i), report);
        if (peer) out.peers.push_back(std::move(*peer));
    }
    return true;
}

}  // namespace

std::optional<PolicyPort> decode_policy_port(const Node& node, const std::string& field,
                                             Report& report) {
    if (!node.is_map()) {
        report.error(node.line, field, "is " + describe(node) + ", not a map with port",
                     kPortClosed);
        return std::nullopt;
    }
    if (is_unreadable_item(node, field, report)) return std::nullopt;
    bool fine = report.check_members(node, field, {"protocol", "port", "endPort"}, kPortClosed);
    PolicyPort out{.port = PortRange{}};
    if (const Node* text = node.get("protocol")) {
        const auto protocol = text->is_string() ? parse_protocol(text->text) : std::nullopt;
        if (!protocol) {
            report.error(text->line, field + ".protocol",
                         "is " + describe(*text) + ", not TCP, UDP or SCTP", kPortClosed);
            fine = false;
        }
        out.protocol = protocol.value_or(Protocol::tcp);
    }
    if (!decode_port_value(node, field, report, out) || !fine) return std::nullopt;
    return out;
}

std::optional<Peer> decode_peer(const Node& node, const std::string& field, Report& report) {
    if (!node.is_map()) {
        report.error(node.line, field, "is " + describe(node) + ", not a peer", kPeerClosed);
        return std::nullopt;
    }
    if (is_unreadable_item(node, field, report)) return std::nullopt;
    const bool fine = report.check_members(
        node, field, {"podSelector", "namespaceSelector", "ipBlock"}, kPeerClosed);
    const Node* block = node.get("ipBlock");
    const bool selects =
        node.get("podSelector") != nullptr || node.get("namespaceSelector") != nullptr;
    if (block != nullptr && selects) {
        report.error(block->line, field + ".ipBlock", "cannot stand with a selector in one peer",
                     kPeerClosed);
        return std::nullopt;
    }
    if (block == nullptr && !selects) {
        if (!fine) return std::nullopt;  // The unknown field says it all.
        report.error(node.line, field,
                     "names no peer; for all pods of this namespace write podSelector: {}",
                     kPeerClosed);
        return std::nullopt;
    }
    auto peer = block != nullptr ? decode_ip_block(*block, field + ".ipBlock", report)
                                 : decode_pod_peer(node, field, report);
    return fine ? std::move(peer) : std::nullopt;
}

PolicyRule decode_rule(const Node& node, Direction direction, std::uint32_t index,
                       const std::string& field, Report& report) {
    PolicyRule closed{.index = index, .pos = report.pos(node.line)};
    if (!node.is_map()) {
        report.error(node.line, field,
                     "is " + describe(node) + ", not a rule; a rule for everything is {}",
                     kRuleClosed);
        return closed;
    }
    const std::string_view key = direction == Direction::ingress ? "from" : "to";
    PolicyRule rule = closed;
    bool fine = report.check_members(node, field, {key, "ports"}, kRuleClosed);
    fine = decode_peers(node, key, field, report, rule) && fine;
    fine = decode_ports(node, field, report, rule) && fine;
    return fine ? rule : closed;
}

}  // namespace podfence
