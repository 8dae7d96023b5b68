// Corner cases others got wrong, by their number in section 3 of the semantics.
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

Cluster db_guarded_by(std::initializer_list<NetworkPolicy> policies) {
    Cluster c = cluster(ns("a"), pod("a/db", "10.0.0.1", "fd00::1").labels("app=db"),
                        pod("a/web", "10.0.0.2", "fd00::2").labels("app=web").node("n2"));
    for (const auto& p : policies) c.put(p);
    return c;
}

}  // namespace

TEST_CASE("Corner 1: types Egress with an empty ingress list leaves ingress open", "[semantics]") {
    const Cluster c = db_guarded_by({policy("a/p").egress(rule())});
    expect(c, flow("8.8.8.8", "10.0.0.1"), true);
    expect(c, flow("10.0.0.1", "8.8.8.8"), true);
}

TEST_CASE("Corner 3: types Ingress with an egress list leaves egress open", "[semantics]") {
    const Cluster c = db_guarded_by({policy("a/p").ingress()});
    expect(c, flow("10.0.0.1", "8.8.8.8"), true);
    expect(c, flow("8.8.8.8", "10.0.0.1"), false);
}

TEST_CASE("Corner 5: an item without port is all ports of its protocol", "[semantics]") {
    const Cluster c = db_guarded_by(
        {policy("a/p").pods("app=db").ingress(rule().peer(pods("app=web")).all_ports())});
    expect(c, flow("10.0.0.2", "10.0.0.1", 1), true);
    expect(c, flow("10.0.0.2", "10.0.0.1", 65535), true);
    for (const std::uint8_t protocol : {kUdp, kSctp, kIcmp}) {
        expect(c, flow("10.0.0.2", "10.0.0.1", 80, protocol), false);
    }
}

TEST_CASE("Corner 7: ranges of several policies unite, and part again", "[semantics]") {
    Cluster c = db_guarded_by({policy("a/one").pods("app=db").ingress(rule().ports(80, 90)),
                               policy("a/two").pods("app=db").ingress(rule().ports(200, 300)),
                               policy("a/three").pods("app=db").ingress(rule().ports(85, 210))});
    for (const std::uint16_t port : {80, 90, 91, 199, 200, 210, 211, 300}) {
        expect(c, flow("8.8.8.8", "10.0.0.1", port), true);
    }
    expect(c, flow("8.8.8.8", "10.0.0.1", 79), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 301), false);
    c.remove_policy(name("a/three"));
    expect(c, flow("8.8.8.8", "10.0.0.1", 90), true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 91), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 199), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 200), true);
}

TEST_CASE("Corner 9: endPort equal to port is that one port", "[semantics]") {
    const Cluster c = db_guarded_by({policy("a/p").pods("app=db").ingress(rule().ports(80, 80))});
    expect(c, flow("8.8.8.8", "10.0.0.1", 80), true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 81), false);
}

TEST_CASE("Corner 11: a rule of SCTP alone still isolates TCP and UDP", "[semantics]") {
    const Cluster c =
        db_guarded_by({policy("a/p").pods("app=db").ingress(rule().port(80, Protocol::sctp))});
    expect(c, flow("8.8.8.8", "10.0.0.1", 80, kSctp), true);
    for (const std::uint8_t protocol : {kTcp, kUdp, kIcmp}) {
        expect(c, flow("8.8.8.8", "10.0.0.1", 80, protocol), false);
    }
}

TEST_CASE("Corner 13: what one policy excepts another may allow", "[semantics]") {
    const auto most =
        policy("a/most").pods("app=db").ingress(rule().peer(block("10.0.0.0/8", {"10.1.0.0/16"})));
    const auto some = policy("a/some").pods("app=db").ingress(rule().peer(block("10.1.2.0/24")));
    expect(db_guarded_by({most}), flow("10.1.2.3", "10.0.0.1"), false);
    const Cluster both = db_guarded_by({most, some});
    expect(both, flow("10.1.2.3", "10.0.0.1"), true);
    expect(both, flow("10.1.3.3", "10.0.0.1"), false);
}

TEST_CASE("Corner 15: a block of all IPv4 drops IPv6 entirely, and the reverse", "[semantics]") {
    const Cluster v4 =
        db_guarded_by({policy("a/p").pods("app=db").ingress(rule().peer(block("0.0.0.0/0")))});
    expect(v4, flow("10.0.0.2", "10.0.0.1"), true);
    expect(v4, flow("fd00::2", "fd00::1"), false);
    const Cluster v6 =
        db_guarded_by({policy("a/p").pods("app=db").ingress(rule().peer(block("::/0")))});
    expect(v6, flow("10.0.0.2", "10.0.0.1"), false);
    expect(v6, flow("fd00::2", "fd00::1"), true);
}

TEST_CASE("Corner 17: repeated, nested and touching blocks unite per rule", "[semantics]") {
    const Cluster c = db_guarded_by(
        {policy("a/p").pods("app=db").ingress(rule()
                                                  .peer(block("0.0.0.0/4"))
                                                  .peer(block("8.0.0.0/8"))
                                                  .peer(block("8.0.0.0/8"))
                                                  .peer(block("16.0.0.0/8"))),
         policy("a/q").pods("app=db").ingress(rule().peer(block("17.0.0.0/8")).port(80))});
    expect(c, flow("0.0.0.0", "10.0.0.1"), true);
    expect(c, flow("8.8.8.8", "10.0.0.1"), true);
    expect(c, flow("16.255.255.255", "10.0.0.1", 81), true);
    expect(c, flow("17.0.0.0", "10.0.0.1", 80), true);
    expect(c, flow("17.0.0.0", "10.0.0.1", 81), false);
    expect(c, flow("18.0.0.0", "10.0.0.1"), false);
}

TEST_CASE("Corner 21: addresses are compared as bytes, not as text", "[semantics]") {
    Cluster c = db_guarded_by(
        {policy("a/p").pods("app=db").ingress(rule().peer(block("2001:DB8:0:0::/64")))});
    expect(c, flow("2001:db8::1", "fd00::1"), true);
    expect(c, flow("2001:0db8:0000:0000:ffff::", "fd00:0:0::1"), true);
    expect(c, flow("2001:db8:0:1::", "fd00::1"), false);
}

TEST_CASE("Corner 23: an empty value is not the same as no label", "[semantics]") {
    const Cluster c = cluster(pod("a/db", "10.0.0.1").labels("app=db"),
                              pod("a/with", "10.0.0.2").labels("k="), pod("a/without", "10.0.0.3"),
                              policy("a/p").pods("app=db").ingress(rule().peer(pods("k="))));
    expect(c, flow("10.0.0.2", "10.0.0.1"), true);
    expect(c, flow("10.0.0.3", "10.0.0.1"), false);
}

TEST_CASE("Corner 25: a peer that chooses no pod matches nothing until one appears",
          "[semantics]") {
    for (const Peer& peer : {pods("app=new"), namespaces("team=new")}) {
        Cluster c = db_guarded_by({policy("a/p").pods("app=db").ingress(rule().peer(peer)),
                                   policy("a/q").pods("app=web").egress(rule().peer(peer))});
        expect(c, flow("10.0.0.2", "10.0.0.1"), false);
        expect(c, flow("8.8.8.8", "10.0.0.1"), false);
        expect(c, flow("10.0.0.2", "8.8.8.8"), false);
        c.put(ns("a", "team=new"));
        c.put(pod("a/new", "10.0.0.3").labels("app=new").node("n2"));
        expect(c, flow("10.0.0.3", "10.0.0.1"), true);
        expect(c, flow("10.0.0.2", "10.0.0.3"), true);
    }
}

TEST_CASE("Corner 27: each selected pod has only its own number for a name", "[semantics]") {
    const Cluster c = cluster(pod("a/one", "10.0.0.1").port("http", 80),
                              pod("a/two", "10.0.0.2").port("http", 8080),
                              policy("a/p").ingress(rule().port("http")));
    expect(c, flow("8.8.8.8", "10.0.0.1", 80), true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 8080), false);
    expect(c, flow("8.8.8.8", "10.0.0.2", 80), false);
    expect(c, flow("8.8.8.8", "10.0.0.2", 8080), true);
}

TEST_CASE("Corner 29: a name on egress without peers reaches pods, never the outside",
          "[semantics]") {
    const Cluster c =
        cluster(ns("a"), ns("b"), pod("a/web", "10.0.0.1").labels("app=web"),
                pod("b/dns", "10.0.0.2").port("dns", 53, Protocol::udp).node("n2"),
                policy("a/p").pods("app=web").egress(rule().port("dns", Protocol::udp)));
    expect(c, flow("10.0.0.1", "10.0.0.2", 53, kUdp), true);
    expect(c, flow("10.0.0.1", "10.0.0.2", 54, kUdp), false);
    expect(c, flow("10.0.0.1", "8.8.8.8", 53, kUdp), false);
}

TEST_CASE("Corner 31: a TCP item and a UDP port of the same name do not meet", "[semantics]") {
    const Cluster c = cluster(pod("a/dns", "10.0.0.1").port("dns", 53, Protocol::udp),
                              policy("a/p").ingress(rule().port("dns")));
    expect(c, flow("8.8.8.8", "10.0.0.1", 53, kTcp), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 53, kUdp), false);
}

TEST_CASE("Corner 33: a terminating pod stays isolated until it is gone", "[semantics]") {
    Cluster c = db_guarded_by({policy("a/p").pods("app=db").ingress()});
    c.put(pod("a/db", "10.0.0.1").labels("app=db").deleting());
    expect(c, flow("8.8.8.8", "10.0.0.1"), false);
    c.put(pod("a/db", "10.0.0.1").labels("app=db").deleting().phase(PodPhase::succeeded));
    expect(c, flow("8.8.8.8", "10.0.0.1"), true);
}

TEST_CASE("Corner 35: a selector never adds a node's address", "[semantics]") {
    const Cluster c = cluster(pod("a/db", "10.0.0.1").labels("app=db"),
                              pod("a/agent").labels("app=db").node("n2").host_network(),
                              policy("a/p").ingress(rule().peer(pods("app=db"))));
    expect(c, flow("192.168.0.2", "10.0.0.1"), false);
    expect(c, flow("8.8.8.8", "192.168.0.2"), true);
}

TEST_CASE("Corner 37: egress that allows a pod of the same node does not skip its ingress",
          "[semantics]") {
    const Cluster c = cluster(pod("a/one", "10.0.0.1").labels("app=one"),
                              pod("a/two", "10.0.0.2").labels("app=two"),
                              policy("a/out").pods("app=one").egress(rule().peer(pods("app=two"))),
                              policy("a/in").pods("app=two").ingress());
    expect(c, flow("10.0.0.1", "10.0.0.2"), false);
}

TEST_CASE("Corner 39: a pod reaches itself through its own Service", "[semantics]") {
    // After the Service's address was rewritten both ends are the pod's own address.
    const Cluster c = cluster(pod("a/db", "10.0.0.1"), policy("a/p").ingress().egress());
    expect(c, flow("10.0.0.1", "10.0.0.1", 80), true);
}

TEST_CASE("Corner 55: the order in which objects arrive never shows", "[semantics]") {
    const Namespace a = ns("a", "team=a");
    const Pod db = pod("a/db", "10.0.0.1").labels("app=db");
    const Pod web = pod("a/web", "10.0.0.2").labels("app=web").node("n2");
    const NetworkPolicy p =
        policy("a/p").pods("app=db").ingress(rule().peer(pods_in("team=a", "app=web")));
    for (const Cluster& c :
         {cluster(a, db, web, p), cluster(p, web, db, a), cluster(db, p, a, web)}) {
        expect(c, flow("10.0.0.2", "10.0.0.1"), true);
        expect(c, flow("8.8.8.8", "10.0.0.1"), false);
    }
}

TEST_CASE("Corner 57: a probe from the node's second address is let in", "[semantics]") {
    Pod db = pod("a/db", "10.0.0.1", "fd00::1");
    db.node_addresses.edit().push_back(ip("172.20.0.1"));
    const Cluster c = cluster(db, policy("a/p").ingress());
    expect(c, flow("172.20.0.1", "10.0.0.1"), true);
    expect(c, flow("192.168.0.1", "10.0.0.1"), true);
    expect(c, flow("172.20.0.2", "10.0.0.1"), false);
}
