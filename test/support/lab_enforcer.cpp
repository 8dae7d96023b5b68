#include "test/support/lab_enforcer.hpp"

#include <algorithm>

#include "test/support/judge.hpp"

namespace podfence::lab {
namespace {

template <class T>
T value_or_fail(nft::Result<T> result, const std::string& where) {
    if (!result) fail(where + ": " + to_string(result.error()));
    return std::move(*result);
}

}  // namespace

Enforcer::Enforcer(const Network& network, CompileOptions options)
    : network_(network), options_(std::move(options)) {
    for (std::size_t n = 0; n < network.node_count(); ++n) {
        const Stay stay = network.node(n).ns.enter();
        kernels_.push_back(value_or_fail(nft::NetlinkKernel::open(), network.node(n).name));
    }
}

std::vector<Compiled> Enforcer::compile(const Cluster& cluster) const {
    std::vector<Compiled> nodes;
    for (std::size_t n = 0; n < network_.node_count(); ++n) {
        CompileOptions options = options_;
        options.node = network_.node(n).name;
        nodes.push_back(compile_all(cluster, options));
    }
    return nodes;
}

std::vector<nft::Converged> Enforcer::apply_compiled(const std::vector<Compiled>& compiled) {
    std::vector<nft::Converged> done;
    for (std::size_t n = 0; n < kernels_.size(); ++n)
        done.push_back(value_or_fail(nft::converge(*kernels_[n], compiled.at(n).table),
                                     network_.node(n).name));
    return done;
}

std::vector<nft::Converged> Enforcer::apply(const Cluster& cluster) {
    return apply_compiled(compile(cluster));
}

void Enforcer::remove() {
    for (std::size_t n = 0; n < kernels_.size(); ++n)
        value_or_fail(nft::remove(*kernels_[n], options_.table), network_.node(n).name);
}

std::vector<Hop> path_of(const Network& network, const Flow& flow) {
    using Kind = Host::Kind;
    const Host* from = network.owner_of(flow.source);
    const Host* to = network.owner_of(flow.destination);
    if (from == nullptr || to == nullptr) fail("a flow that does not begin and end in the lab");
    std::vector<Hop> path;
    if (from == to) return path;  // never leaves the host
    if (from->kind == Kind::node) path.push_back({from->node, nft::Hook::output});
    const bool to_own_node = to->kind == Kind::node && to->node == from->node;
    if (from->kind == Kind::pod && !to_own_node) path.push_back({from->node, nft::Hook::forward});
    // The node of the destination, unless the packet is there already.
    const bool same_node = from->kind != Kind::outside && from->node == to->node;
    if (to->kind == Kind::pod && !same_node) path.push_back({to->node, nft::Hook::forward});
    if (to->kind == Kind::node) path.push_back({to->node, nft::Hook::input});
    return path;
}

bool walk_allows(const Network& network, const std::vector<Compiled>& nodes, const Flow& flow) {
    nft::Packet packet = test::first_packet(flow);
    const auto path = path_of(network, flow);
    return std::all_of(path.begin(), path.end(), [&](const Hop& hop) {
        packet.source_local = hop.hook == nft::Hook::output;
        return nft::walk(nodes.at(hop.node).table, hop.hook, packet).accepted;
    });
}

void place(Pod& pod, const Network& network, const Host& host) {
    pod.node = network.node(host.node).name;
    pod.addresses = host.addresses;
    pod.node_addresses = network.node(host.node).addresses;
}

std::string describe(const Network& network, const Flow& flow) {
    const auto end = [&](const Address& address) {
        const Host* host = network.owner_of(address);
        return (host == nullptr ? std::string("?") : host->name) + " (" + to_string(address) + ")";
    };
    return end(flow.source) + " -> " + end(flow.destination) + " " + std::to_string(flow.port) +
           "/" + std::to_string(flow.protocol);
}

}  // namespace podfence::lab
