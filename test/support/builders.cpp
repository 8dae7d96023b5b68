#include "test/support/builders.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "nft/error.hpp"

namespace podfence::test {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

/// At commas outside parentheses; of an empty text nothing.
std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    if (trim(text).empty()) return parts;
    std::size_t begin = 0;
    bool in_list = false;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || (text[i] == ',' && !in_list)) {
            parts.push_back(trim(text.substr(begin, i - begin)));
            begin = i + 1;
        } else if (text[i] == '(' || text[i] == ')') {
            in_list = text[i] == '(';
        }
    }
    return parts;
}

Requirement with_list(std::string_view key, SelectorOp op, std::string_view list) {
    list = trim(list);
    PODFENCE_CHECK(list.size() >= 2 && list.front() == '(' && list.back() == ')');
    Requirement requirement{.key = std::string(trim(key)), .op = op};
    for (const auto value : split(list.substr(1, list.size() - 2))) {
        requirement.values.emplace_back(value);
    }
    std::sort(requirement.values.begin(), requirement.values.end());
    return requirement;
}

Requirement parse_requirement(std::string_view text) {
    PODFENCE_CHECK(!text.empty());
    if (const auto at = text.find(" notin "); at != std::string_view::npos) {
        return with_list(text.substr(0, at), SelectorOp::not_in, text.substr(at + 7));
    }
    if (const auto at = text.find(" in "); at != std::string_view::npos) {
        return with_list(text.substr(0, at), SelectorOp::in, text.substr(at + 4));
    }
    if (const auto at = text.find('='); at != std::string_view::npos) {
        return {.key = std::string(text.substr(0, at)),
                .op = SelectorOp::in,
                .values = {std::string(text.substr(at + 1))}};
    }
    if (text.front() == '!') {
        return {.key = std::string(text.substr(1)), .op = SelectorOp::does_not_exist};
    }
    return {.key = std::string(text), .op = SelectorOp::exists};
}

}  // namespace

Address ip(std::string_view text) {
    const auto address = Address::parse(text);
    PODFENCE_CHECK(address.has_value());
    return *address;
}

Prefix cidr(std::string_view text) {
    const auto prefix = Prefix::parse(text);
    PODFENCE_CHECK(prefix.has_value());
    return *prefix;
}

ObjectName name(std::string_view text) {
    const auto slash = text.find('/');
    PODFENCE_CHECK(slash != std::string_view::npos);
    return {.ns = std::string(text.substr(0, slash)), .name = std::string(text.substr(slash + 1))};
}

Labels labels(std::string_view text) {
    Labels made;
    for (const auto part : split(text)) {
        const auto equals = part.find('=');
        PODFENCE_CHECK(equals != std::string_view::npos);
        made.emplace(part.substr(0, equals), part.substr(equals + 1));
    }
    return made;
}

LabelSelector selector(std::string_view text) {
    LabelSelector made;
    for (const auto part : split(text)) made.requirements.push_back(parse_requirement(part));
    std::sort(made.requirements.begin(), made.requirements.end());
    return made;
}

Peer pods(std::string_view pod_selector) {
    return PodPeer{.pods = selector(pod_selector)};
}

Peer namespaces(std::string_view namespace_selector) {
    return PodPeer{.namespaces = selector(namespace_selector)};
}

Peer pods_in(std::string_view namespace_selector, std::string_view pod_selector) {
    return PodPeer{.namespaces = selector(namespace_selector), .pods = selector(pod_selector)};
}

Peer block(std::string_view text, std::initializer_list<std::string_view> except) {
    IpBlock made{.cidr = cidr(text)};
    for (const auto hole : except) made.except.push_back(cidr(hole));
    return made;
}

std::vector<Address> node_addresses(std::string_view node) {
    unsigned number = 0;
    PODFENCE_CHECK(node.size() > 1);
    const auto parsed = std::from_chars(node.data() + 1, node.data() + node.size(), number);
    PODFENCE_CHECK(parsed.ec == std::errc{} && number >= 1 && number <= 9);
    const std::string digit = std::to_string(number);
    return {ip("192.168.0." + digit), ip("fd01::" + digit)};
}

Namespace ns(std::string_view name, std::string_view label_text) {
    return {.name = std::string(name), .labels = labels(label_text)};
}

PodBuilder::PodBuilder(std::string_view text) {
    pod_.name = name(text);
    pod_.uid = Uid(text);
    pod_.phase = PodPhase::running;
    node("n1");
}

PodBuilder& PodBuilder::addresses(std::initializer_list<std::string_view> addresses) {
    pod_.addresses.clear();
    for (const auto address : addresses) pod_.addresses.push_back(ip(address));
    return *this;
}

PodBuilder& PodBuilder::labels(std::string_view text) {
    pod_.labels = test::labels(text);
    return *this;
}

PodBuilder& PodBuilder::node(std::string_view node) {
    pod_.node = std::string(node);
    pod_.node_addresses = node_addresses(node);
    if (pod_.host_network) pod_.addresses = pod_.node_addresses;
    return *this;
}

PodBuilder& PodBuilder::port(std::string_view name, std::uint16_t number, Protocol protocol) {
    pod_.ports.edit().push_back(
        {.name = std::string(name), .number = number, .protocol = protocol});
    return *this;
}

PodBuilder& PodBuilder::phase(PodPhase phase) {
    pod_.phase = phase;
    return *this;
}

PodBuilder& PodBuilder::deleting() {
    pod_.deleting = true;
    return *this;
}

PodBuilder& PodBuilder::host_network() {
    pod_.host_network = true;
    pod_.addresses = pod_.node_addresses;
    return *this;
}

PodBuilder& PodBuilder::created(std::int64_t seconds) {
    pod_.created_s = seconds;
    return *this;
}

PodBuilder& PodBuilder::uid(std::string_view uid) {
    pod_.uid = Uid(uid);
    return *this;
}

RuleBuilder& RuleBuilder::peer(Peer peer) {
    rule_.any_peer = false;
    rule_.peers.push_back(std::move(peer));
    return *this;
}

RuleBuilder& RuleBuilder::no_peer() {
    rule_.any_peer = false;
    return *this;
}

RuleBuilder& RuleBuilder::port(std::uint16_t number, Protocol protocol) {
    return ports(number, number, protocol);
}

RuleBuilder& RuleBuilder::port(std::string_view name, Protocol protocol) {
    rule_.any_port = false;
    PolicyPort& item = rule_.ports.emplace_back();
    item.protocol = protocol;
    item.port.emplace<NamedPort>().name = name;
    return *this;
}

RuleBuilder& RuleBuilder::ports(std::uint16_t first, std::uint16_t last, Protocol protocol) {
    rule_.any_port = false;
    PolicyPort& item = rule_.ports.emplace_back();
    item.protocol = protocol;
    item.port = PortRange{.first = first, .last = last};
    return *this;
}

RuleBuilder& RuleBuilder::all_ports(Protocol protocol) {
    const PortRange all;
    return ports(all.first, all.last, protocol);
}

RuleBuilder& RuleBuilder::no_port() {
    rule_.any_port = false;
    return *this;
}

PolicyBuilder::PolicyBuilder(std::string_view text) {
    policy_.name = name(text);
}

PolicyBuilder& PolicyBuilder::pods(std::string_view text) {
    policy_.pods = selector(text);
    return *this;
}

PolicyBuilder& PolicyBuilder::ingress() {
    policy_.ingress = true;
    return *this;
}

PolicyBuilder& PolicyBuilder::egress() {
    policy_.egress = true;
    return *this;
}

PolicyBuilder& PolicyBuilder::ingress(PolicyRule rule) {
    rule.index = static_cast<std::uint32_t>(policy_.ingress_rules.size());
    policy_.ingress_rules.push_back(std::move(rule));
    return ingress();
}

PolicyBuilder& PolicyBuilder::egress(PolicyRule rule) {
    rule.index = static_cast<std::uint32_t>(policy_.egress_rules.size());
    policy_.egress_rules.push_back(std::move(rule));
    return egress();
}

Flow flow(std::string_view source, std::string_view destination, std::uint16_t port,
          std::uint8_t protocol) {
    return {
        .source = ip(source), .destination = ip(destination), .protocol = protocol, .port = port};
}

}  // namespace podfence::test
