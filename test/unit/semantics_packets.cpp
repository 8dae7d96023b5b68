// Statements about single packets and about the ruleset itself, not about new connections: N6,
// N50, N56, N59, N71, D3, by walks through what is compiled.
#include <string>

#include <catch2/catch.hpp>

#include "controller/compile.hpp"
#include "nft/walk.hpp"
#include "test/support/builders.hpp"
#include "test/support/judge.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// a/db on n1 may do nothing at all.
Cluster closed() {
    return cluster(ns("a"), pod("a/db", "10.0.0.1", "fd00::1"), policy("a/p").ingress().egress());
}

bool passes(const Cluster& c, nft::Packet packet) {
    return walk(compile_all(c, {.node = "n1"}).table, nft::Hook::forward, packet).accepted;
}

nft::Packet packet(std::string_view source, std::string_view destination, std::uint8_t protocol,
                   std::uint8_t icmp_type = 0) {
    nft::Packet made = first_packet(flow(source, destination, 80, protocol));
    if (icmp_type != 0) made.icmp_type = icmp_type;
    return made;
}

}  // namespace

TEST_CASE("N6: replies pass an isolated direction, whatever it lists", "[semantics]") {
    const Cluster c = closed();
    for (const std::uint8_t protocol : {kTcp, kUdp, kSctp, kIcmp}) {
        for (const auto& [from, to] :
             {std::pair("10.0.0.1", "8.8.8.8"), std::pair("8.8.8.8", "10.0.0.1")}) {
            nft::Packet p = packet(from, to, protocol);
            p.ct_state = nft::ct_established;
            CHECK(passes(c, p));
            p.ct_state = nft::ct_new;
            CHECK_FALSE(passes(c, p));
        }
    }
}

TEST_CASE("D3: errors about a known connection pass", "[semantics]") {
    nft::Packet unreachable = packet("8.8.8.8", "10.0.0.1", kIcmp, 3);
    unreachable.ct_state = nft::ct_related;
    CHECK(passes(closed(), unreachable));
    unreachable.ct_state = nft::ct_new;
    CHECK_FALSE(passes(closed(), unreachable));
}

TEST_CASE("N6: packets of no known state are judged like new ones", "[semantics]") {
    nft::Packet p = packet("8.8.8.8", "10.0.0.1", kTcp);
    p.ct_state = nft::ct_invalid;
    CHECK_FALSE(passes(closed(), p));
}

TEST_CASE("N71: neighbour discovery and multicast listening always pass, echo does not",
          "[semantics]") {
    for (const std::uint8_t type : {130, 131, 132, 133, 134, 135, 136, 137, 143}) {
        INFO("ICMPv6 type " << int{type});
        CHECK(passes(closed(), packet("fd00::1", "ff02::1", kIcmpV6, type)));
        CHECK(passes(closed(), packet("2001:db8::1", "fd00::1", kIcmpV6, type)));
        // The same number means something else in IPv4.
        CHECK_FALSE(passes(closed(), packet("8.8.8.8", "10.0.0.1", kIcmp, type)));
        CHECK_FALSE(passes(closed(), packet("8.8.8.8", "10.0.0.1", kIcmpV6, type)));
    }
    for (const std::uint8_t type : {1, 2, 128, 129, 138, 144}) {
        INFO("ICMPv6 type " << int{type});
        CHECK_FALSE(passes(closed(), packet("2001:db8::1", "fd00::1", kIcmpV6, type)));
    }
}

TEST_CASE("N71: IGMP always passes", "[semantics]") {
    constexpr std::uint8_t igmp = 2;
    CHECK(passes(closed(), packet("10.0.0.1", "224.0.0.1", igmp)));
    CHECK(allowed(closed(), flow("10.0.0.1", "224.0.0.1", 0, igmp)));
    CHECK(explain(closed(), flow("10.0.0.1", "224.0.0.1", 0, igmp)).egress.exemption ==
          Exemption::link_protocol);
}

TEST_CASE("N50: the longest names fit into what nf_tables takes", "[semantics]") {
    const std::string ns_name(63, 'n');
    const std::string pod_name(253, 'p');
    Pod long_pod = pod("a/x", "10.0.0.1", "fd00::1").port("http", 80);
    long_pod.name = {ns_name, pod_name};
    Cluster c = cluster(long_pod, ns(ns_name));
    for (const char last : {'a', 'b'}) {
        NetworkPolicy p = policy("a/p")
                              .ingress(rule().peer(pods("app=web")).port(80))
                              .egress(rule().peer(block("10.0.0.0/8")).port("http"));
        p.name = {ns_name, std::string(252, 'q') + last};
        c.put(p);
    }
    const nft::Table table = compile_all(c, {.node = "n1"}).table;
    for (const auto& [name, set] : table.sets) {
        CHECK(name.size() <= nft::kNameBytesMax);
        CHECK(set.spec.comment.size() <= nft::kCommentBytesMax);
    }
    for (const auto& [name, map] : table.maps) {
        CHECK(name.size() <= nft::kNameBytesMax);
        CHECK(map.spec.comment.size() <= nft::kCommentBytesMax);
        for (const auto& entry : map.entries) {
            CHECK(entry.comment.size() <= nft::kCommentBytesMax);
        }
    }
    for (const auto& [name, chain] : table.chains) {
        CHECK(name.size() <= nft::kNameBytesMax);
        CHECK(chain.comment.size() <= nft::kCommentBytesMax);
        for (const auto& r : chain.rules) CHECK(r.comment.size() <= nft::kCommentBytesMax);
    }
}

TEST_CASE("N50: names that read the same joined are still told apart", "[semantics]") {
    const Cluster c =
        cluster(pod("a-b/x", "10.0.0.1"), pod("a/x", "10.0.0.2"),
                policy("a-b/c").ingress(rule().port(80)), policy("a/b-c").ingress(rule().port(81)));
    const RulesetJudge judge(c);
    CHECK(judge.allowed(flow("8.8.8.8", "10.0.0.1", 80)));
    CHECK_FALSE(judge.allowed(flow("8.8.8.8", "10.0.0.1", 81)));
    CHECK_FALSE(judge.allowed(flow("8.8.8.8", "10.0.0.2", 80)));
    CHECK(judge.allowed(flow("8.8.8.8", "10.0.0.2", 81)));
}

TEST_CASE("N1 N57: pods that nothing isolates, and hosts, are not in the ruleset", "[semantics]") {
    const Cluster c = cluster(pod("a/open", "10.0.0.1"), pod("b/host").host_network(),
                              policy("b/p").ingress().egress());
    const Compiled compiled = compile_all(c, {.node = "n1"});
    CHECK(compiled.isolated_pods == 0);
    for (const auto& [name, map] : compiled.table.maps) CHECK(map.entries.empty());
}
