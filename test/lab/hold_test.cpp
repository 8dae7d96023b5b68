// --unknown-pods=hold by real packets, over a bridge and over routes: what nobody knows to be a
// pod's reaches its own node and nobody else; nothing else is held.
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_rig.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kPort = 80;

/// The first pod of each node; nodes take turns.
constexpr std::size_t kUnknown = 2;

std::vector<Prefix> both_ranges() {
    return {test::cidr("10.244.0.0/16"), test::cidr("fd00:10:244::/48")};
}

/// Of one node, as the cluster gives them to nodes.
std::vector<Prefix> own_ranges(std::size_t node) {
    const std::string number = std::to_string(node + 1);
    return {test::cidr("10.244." + number + ".0/24"),
            test::cidr("fd00:10:244:" + number + "::/64")};
}

/// The lab's pods from this one on.
Cluster pods_from(const Rig& rig, std::size_t first) {
    Cluster cluster;
    const auto pods = rig.generator_options().fixed_pods;
    for (std::size_t i = first; i < pods.size(); ++i) cluster.put(pods[i]);
    for (const char* ns : {"a", "b", "c"}) cluster.put(test::ns(ns));
    return cluster;
}

std::vector<Flow> all_flows(const Rig& rig) {
    std::vector<Flow> flows;
    const auto ends = rig.ends();
    for (const Address& from : ends) {
        for (const Address& to : ends) {
            if (from.family() != to.family() || rig.lab.owner_of(from) == rig.lab.owner_of(to))
                continue;
            for (const std::uint8_t protocol : {6, 17})
                flows.push_back({from, to, protocol, kPort});
        }
    }
    return flows;
}

/// From how the lab is wired, and not from what anybody makes of it.
bool must_reach(const Rig& rig, const Flow& flow, std::size_t first_known) {
    const Host* from = rig.lab.owner_of(flow.source);
    const Host* to = rig.lab.owner_of(flow.destination);
    const auto is_unknown = [&](const Host* host) {
        for (std::size_t i = 0; i < first_known; ++i) {
            if (host == &rig.lab.pod(i)) return true;
        }
        return false;
    };
    if (!is_unknown(from) && !is_unknown(to)) return true;
    const Host* other = is_unknown(from) ? to : from;
    return other->kind == Host::Kind::node && from->node == to->node;
}

void check(Rig& rig, std::size_t first_known) {
    rig.witness.forget_connections();
    const auto flows = all_flows(rig);
    const auto outcomes = rig.prober.run(flows);
    std::size_t reachable = 0;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const bool expected = must_reach(rig, flows[i], first_known);
        reachable += expected ? 1 : 0;
        INFO(describe(rig.lab, flows[i]));
        CHECK(reached(outcomes[i]) == expected);
    }
    CHECK(reachable > flows.size() / 4);
}

void enforce(const Rig& rig, const Cluster& cluster, bool own) {
    for (std::size_t n = 0; n < rig.lab.node_count(); ++n) {
        const Host& node = rig.lab.node(n);
        const Stay stay = node.ns.enter();
        const auto kernel = nft::NetlinkKernel::open().value();
        const auto table =
            compile_all(cluster,
                        {.node = node.name, .held_ranges = own ? own_ranges(n) : both_ranges()})
                .table;
        nft::converge(*kernel, table).value();
    }
}

}  // namespace

TEST_CASE("Lab: pods that are not known are held, and nothing else, until they are") {
    Rig rig(two_nodes(Wiring::bridge, Wiring::ptp, 3), {kPort});
    for (const bool own : {true, false}) {
        INFO((own ? "each node's own ranges" : "one range of all nodes"));
        enforce(rig, pods_from(rig, kUnknown), own);
        check(rig, kUnknown);
        enforce(rig, pods_from(rig, 0), own);
        check(rig, 0);
    }
}

}  // namespace podfence::lab
