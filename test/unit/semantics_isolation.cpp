// What isolates a pod, how policies add up, what empty and missing mean: semantics N1-N18.
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// shop/web on n1, shop/db on n2, other/web on n2, each with both families.
template <class... More>
Cluster shop(const More&... more) {
    return cluster(ns("shop", "team=a"), ns("other", "team=b"),
                   pod("shop/web", "10.0.0.1", "fd00::1").labels("app=web"),
                   pod("shop/db", "10.0.0.2", "fd00::2").labels("app=db").node("n2"),
                   pod("other/web", "10.0.0.3", "fd00::3").labels("app=web").node("n2"), more...);
}

const Flow kWebToDb = flow("10.0.0.1", "10.0.0.2");
const Flow kDbToWeb = flow("10.0.0.2", "10.0.0.1");
const Flow kOtherToDb = flow("10.0.0.3", "10.0.0.2");

}  // namespace

TEST_CASE("N1: without an applying policy both directions are open", "[semantics]") {
    const Cluster c = shop();
    expect(c, kWebToDb, true);
    expect(c, flow("fd00::1", "fd00::2", 1, kUdp), true);
    expect(c, flow("8.8.8.8", "10.0.0.2", 0, kIcmp), true);
}

TEST_CASE("N1: ingress and egress isolation are independent", "[semantics]") {
    const Cluster in = shop(policy("shop/p").pods("app=db").ingress());
    expect(in, kWebToDb, false);
    expect(in, kDbToWeb, true);
    const Cluster out = shop(policy("shop/p").pods("app=db").egress());
    expect(out, kWebToDb, true);
    expect(out, kDbToWeb, false);
}

TEST_CASE("N2: only policies of the pod's own namespace isolate it", "[semantics]") {
    const Cluster c = shop(policy("other/p").ingress().egress());
    expect(c, kWebToDb, true);
    expect(c, flow("10.0.0.1", "10.0.0.3"), false);
    expect(c, kOtherToDb, false);
}

TEST_CASE("N2: only pods the selector chooses are isolated", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("app=db").ingress());
    expect(c, kWebToDb, false);
    expect(c, flow("10.0.0.3", "10.0.0.1"), true);
}

TEST_CASE("N3: an isolated pod's own node is always let in, other nodes are not", "[semantics]") {
    const Cluster c = shop(policy("shop/p").ingress());
    expect(c, flow("192.168.0.1", "10.0.0.1"), true);
    expect(c, flow("fd01::1", "fd00::1"), true);
    expect(c, flow("192.168.0.2", "10.0.0.1"), false);
    expect(c, flow("fd01::2", "fd00::1"), false);
}

TEST_CASE("N3: isolated directions allow exactly what some policy lists", "[semantics]") {
    const Cluster in =
        shop(policy("shop/p").pods("app=db").ingress(rule().peer(pods("app=web")).port(80)));
    expect(in, kWebToDb, true);
    expect(in, flow("10.0.0.1", "10.0.0.2", 81), false);
    expect(in, kOtherToDb, false);
    const Cluster out =
        shop(policy("shop/p").pods("app=web").egress(rule().peer(pods("app=db")).port(80)));
    expect(out, kWebToDb, true);
    expect(out, flow("10.0.0.1", "10.0.0.2", 81), false);
    expect(out, flow("10.0.0.1", "10.0.0.3"), false);
}

TEST_CASE("N4: policies only add up, in no order, and none denies", "[semantics]") {
    const auto deny = policy("shop/m-deny").ingress();
    const auto web = policy("shop/a-web").pods("app=db").ingress(rule().peer(pods("app=web")));
    const auto other =
        policy("shop/z-other").pods("app=db").ingress(rule().peer(namespaces("team=b")).port(81));
    for (const Cluster& c : {shop(deny, web, other), shop(other, web, deny)}) {
        expect(c, kWebToDb, true);
        expect(c, kOtherToDb, false);
        expect(c, flow("10.0.0.3", "10.0.0.2", 81), true);
        expect(c, flow("8.8.8.8", "10.0.0.2"), false);
    }
}

TEST_CASE("N5: a pod-to-pod connection needs egress and ingress to allow it", "[semantics]") {
    const auto out = policy("shop/out").pods("app=web").egress(rule().peer(pods("app=db")));
    const auto in_closed = policy("shop/in").pods("app=db").ingress();
    const auto in_open = policy("shop/in").pods("app=db").ingress(rule().peer(pods("app=web")));
    expect(shop(out, in_open), kWebToDb, true);
    expect(shop(out, in_closed), kWebToDb, false);
    expect(shop(policy("shop/out").pods("app=web").egress(), in_open), kWebToDb, false);
}

TEST_CASE("N7: connections without a pod at either end are never touched", "[semantics]") {
    const Cluster c = shop(policy("shop/p").ingress().egress(), policy("other/p").ingress());
    expect(c, flow("192.168.0.1", "8.8.8.8"), true);
    expect(c, flow("8.8.8.8", "192.168.0.1"), true);
    expect(c, flow("192.168.0.1", "192.168.0.2"), true);
    expect(c, flow("8.8.8.8", "9.9.9.9"), true);
    expect(c, flow("2001:db8::1", "fd01::1", 0, kIcmpV6), true);
}

TEST_CASE("N9 N10: rules and empty lists of an unlisted direction do nothing", "[semantics]") {
    // Decoding drops the rules; what is left isolates egress only.
    const Cluster c = shop(policy("shop/p").pods("app=db").egress(rule()));
    expect(c, kWebToDb, true);
    expect(c, kDbToWeb, true);
}

TEST_CASE("N8 N11: types are two flags, so a policy isolates one direction, or both",
          "[semantics]") {
    const Cluster both = shop(policy("shop/p").pods("app=db").ingress().egress(rule()));
    expect(both, kWebToDb, false);
    expect(both, kDbToWeb, true);
    const Cluster neither = shop(policy("shop/p").pods("app=db"));
    expect(neither, kWebToDb, true);
    expect(neither, kDbToWeb, true);
}

TEST_CASE("N12: an empty podSelector chooses all pods of the namespace", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("").ingress());
    expect(c, kWebToDb, false);
    expect(c, kDbToWeb, false);
    expect(c, flow("10.0.0.1", "10.0.0.3"), true);
}

TEST_CASE("N13: a listed type without rules isolates and allows nothing", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("app=db").ingress().egress());
    for (const std::uint8_t protocol : {kTcp, kUdp, kSctp, kIcmp, kGre}) {
        expect(c, flow("10.0.0.1", "10.0.0.2", 80, protocol), false);
        expect(c, flow("10.0.0.2", "8.8.8.8", 80, protocol), false);
    }
    expect(c, flow("fd00::1", "fd00::2"), false);
}

TEST_CASE("N14: one empty rule allows all peers, ports and protocols", "[semantics]") {
    const Cluster c = shop(policy("shop/p").ingress(rule()).egress(rule()));
    for (const std::uint8_t protocol : {kTcp, kUdp, kSctp, kIcmp, kGre, kUdpLite}) {
        expect(c, flow("8.8.8.8", "10.0.0.2", 80, protocol), true);
        expect(c, flow("10.0.0.2", "255.255.255.255", 65535, protocol), true);
    }
    expect(c, flow("fd00::1", "fd00::2", 0, kIcmpV6), true);
    expect(c, flow("192.168.0.2", "10.0.0.1"), true);
}

TEST_CASE("N15: a missing peer list is anyone, nodes and outside included", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("app=db").ingress(rule().port(80)));
    expect(c, kWebToDb, true);
    expect(c, kOtherToDb, true);
    expect(c, flow("8.8.8.8", "10.0.0.2"), true);
    expect(c, flow("192.168.0.1", "10.0.0.2"), true);
    expect(c, flow("2001:db8::1", "fd00::2"), true);
    expect(c, flow("10.0.0.1", "10.0.0.2", 81), false);
}

TEST_CASE("N15: a missing port list is any port of any protocol", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("app=db").ingress(rule().peer(pods("app=web"))));
    for (const std::uint8_t protocol : {kTcp, kUdp, kSctp, kIcmp, kGre, kUdpLite}) {
        expect(c, flow("10.0.0.1", "10.0.0.2", 7, protocol), true);
        expect(c, flow("10.0.0.3", "10.0.0.2", 7, protocol), false);
    }
}

TEST_CASE("N16: a peer without any field matches nothing", "[semantics]") {
    const Cluster c =
        shop(policy("shop/p").ingress(rule().peer(PodPeer{})).egress(rule().peer(PodPeer{})));
    expect(c, kWebToDb, false);
    expect(c, flow("8.8.8.8", "10.0.0.2"), false);
    expect(c, flow("10.0.0.2", "8.8.8.8"), false);
}

TEST_CASE("N16 D12: a list of which nothing was understood matches nothing", "[semantics]") {
    const Cluster peers = shop(policy("shop/p").pods("app=db").ingress(rule().no_peer()));
    expect(peers, kWebToDb, false);
    expect(peers, flow("10.0.0.1", "10.0.0.2", 0, kIcmp), false);
    const Cluster ports = shop(policy("shop/p").pods("app=db").ingress(rule().no_port()));
    expect(ports, kWebToDb, false);
    expect(ports, flow("10.0.0.1", "10.0.0.2", 0, kIcmp), false);
}

TEST_CASE("N17: an empty podSelector alone is all pods of the policy's namespace", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("app=db").ingress(rule().peer(pods(""))));
    expect(c, kWebToDb, true);
    expect(c, kOtherToDb, false);
    expect(c, flow("8.8.8.8", "10.0.0.2"), false);
    expect(c, flow("192.168.0.1", "10.0.0.2"), false);
}

TEST_CASE("N17: an empty namespaceSelector is all pods of all namespaces", "[semantics]") {
    for (const Peer& peer : {namespaces(""), pods_in("", "")}) {
        const Cluster c = shop(policy("shop/p").pods("app=db").ingress(rule().peer(peer)));
        expect(c, kWebToDb, true);
        expect(c, kOtherToDb, true);
        expect(c, flow("8.8.8.8", "10.0.0.2"), false);
        expect(c, flow("192.168.0.1", "10.0.0.2"), false);
    }
}

TEST_CASE("N17: a podSelector alone stays in the policy's namespace", "[semantics]") {
    const Cluster c = shop(policy("shop/p").pods("app=db").ingress(rule().peer(pods("app=web"))));
    expect(c, kWebToDb, true);
    expect(c, kOtherToDb, false);
}

TEST_CASE("N18: a namespaceSelector without podSelector is every pod there", "[semantics]") {
    const Cluster c =
        shop(policy("shop/p").pods("app=db").ingress(rule().peer(namespaces("team=b"))));
    expect(c, kWebToDb, false);
    expect(c, kOtherToDb, true);
}
