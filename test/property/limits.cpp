// Clusters that outgrow what the ruleset declares or partitions by default: the way it is written
// changes, what it means must not.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/generator.hpp"
#include "test/support/judge.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

void check_flows(const Cluster& cluster, std::vector<Address> ends, std::size_t count,
                 std::size_t& allowed_count) {
    const RulesetJudge judge(cluster);
    Random random(1);
    const FlowGenerator flows(cluster, {}, ends, ends);
    for (std::size_t i = 0; i < count; ++i) {
        const Flow flow = flows.next(random);
        const bool verdict = allowed(cluster, flow);
        allowed_count += verdict ? 1 : 0;
        if (judge.allowed(flow) == verdict) continue;
        INFO(to_string(flow) << "\noracle: " << (verdict ? "allow" : "deny") << "\n"
                             << judge.trace(flow));
        FAIL("the oracle and the compiled ruleset disagree");
    }
}

}  // namespace

// Every pair of nested ranges overlaps: cut into pieces they would be a square number of entries,
// so beyond a limit ports are matched rule by rule instead.
TEST_CASE("A nest of hundreds of port ranges means what it says", "[property]") {
    for (const std::uint16_t depth : {40, 400}) {
        PolicyBuilder p = policy("a/p").pods("app=db").ingress();
        for (std::uint16_t i = 0; i < depth; ++i) {
            std::string block_text = "9.0.";
            block_text += std::to_string(i / 200);
            block_text += '.';
            block_text += std::to_string(i % 200);
            block_text += "/32";
            p.ingress(rule()
                          .peer(block(block_text))
                          .ports(static_cast<std::uint16_t>(100 + i),
                                 static_cast<std::uint16_t>(60000 - i)));
        }
        p.ingress(rule().peer(pods("app=web")));
        p.ingress(rule().peer(block("9.1.0.0/16")).port("pg").port(53, Protocol::udp));
        const Cluster c =
            cluster(ns("a"), pod("a/db", "10.0.0.1").labels("app=db").port("pg", 70),
                    pod("a/web", "10.0.0.2").labels("app=web").node("n2"), NetworkPolicy(p));
        std::size_t allowed_count = 0;
        check_flows(c,
                    {ip("10.0.0.1"), ip("10.0.0.2"), ip("9.0.0.0"), ip("9.0.0.39"), ip("9.0.1.199"),
                     ip("9.1.2.3"), ip("8.8.8.8")},
                    3000, allowed_count);
        CHECK(allowed_count > 300);
        CHECK(allowed_count < 2900);
        // Else the way around the limit has not been taken.
        const nft::Table table = compile_all(c, {.node = "n1"}).table;
        const bool partitioned =
            std::any_of(table.maps.begin(), table.maps.end(),
                        [](const auto& map) { return map.second.spec.interval; });
        CHECK(partitioned == (depth == 40));
    }
}

TEST_CASE("Thousands of pods, local and as peers, mean what they say", "[property]") {
    constexpr unsigned pods_count = 3000;
    Cluster c = cluster(ns("a"), ns("b", "team=b"));
    std::vector<Address> ends{ip("8.8.8.8"), ip("192.168.0.1")};
    for (unsigned i = 0; i < pods_count; ++i) {
        const Address address = Address::v4(0x0a000000U + 16 + i);
        if (i % 100 == 0) ends.push_back(address);
        std::string pod_name = i % 2 == 0 ? "a/p" : "b/p";
        pod_name += std::to_string(i);
        std::string app = "app=";
        app += std::to_string(i % 5);
        Pod made = pod(pod_name)
                       .labels(app)
                       .node(i % 3 == 0 ? "n1" : "n2")
                       .port("http", static_cast<std::uint16_t>(80 + i % 2));
        made.addresses = {address};
        c.put(made);
    }
    c.put(NetworkPolicy(policy("a/in").ingress(rule().peer(namespaces("team=b")).port("http"))));
    c.put(NetworkPolicy(policy("b/out").pods("app in (1,2,3)").egress(rule().port("http"))));
    c.put(NetworkPolicy(
        policy("b/in").ingress(rule().peer(pods_in("", "app=0")).peer(pods("app=1")))));
    std::size_t allowed_count = 0;
    check_flows(c, ends, 4000, allowed_count);
    CHECK(allowed_count > 200);
    CHECK(allowed_count < 3800);
}
