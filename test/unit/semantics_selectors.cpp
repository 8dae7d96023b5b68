// AND and OR, and what selectors choose: semantics N19-N29.
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// The subject is a/db; everything else asks to reach it.
template <class... More>
Cluster world(const More&... more) {
    return cluster(ns("a", "team=a,env=prod"), ns("b", "team=b"),
                   pod("a/db", "10.0.0.1").labels("app=db"),
                   pod("a/web", "10.0.0.2").labels("app=web"),
                   pod("b/web", "10.0.0.3").labels("app=web").node("n2"),
                   pod("b/api", "10.0.0.4").labels("app=api").node("n2"), more...);
}
const Flow kFromAWeb = flow("10.0.0.2", "10.0.0.1");
const Flow kFromBWeb = flow("10.0.0.3", "10.0.0.1");
const Flow kFromBApi = flow("10.0.0.4", "10.0.0.1");

Cluster with_rules(std::initializer_list<PolicyRule> rules) {
    PolicyBuilder p = policy("a/p").pods("app=db").ingress();
    for (const auto& r : rules) p.ingress(r);
    return world(p);
}

/// Does a peer selector let a pod with these labels in?
void expect_selected(std::string_view pod_selector, std::string_view pod_labels, bool selected) {
    const Cluster c =
        cluster(ns("a"), pod("a/db", "10.0.0.1").labels("subject=yes"),
                pod("a/peer", "10.0.0.2").labels(pod_labels).node("n2"),
                policy("a/p").pods("subject=yes").ingress(rule().peer(pods(pod_selector))));
    expect(c, flow("10.0.0.2", "10.0.0.1"), selected);
    // The same selector as a subject isolates the same pods.
    const Cluster subject = cluster(ns("a"), pod("a/peer", "10.0.0.2").labels(pod_labels),
                                    policy("a/p").pods(pod_selector).ingress());
    expect(subject, flow("8.8.8.8", "10.0.0.2"), !selected);
}

}  // namespace

TEST_CASE("N19: a rule needs one of its peers and one of its ports", "[semantics]") {
    const Cluster c = with_rules({rule().peer(pods("app=web")).port(80)});
    expect(c, kFromAWeb, true);
    expect(c, flow("10.0.0.2", "10.0.0.1", 81), false);
    expect(c, kFromBWeb, false);
}

TEST_CASE("N20: peers, ports, rules and policies are alternatives", "[semantics]") {
    const Cluster c =
        world(policy("a/p")
                  .pods("app=db")
                  .ingress(rule().peer(pods("app=web")).peer(block("9.0.0.0/8")).port(80).port(443))
                  .ingress(rule().peer(namespaces("team=b")).port(8080)),
              policy("a/q").pods("app=db").ingress(
                  rule().peer(block("8.0.0.0/8")).port(53, Protocol::udp)));
    for (const std::uint16_t port : {80, 443}) {
        expect(c, flow("10.0.0.2", "10.0.0.1", port), true);
        expect(c, flow("9.1.1.1", "10.0.0.1", port), true);
        expect(c, flow("10.0.0.3", "10.0.0.1", port), false);
    }
    expect(c, flow("10.0.0.3", "10.0.0.1", 8080), true);
    expect(c, flow("10.0.0.2", "10.0.0.1", 8080), false);
    expect(c, flow("8.8.8.8", "10.0.0.1", 53, kUdp), true);
    expect(c, flow("8.8.8.8", "10.0.0.1", 80), false);
}

TEST_CASE("N21: one peer with both selectors is an AND", "[semantics]") {
    const Cluster c = with_rules({rule().peer(pods_in("team=b", "app=web"))});
    expect(c, kFromAWeb, false);
    expect(c, kFromBWeb, true);
    expect(c, kFromBApi, false);
}

TEST_CASE("N21: two peers with one selector each are an OR", "[semantics]") {
    const Cluster c = with_rules({rule().peer(namespaces("team=b")).peer(pods("app=web"))});
    expect(c, kFromAWeb, true);
    expect(c, kFromBWeb, true);
    expect(c, kFromBApi, true);
}

TEST_CASE("N22: a block and a selector in one rule are two peers", "[semantics]") {
    const Cluster c = with_rules({rule().peer(block("10.0.0.4/32")).peer(pods("app=web"))});
    expect(c, kFromAWeb, true);
    expect(c, kFromBWeb, false);
    expect(c, kFromBApi, true);
}

TEST_CASE("N23: peers and ports are bound per rule", "[semantics]") {
    const Cluster c = with_rules(
        {rule().peer(pods("app=web")).port(80), rule().peer(namespaces("team=b")).port(81)});
    expect(c, flow("10.0.0.2", "10.0.0.1", 80), true);
    expect(c, flow("10.0.0.2", "10.0.0.1", 81), false);
    expect(c, flow("10.0.0.3", "10.0.0.1", 80), false);
    expect(c, flow("10.0.0.3", "10.0.0.1", 81), true);
}

TEST_CASE("N24: matchLabels wants the key present with that value, also the empty one",
          "[semantics]") {
    expect_selected("app=web", "app=web", true);
    expect_selected("app=web", "app=db", false);
    expect_selected("app=web", "", false);
    expect_selected("k=", "k=", true);
    expect_selected("k=", "k=v", false);
    expect_selected("k=", "", false);
}

TEST_CASE("N25: In and NotIn", "[semantics]") {
    expect_selected("app in (db,web)", "app=web", true);
    expect_selected("app in (db,web)", "app=api", false);
    expect_selected("app in (db,web)", "", false);
    expect_selected("app notin (db,web)", "app=web", false);
    expect_selected("app notin (db,web)", "app=api", true);
    expect_selected("app notin (db,web)", "tier=db", true);
    expect_selected("app notin (db,web)", "", true);
}

TEST_CASE("N25: Exists and DoesNotExist", "[semantics]") {
    expect_selected("app", "app=", true);
    expect_selected("app", "tier=x", false);
    expect_selected("!app", "app=", false);
    expect_selected("!app", "tier=x", true);
}

TEST_CASE("N26: all requirements hold together, contradictions choose nothing", "[semantics]") {
    expect_selected("app=web,tier in (x,y),!old", "app=web,tier=y", true);
    expect_selected("app=web,tier in (x,y),!old", "app=web,tier=z", false);
    expect_selected("app=web,tier in (x,y),!old", "app=web,tier=y,old=1", false);
    expect_selected("app,!app", "app=web", false);
    expect_selected("app,!app", "", false);
    expect_selected("app=a,app=b", "app=a", false);
}

TEST_CASE("N27: every namespace has its name as a label, whatever its object says", "[semantics]") {
    const auto p = policy("a/p").pods("app=db").ingress(
        rule().peer(namespaces("kubernetes.io/metadata.name=b")));
    expect(world(p), kFromBWeb, true);
    expect(world(p), kFromAWeb, false);
    expect(world(p, ns("b", "kubernetes.io/metadata.name=a")), kFromBWeb, true);
    expect(world(p, ns("a", "kubernetes.io/metadata.name=b")), kFromAWeb, false);
}

TEST_CASE("N28: relabelling pods and namespaces changes subjects and peers", "[semantics]") {
    const auto p = policy("a/p").pods("app=db").ingress(rule().peer(pods_in("team=b", "app=web")));
    Cluster c = world(p);
    expect(c, kFromBApi, false);
    c.put(pod("b/api", "10.0.0.4").labels("app=web").node("n2"));
    expect(c, kFromBApi, true);
    c.put(ns("b", "team=c"));
    expect(c, kFromBApi, false);
    c.put(ns("a", "team=b"));
    expect(c, kFromAWeb, true);
    c.put(pod("a/db", "10.0.0.1").labels("app=none"));
    expect(c, kFromBApi, true);
}

TEST_CASE("N29: of an unseen namespace nothing but its name is known", "[semantics]") {
    const auto judged = [](const Peer& peer, bool allowed) {
        const Cluster c = cluster(ns("a"), pod("a/db", "10.0.0.1"),
                                  pod("ghost/web", "10.0.0.2").labels("app=web").node("n2"),
                                  policy("a/p").ingress(rule().peer(peer)));
        expect(c, flow("10.0.0.2", "10.0.0.1"), allowed);
    };
    judged(namespaces("team notin (x)"), false);
    judged(namespaces("!team"), false);
    judged(namespaces("team"), false);
    judged(namespaces("team=x"), false);
    judged(namespaces(""), true);
    judged(pods_in("", "app=web"), true);
    judged(namespaces("kubernetes.io/metadata.name=ghost"), true);
    judged(namespaces("kubernetes.io/metadata.name notin (ghost)"), false);
    judged(namespaces("kubernetes.io/metadata.name notin (a)"), true);
    judged(namespaces("kubernetes.io/metadata.name=ghost,!team"), false);
}

TEST_CASE(
    "N29 N64: a policy acts in its namespace before the Namespace is seen and after it is gone",
    "[semantics]") {
    const Cluster c = cluster(pod("ghost/db", "10.0.0.1"), pod("ghost/web", "10.0.0.2"),
                              pod("ghost/web2", "10.0.0.3").labels("app=web"),
                              policy("ghost/p").ingress(rule().peer(pods("app=web"))));
    expect(c, flow("10.0.0.2", "10.0.0.1"), false);
    expect(c, flow("10.0.0.3", "10.0.0.1"), true);
}
