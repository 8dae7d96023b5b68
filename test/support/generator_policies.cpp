// Random policies: every feature of the API in every combination.
#include <algorithm>
#include <array>

#include "test/support/generator.hpp"

namespace podfence::test {

namespace {

constexpr std::array<std::string_view, 3> kLabelKeys{"app", "role", "tier"};
constexpr std::array<std::string_view, 3> kLabelValues{"x", "y", ""};
/// One more than pods ever declare.
constexpr std::array<std::string_view, 4> kPortNames{"dns", "http", "web", "nowhere"};
constexpr std::array kProtocols{Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp};
constexpr std::array kLengthsV4{0U, 1U, 4U, 8U, 16U, 24U, 28U, 30U, 31U, 32U};
constexpr std::array kLengthsV6{0U, 1U, 7U, 16U, 48U, 64U, 112U, 124U, 126U, 127U, 128U};
constexpr unsigned kFailClosedPercent = 4;

}  // namespace

Requirement Generator::requirement(bool for_namespaces) {
    Requirement made{.key = std::string(random_.pick(kLabelKeys)),
                     .op = static_cast<SelectorOp>(random_.below(4))};
    const bool by_name = for_namespaces && random_.percent(30);
    if (by_name) made.key = kNamespaceNameLabel;
    if (made.op == SelectorOp::exists || made.op == SelectorOp::does_not_exist) return made;
    for (std::size_t left = random_.between(1, 2); left > 0; --left) {
        made.values.emplace_back(by_name ? std::string_view(random_.pick(options_.namespaces))
                                         : random_.pick(kLabelValues));
    }
    std::sort(made.values.begin(), made.values.end());
    made.values.erase(std::unique(made.values.begin(), made.values.end()), made.values.end());
    return made;
}

LabelSelector Generator::selector(bool for_namespaces) {
    LabelSelector made;
    const std::size_t roll = random_.below(10);  // Empty, one or two; more would match nothing.
    for (std::size_t left = roll < 3 ? 0 : roll < 8 ? 1 : 2; left > 0; --left) {
        made.requirements.push_back(requirement(for_namespaces));
    }
    std::sort(made.requirements.begin(), made.requirements.end());
    made.requirements.erase(std::unique(made.requirements.begin(), made.requirements.end()),
                            made.requirements.end());
    return made;
}

PodPeer Generator::pod_peer() {
    PodPeer made;
    if (options_.fail_closed && random_.percent(kFailClosedPercent)) return made;  // N16
    const std::size_t fields = random_.between(1, 3);
    if ((fields & 1U) != 0) made.pods = selector(false);
    if ((fields & 2U) != 0) made.namespaces = selector(true);
    return made;
}

/// Strictly inside (V12), near a landmark if one lies there.
Prefix Generator::prefix_inside(const Prefix& outer) {
    const unsigned bits = nft::address_bits(outer.family());
    const auto length = static_cast<unsigned>(random_.between(
        outer.length() + 1, random_.percent(50) ? bits : std::min(bits, outer.length() + 8)));
    std::vector<Address> inside{outer.first(), outer.last()};
    std::copy_if(landmarks_.begin(), landmarks_.end(), std::back_inserter(inside),
                 [&](const Address& address) { return outer.contains(address); });
    return *Prefix::make(random_.pick(inside), length);
}

IpBlock Generator::block() {
    const Address& base = random_.pick(landmarks_);
    const unsigned length =
        base.family() == nft::Family::ipv4 ? random_.pick(kLengthsV4) : random_.pick(kLengthsV6);
    IpBlock made{.cidr = *Prefix::make(base, length)};
    if (length == nft::address_bits(base.family())) return made;
    for (std::size_t left = random_.below(4); left > 0; --left) {
        // Nested in an earlier one now and then.
        const bool nest = !made.except.empty() && random_.percent(40) &&
                          made.except.back().length() < nft::address_bits(base.family());
        made.except.push_back(prefix_inside(nest ? made.except.back() : made.cidr));
    }
    return made;
}

Peer Generator::peer() {
    if (random_.percent(45)) return block();
    return pod_peer();
}

PortRange Generator::port_range() {
    const std::uint16_t port = random_.pick(options_.ports);
    switch (random_.below(10)) {
        case 0:
            return {};  // N38
        case 1:
        case 2: {  // A range between two ports of interest.
            const std::uint16_t other = random_.pick(options_.ports);
            return {.first = std::min(port, other), .last = std::max(port, other)};
        }
        case 3: {  // A short one, that touches or overlaps others.
            const auto last = std::min<std::size_t>(65535, port + random_.below(4));
            return {.first = port, .last = static_cast<std::uint16_t>(last)};
        }
        default:
            return {.first = port, .last = port};
    }
}

void Generator::fill(PolicyPort& made) {
    made.protocol = random_.pick(kProtocols);
    if (random_.percent(35)) {
        made.port.emplace<NamedPort>().name = random_.pick(kPortNames);
    } else {
        made.port = port_range();
    }
}

PolicyRule Generator::rule() {
    PolicyRule made{.any_peer = random_.percent(25), .any_port = random_.percent(35)};
    const auto count = [&] {
        const bool none = options_.fail_closed && random_.percent(kFailClosedPercent);
        return none ? 0 : random_.between(1, random_.percent(70) ? 2 : 4);
    };
    if (!made.any_peer) {
        for (std::size_t left = count(); left > 0; --left) made.peers.push_back(peer());
    }
    if (!made.any_port) {
        for (std::size_t left = count(); left > 0; --left) fill(made.ports.emplace_back());
    }
    return made;
}

std::vector<PolicyRule> Generator::rules() {
    std::vector<PolicyRule> made(random_.below(4));
    std::uint32_t index = 0;
    for (PolicyRule& r : made) {
        r = rule();
        r.index = index++;
    }
    return made;
}

NetworkPolicy Generator::policy(const ObjectName& name) {
    NetworkPolicy made{.name = name};
    if (random_.percent(50)) made.pods = selector(false);
    const std::size_t types = random_.below(4);  // Ingress, egress, both twice as often.
    made.ingress = types != 0;
    made.egress = types != 1;
    if (made.ingress) made.ingress_rules = rules();
    if (made.egress) made.egress_rules = rules();
    return made;
}

}  // namespace podfence::test
