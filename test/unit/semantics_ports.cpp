// Ports by number, range and name: semantics N37-N47, D3, D11.
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// Ingress of a/db from anyone through this rule.
Cluster guarded(const PolicyRule& r) {
    return cluster(ns("a"), pod("a/db", "10.0.0.1", "fd00::1").port("pg", 5432),
                   policy("a/p").ingress(r));
}
void expect_port(const Cluster& c, std::uint16_t port, std::uint8_t protocol, bool allowed) {
    expect(c, flow("8.8.8.8", "10.0.0.1", port, protocol), allowed);
    expect(c, flow("2001:db8::1", "fd00::1", port, protocol), allowed);
}

/// a/client's egress through this rule; servers on both nodes whose name http means different
/// things, one that has it only as UDP, one without.
Cluster named_world(const PolicyRule& r) {
    return cluster(
        ns("a"), ns("b"), pod("a/client", "10.0.0.1").labels("app=client").port("http", 9999),
        pod("a/s80", "10.0.0.2").labels("app=s").port("http", 80),
        pod("a/s8080", "10.0.0.3").labels("app=s").port("http", 8080).node("n2"),
        pod("b/s81", "10.0.0.4").labels("app=s").port("http", 81).node("n2"),
        pod("a/udp", "10.0.0.5").labels("app=s").port("http", 80, Protocol::udp),
        pod("a/none", "10.0.0.6").labels("app=s"), policy("a/p").pods("app=client").egress(r));
}
void expect_to(const Cluster& c, std::string_view server, std::uint16_t port, bool allowed,
               std::uint8_t protocol = kTcp) {
    expect(c, flow("10.0.0.1", server, port, protocol), allowed);
}

}  // namespace

TEST_CASE("N37: the protocol of a port item is matched", "[semantics]") {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
        const Cluster c = guarded(rule().port(80, protocol));
        for (const std::uint8_t sent : {kTcp, kUdp, kSctp}) {
            expect_port(c, 80, sent, sent == static_cast<std::uint8_t>(protocol));
            expect_port(c, 81, sent, false);
        }
    }
}

TEST_CASE("N38: a missing port is all ports of that protocol only", "[semantics]") {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
        const Cluster c = guarded(rule().all_ports(protocol));
        for (const std::uint8_t sent : {kTcp, kUdp, kSctp, kIcmp, kUdpLite, kGre}) {
            for (const std::uint16_t port : {0, 1, 80, 65535}) {
                expect_port(c, port, sent, sent == static_cast<std::uint8_t>(protocol));
            }
        }
    }
}

TEST_CASE("N39: both ends of a range are inside it", "[semantics]") {
    const Cluster c = guarded(rule().ports(8000, 8010));
    for (const auto& [port, allowed] : {std::pair<std::uint16_t, bool>{7999, false},
                                        {8000, true},
                                        {8005, true},
                                        {8010, true},
                                        {8011, false}}) {
        expect_port(c, port, kTcp, allowed);
        expect_port(c, port, kUdp, false);
    }
}

TEST_CASE("N39: a range to the last port, and one of a single port", "[semantics]") {
    const Cluster top = guarded(rule().ports(65000, 65535));
    expect_port(top, 64999, kTcp, false);
    expect_port(top, 65535, kTcp, true);
    const Cluster one = guarded(rule().ports(80, 80));
    expect_port(one, 79, kTcp, false);
    expect_port(one, 80, kTcp, true);
    expect_port(one, 81, kTcp, false);
}

TEST_CASE("N40: ports are destination ports in both directions", "[semantics]") {
    const Cluster c = cluster(pod("a/web", "10.0.0.1"), policy("a/p").egress(rule().port(443)));
    expect(c, flow("10.0.0.1", "8.8.8.8", 443), true);
    expect(c, flow("10.0.0.1", "8.8.8.8", 80), false);
}

TEST_CASE("N41: on ingress a name is looked up on the selected pod", "[semantics]") {
    const Cluster c = cluster(ns("a"), pod("a/one", "10.0.0.1").port("http", 80),
                              pod("a/two", "10.0.0.2").port("http", 8080),
                              pod("a/client", "10.0.0.3").port("http", 9999).node("n2"),
                              policy("a/p").ingress(rule().peer(pods("")).port("http")));
    expect(c, flow("10.0.0.3", "10.0.0.1", 80), true);
    expect(c, flow("10.0.0.3", "10.0.0.1", 8080), false);
    expect(c, flow("10.0.0.3", "10.0.0.2", 80), false);
    expect(c, flow("10.0.0.3", "10.0.0.2", 8080), true);
    expect(c, flow("10.0.0.3", "10.0.0.1", 9999), false);
}

TEST_CASE("N41: on egress a name is looked up on the peer pod", "[semantics]") {
    const Cluster c = named_world(rule().peer(pods("app=s")).port("http"));
    expect_to(c, "10.0.0.2", 80, true);
    expect_to(c, "10.0.0.2", 8080, false);
    expect_to(c, "10.0.0.3", 80, false);
    expect_to(c, "10.0.0.3", 8080, true);
    expect_to(c, "10.0.0.4", 81, false);    // Another namespace: no peer.
    expect_to(c, "10.0.0.2", 9999, false);  // The client's own number counts nowhere.
}

TEST_CASE("N42: name and protocol must both agree", "[semantics]") {
    const Cluster tcp = named_world(rule().peer(pods("app=s")).port("http"));
    expect_to(tcp, "10.0.0.5", 80, false);
    expect_to(tcp, "10.0.0.5", 80, false, kUdp);
    const Cluster udp = named_world(rule().peer(pods("app=s")).port("http", Protocol::udp));
    expect_to(udp, "10.0.0.5", 80, true, kUdp);
    expect_to(udp, "10.0.0.5", 80, false);
    expect_to(udp, "10.0.0.2", 80, false, kUdp);
}

TEST_CASE("N43 N44 D11: of several ports with the name the first counts", "[semantics]") {
    const Cluster c = cluster(
        pod("a/db", "10.0.0.1").port("x", 1000, Protocol::udp).port("x", 2000).port("x", 3000),
        policy("a/p").ingress(rule().port("x")));
    expect(c, flow("8.8.8.8", "10.0.0.1", 1000), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 2000), true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 3000), false);
}

TEST_CASE("N45: a destination without the named port is matched by nothing", "[semantics]") {
    const Cluster c = named_world(rule().peer(pods("app=s")).port("http"));
    for (const std::uint16_t port : {0, 80, 8080, 65535}) {
        expect_to(c, "10.0.0.6", port, false);
        expect_to(c, "8.8.8.8", port, false);
    }
    const Cluster in = cluster(pod("a/db", "10.0.0.1"), policy("a/p").ingress(rule().port("http")));
    for (const std::uint16_t port : {0, 80, 65535}) {
        expect(in, flow("8.8.8.8", "10.0.0.1", port), false);
    }
}

TEST_CASE("N45: a name on egress without peers means every pod on its own number", "[semantics]") {
    const Cluster c = named_world(rule().port("http"));
    expect_to(c, "10.0.0.2", 80, true);
    expect_to(c, "10.0.0.3", 8080, true);
    expect_to(c, "10.0.0.4", 81, true);
    expect_to(c, "10.0.0.4", 80, false);
    expect_to(c, "10.0.0.5", 80, false);
    expect_to(c, "8.8.8.8", 80, false);
    expect_to(c, "192.168.0.2", 80, false);
}

TEST_CASE("N46: a name with a block needs a pod in the block that has it", "[semantics]") {
    const Cluster c = named_world(rule().peer(block("10.0.0.0/29", {"10.0.0.3/32"})).port("http"));
    expect_to(c, "10.0.0.2", 80, true);
    expect_to(c, "10.0.0.2", 81, false);
    expect_to(c, "10.0.0.3", 8080, false);
    expect_to(c, "10.0.0.4", 81, true);
    expect_to(c, "10.0.0.6", 80, false);
    expect_to(c, "10.0.0.7", 80, false);
}

TEST_CASE("N46: on ingress a name with a block is the selected pod's number", "[semantics]") {
    const Cluster c = guarded(rule().peer(block("8.0.0.0/8")).port("pg"));
    expect(c, flow("8.8.8.8", "10.0.0.1", 5432), true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 80), false);
    expect(c, flow("9.9.9.9", "10.0.0.1", 5432), false);
}

TEST_CASE("N47: a name of digits is a name and no number", "[semantics]") {
    // Decoding refuses it, but were it to survive it must not become a number.
    const Cluster c = guarded(rule().port("80"));
    expect_port(c, 80, kTcp, false);
}

TEST_CASE("N20 N37: numbers, ranges and names of one rule add up", "[semantics]") {
    const Cluster c = guarded(
        rule().port(80).port(53, Protocol::udp).ports(8000, 8001).ports(8001, 8003).port("pg"));
    expect_port(c, 80, kTcp, true);
    expect_port(c, 80, kUdp, false);
    expect_port(c, 53, kUdp, true);
    expect_port(c, 53, kTcp, false);
    expect_port(c, 8003, kTcp, true);
    expect_port(c, 8004, kTcp, false);
    expect_port(c, 5432, kTcp, true);
}

TEST_CASE("N69 D3: rules with ports never allow other protocols", "[semantics]") {
    const Cluster c =
        guarded(rule().all_ports(Protocol::tcp).all_ports(Protocol::udp).all_ports(Protocol::sctp));
    expect_port(c, 80, kUdpLite, false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 0, kIcmp), false);
    expect(c, flow("2001:db8::1", "fd00::1", 0, kIcmpV6), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 0, kGre), false);
}

TEST_CASE("N69 D3: rules without ports allow every other protocol from their peers",
          "[semantics]") {
    const Cluster c = guarded(rule().peer(block("8.0.0.0/8")).peer(block("2001:db8::/32")));
    expect_port(c, 80, kUdpLite, true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 0, kIcmp), true);
    expect(c, flow("2001:db8::1", "fd00::1", 0, kIcmpV6), true);
    expect(c, flow("9.9.9.9", "10.0.0.1", 0, kGre), false);
}
