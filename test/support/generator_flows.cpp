// Random flows near the values that decide.
#include <algorithm>
#include <array>

#include "test/support/generator.hpp"

namespace podfence::test {

namespace {

/// Mostly those with ports. Beside ICMP and ICMPv6: IGMP, IPIP, GRE, AH; DCCP and UDP-Lite have
/// ports in the same place, yet no policy can name them (D3).
constexpr std::array<std::uint8_t, 8> kOtherProtocols{1, 2, 4, 33, 47, 51, 58, 136};

template <class Value>
void sort_unique(std::vector<Value>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

void add_around(std::vector<Address>& addresses, const Prefix& prefix) {
    for (const Address& edge : {prefix.first(), prefix.last()}) {
        addresses.push_back(edge);
        if (const auto next = edge.next()) addresses.push_back(*next);
        if (const auto previous = edge.previous()) addresses.push_back(*previous);
    }
}

/// The port itself more often than its neighbours: duplicates weigh.
void add_around(std::vector<std::uint16_t>& ports, std::uint16_t port) {
    ports.insert(ports.end(), 4, port);
    if (port > 0) ports.push_back(static_cast<std::uint16_t>(port - 1));
    if (port < 65535) ports.push_back(static_cast<std::uint16_t>(port + 1));
}

template <class Visit>
void for_each_rule(const Cluster& cluster, Visit visit) {
    for (const auto& [name, policy] : cluster.policies()) {
        for (const auto& rule : policy.ingress_rules) visit(rule);
        for (const auto& rule : policy.egress_rules) visit(rule);
    }
}

std::vector<Address> interesting_addresses(const Cluster& cluster,
                                           const GeneratorOptions& options) {
    std::vector<Address> found = options.outside;
    for (const auto& [name, pod] : cluster.pods()) {
        found.insert(found.end(), pod.addresses.begin(), pod.addresses.end());
        found.insert(found.end(), pod.node_addresses.begin(), pod.node_addresses.end());
    }
    for_each_rule(cluster, [&](const PolicyRule& rule) {
        for (const auto& peer : rule.peers) {
            const auto* block = std::get_if<IpBlock>(&peer);
            if (block == nullptr) continue;
            add_around(found, block->cidr);
            for (const auto& except : block->except) add_around(found, except);
        }
    });
    sort_unique(found);
    return found;
}

std::vector<std::uint16_t> interesting_ports(const Cluster& cluster,
                                             const GeneratorOptions& options) {
    std::vector<std::uint16_t> found{0, 65535};
    for (const auto port : options.ports) add_around(found, port);
    for (const auto& [name, pod] : cluster.pods()) {
        for (const auto& port : pod.ports) add_around(found, port.number);
    }
    for_each_rule(cluster, [&](const PolicyRule& rule) {
        for (const auto& port : rule.ports) {
            if (const auto* range = std::get_if<PortRange>(&port.port)) {
                add_around(found, range->first);
                add_around(found, range->last);
            }
        }
    });
    return found;
}

}  // namespace

FlowGenerator::FlowGenerator(const Cluster& cluster, const GeneratorOptions& options)
    : ports_(interesting_ports(cluster, options)) {
    const auto ends = interesting_addresses(cluster, options);
    add_ends(ends, ends);
    for (const auto& [name, pod] : cluster.pods()) {
        pods_.insert(pods_.end(), pod.addresses.begin(), pod.addresses.end());
    }
}

FlowGenerator::FlowGenerator(const Cluster& cluster, const GeneratorOptions& options,
                             std::vector<Address> sources, std::vector<Address> destinations)
    : ports_(interesting_ports(cluster, options)) {
    add_ends(sources, destinations);
}

void FlowGenerator::add_ends(const std::vector<Address>& sources,
                             const std::vector<Address>& destinations) {
    const auto ends_of = [&](const Address& address) -> Ends& {
        return address.family() == nft::Family::ipv4 ? v4_ : v6_;
    };
    for (const auto& address : sources) ends_of(address).sources.push_back(address);
    for (const auto& address : destinations) ends_of(address).destinations.push_back(address);
}

Flow FlowGenerator::next(Random& random) const {
    const bool has_v4 = !v4_.sources.empty() && !v4_.destinations.empty();
    const bool has_v6 = !v6_.sources.empty() && !v6_.destinations.empty();
    PODFENCE_CHECK(has_v4 || has_v6);
    const Ends& ends = has_v4 && (!has_v6 || random.percent(60)) ? v4_ : v6_;
    Flow flow{.source = random.pick(ends.sources), .destination = random.pick(ends.destinations)};
    for (Address* end : {&flow.source, &flow.destination}) {
        if (pods_.empty() || !random.percent(75)) continue;
        const Address& pod = random.pick(pods_);
        if (pod.family() == end->family()) *end = pod;
    }
    constexpr std::array<std::uint8_t, 3> with_ports{6, 17, 132};
    flow.protocol = random.percent(60)   ? with_ports[0]
                    : random.percent(70) ? random.pick(with_ports)
                                         : random.pick(kOtherProtocols);
    flow.port =
        random.percent(95) ? random.pick(ports_) : static_cast<std::uint16_t>(random.below(65536));
    return flow;
}

}  // namespace podfence::test
