// What goes into the kernel first when somebody has deleted the table: it may deny too much for a
// moment, but never allow what the whole table denies, nor concern itself with pods that no policy
// isolates.
#include <span>

#include <catch2/catch.hpp>

#include "controller/desired.hpp"
#include "nft/walk.hpp"
#include "test/support/generator.hpp"
#include "test/support/judge.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

constexpr std::uint64_t kSeeds = 400;
constexpr std::size_t kFlows = 100;

bool passes(const nft::Table& table, const Flow& flow) {
    return nft::walk(table, nft::Hook::forward, first_packet(flow)).accepted;
}

bool is_isolated(const nft::Table& table, const Address& address) {
    const nft::Key key(std::span(address.bytes()).first(address.size()));
    for (const auto& [name, map] : table.maps) {
        if (!name.starts_with("ingress-v") && !name.starts_with("egress-v")) continue;
        for (const auto& entry : map.entries) {
            if (entry.key.first == key) return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("the closed table allows nothing that the whole one denies, and is for isolated pods") {
    std::size_t closed_more = 0;
    std::size_t untouched = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        Generator generator(seed);
        const Cluster cluster = generator.cluster();
        Desired desired({.node = "n1"});
        for (const auto& [name, ns] : cluster.namespaces()) desired.put(ns);
        for (const auto& [name, pod] : cluster.pods()) desired.put(pod);
        for (const auto& [name, policy] : cluster.policies()) desired.put(policy);
        const nft::Table whole = desired.table();
        const nft::Table closed = desired.closed_table();
        const FlowGenerator flows(cluster, generator.options());
        for (std::size_t i = 0; i < kFlows; ++i) {
            const Flow flow = flows.next(generator.random());
            INFO("seed " << seed << ": " << to_string(flow));
            const bool is_closed = !passes(closed, flow);
            const bool is_denied = !passes(whole, flow);
            if (is_denied) REQUIRE(is_closed);
            if (is_isolated(whole, flow.source) || is_isolated(whole, flow.destination)) {
                if (is_closed && !is_denied) ++closed_more;
            } else {
                REQUIRE_FALSE(is_closed);
                ++untouched;
            }
        }
    }
    CHECK(closed_more > kSeeds);
    CHECK(untouched > kSeeds);
}
