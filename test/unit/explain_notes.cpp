// The words of the oracle: they name the part that failed and nothing else.
#include <catch2/catch.hpp>

#include "controller/explain.hpp"
#include "test/support/builders.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

template <class... More>
Cluster world(const More&... more) {
    return cluster(ns("shop", "team=a"), ns("other", "team=b"),
                   pod("shop/db", "10.0.0.1").labels("app=db").port("pg", 5432).port("http", 8080),
                   pod("shop/web", "10.0.0.2", "fd00::2").labels("app=web"),
                   pod("other/api", "10.0.0.3").labels("app=api,old=1"), pod("ghost/x", "10.0.0.4"),
                   more...);
}

/// The outcome of the rule, as the only one of shop/db's only policy.
RuleOutcome outcome(const PolicyRule& r, const Flow& f) {
    const Cluster c = world(policy("shop/db").pods("app=db").ingress(r));
    const Explanation e = explain(c, f);
    REQUIRE(e.ingress.policies.size() == 1);
    REQUIRE(e.ingress.policies.front().rules.size() == 1);
    return e.ingress.policies.front().rules.front();
}
std::string peer_note(const PolicyRule& r, std::string_view source = "10.0.0.3") {
    return outcome(r, flow(source, "10.0.0.1")).peer_note;
}
std::string port_note(const PolicyRule& r, std::uint16_t port, std::uint8_t protocol = kTcp) {
    return outcome(r, flow("10.0.0.3", "10.0.0.1", port, protocol)).port_note;
}

}  // namespace

TEST_CASE("A peer that matches is named", "[explain]") {
    CHECK(peer_note(rule()) == "any peer");
    CHECK(peer_note(rule().peer(pods("app=web")), "10.0.0.2") == "pods app=web of this namespace");
    CHECK(peer_note(rule().peer(block("10.0.0.0/8", {"10.1.0.0/16"}))) ==
          "10.0.0.0/8 except 10.1.0.0/16");
}

TEST_CASE("A peer that does not match says which part failed", "[explain]") {
    CHECK(peer_note(rule().peer(pods("app=api"))) == "pod other/api is not in namespace shop");
    CHECK(peer_note(rule().peer(namespaces("team=a"))) == "namespace other has team=b, not team=a");
    CHECK(peer_note(rule().peer(namespaces("env=prod"))) == "namespace other lacks label env=prod");
    CHECK(peer_note(rule().peer(pods_in("team=b", "app=web"))) ==
          "pod other/api has app=api, not app=web");
    CHECK(peer_note(rule().peer(pods_in("", "role in (x,y)"))) ==
          "pod other/api lacks a label role in (x,y)");
    CHECK(peer_note(rule().peer(pods_in("", "role"))) == "pod other/api lacks label role");
    CHECK(peer_note(rule().peer(pods_in("", "!old"))) == "pod other/api has old=1, against !old");
    CHECK(peer_note(rule().peer(pods_in("", "app notin (api,db)"))) ==
          "pod other/api has app=api, against app notin (api,db)");
}

TEST_CASE("A peer that is no pod, or of an unseen namespace, is said to be", "[explain]") {
    CHECK(peer_note(rule().peer(pods("")), "8.8.8.8") == "8.8.8.8 is no pod's address");
    CHECK(peer_note(rule().peer(namespaces("!team")), "10.0.0.4") ==
          "the labels of namespace ghost are not known (no such Namespace was read)");
}

TEST_CASE("A namespace chosen by its name is called by it", "[explain]") {
    CHECK(peer_note(rule().peer(namespaces("kubernetes.io/metadata.name=shop"))) ==
          "namespace other is not shop");
    CHECK(peer_note(rule().peer(namespaces("kubernetes.io/metadata.name in (a,b)"))) ==
          "namespace other is none of a, b");
    CHECK(peer_note(rule().peer(namespaces("kubernetes.io/metadata.name=other"))) ==
          "all pods in namespace other");
}

TEST_CASE("A block says where the address lies", "[explain]") {
    CHECK(peer_note(rule().peer(block("9.0.0.0/8"))) == "10.0.0.3 is outside 9.0.0.0/8");
    CHECK(peer_note(rule().peer(block("10.0.0.0/8", {"10.0.0.0/24"}))) ==
          "10.0.0.3 is in the block's except 10.0.0.0/24");
    CHECK(peer_note(rule().peer(block("::/0"))) == "10.0.0.3 is no IPv6 address");
}

TEST_CASE("Of many peers some are named and the rest counted, each reason once", "[explain]") {
    CHECK(peer_note(rule().peer(pods("app=x")).peer(pods("app=y")).peer(block("9.0.0.0/8"))) ==
          "pod other/api is not in namespace shop; 10.0.0.3 is outside 9.0.0.0/8");
    RuleBuilder many;
    for (const auto* b : {"1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8", "4.0.0.0/8", "5.0.0.0/8"}) {
        many.peer(block(b));
    }
    CHECK(peer_note(many) ==
          "10.0.0.3 is outside 1.0.0.0/8; 10.0.0.3 is outside 2.0.0.0/8; 10.0.0.3 is outside "
          "3.0.0.0/8; 2 more");
}

TEST_CASE("Ports that match and ports that do not", "[explain]") {
    CHECK(port_note(rule(), 80) == "any port");
    CHECK(port_note(rule().port(80), 80) == "port 80/TCP");
    CHECK(port_note(rule().ports(80, 90), 85) == "port 85/TCP is in 80-90/TCP");
    CHECK(port_note(rule().port("http"), 8080) == "port 8080/TCP is http/TCP (8080 on shop/db)");
    CHECK(port_note(rule().port(5432).port("http"), 5433) ==
          "port 5433/TCP is not among 5432/TCP, http/TCP (8080 on shop/db)");
    CHECK(port_note(rule().port("dns", Protocol::udp), 53, kUdp) ==
          "port 53/UDP is not among dns/UDP (not a port of pod shop/db)");
    CHECK(port_note(rule().all_ports(), 0, kIcmp) == "ICMP is allowed only by rules without ports");
}

TEST_CASE("Named ports of what is no pod", "[explain]") {
    const Cluster c = world(policy("shop/p").pods("app=web").egress(rule().port("pg")));
    const Explanation e = explain(c, flow("10.0.0.2", "8.8.8.8", 5432));
    CHECK(e.egress.policies.front().rules.front().port_note ==
          "port 5432/TCP is not among pg/TCP (8.8.8.8 is no pod's address)");
}

TEST_CASE("Lists that match nothing say so", "[explain]") {
    CHECK(peer_note(rule().no_peer()) == "no peer of this rule could be understood");
    CHECK(port_note(rule().no_port(), 80) == "no port of this rule could be understood");
    CHECK(peer_note(rule().peer(PodPeer{})) == "the peer is empty, which matches nothing");
}

TEST_CASE("An explanation names pods, exemptions, and the policy and rule that allow",
          "[explain]") {
    const Cluster c = world(policy("shop/a-none").pods("app=db").ingress(),
                            policy("shop/b-some")
                                .pods("app=db")
                                .ingress(rule().peer(block("9.0.0.0/8")))
                                .ingress(rule().peer(pods("app=web")).port("pg")),
                            policy("shop/web").pods("app=web").egress());
    const Explanation in = explain(c, flow("10.0.0.2", "10.0.0.1", 5432));
    CHECK(in.source_pod == c.find_pod(name("shop/web")));
    CHECK(in.ingress.pod == c.find_pod(name("shop/db")));
    CHECK(in.ingress.policies.size() == 2);
    CHECK(in.ingress.allowed());
    REQUIRE(in.ingress.allowing_policy() != nullptr);
    CHECK(in.ingress.allowing_policy()->policy == name("shop/b-some"));
    CHECK(in.ingress.allowing_policy()->allowing_rule()->index == 1);
    CHECK(in.egress.isolated());
    CHECK_FALSE(in.egress.allowed());
    CHECK_FALSE(in.allowed());
    CHECK(in.egress.allowing_policy() == nullptr);

    const Explanation out = explain(c, flow("10.0.0.1", "8.8.8.8"));
    CHECK(out.egress.exemption == Exemption::not_isolated);
    CHECK(out.ingress.exemption == Exemption::not_a_pod);
    CHECK(out.ingress.pod == nullptr);
    CHECK(explain(c, flow("10.0.0.1", "10.0.0.1")).ingress.exemption == Exemption::hairpin);
    const Explanation node = explain(c, flow("192.168.0.1", "10.0.0.1"));
    CHECK(node.ingress.exemption == Exemption::own_node);
    CHECK(node.ingress.policies.size() == 2);  // They isolate; they are only not asked.
    CHECK(node.allowed());
    CHECK(to_string(Exemption::own_node) == "own-node");
}

TEST_CASE("Flows read well", "[explain]") {
    CHECK(to_string(flow("10.0.0.1", "10.0.0.2", 5432)) == "10.0.0.1 -> 10.0.0.2 5432/TCP");
    CHECK(to_string(flow("fd00::1", "fd00::2", 0, kIcmpV6)) == "fd00::1 -> fd00::2 ICMPv6");
    CHECK(to_string(flow("10.0.0.1", "10.0.0.2", 80, kUdpLite)) ==
          "10.0.0.1 -> 10.0.0.2 IP protocol 136");
}
