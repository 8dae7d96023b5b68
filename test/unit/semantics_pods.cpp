// Which pods exist for policy, and what is outside it: semantics N52-N59, N66-N70, D1, D2, D9.
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// a/db lets in pods with app=web.
template <class... More>
Cluster guarded(const More&... more) {
    return cluster(ns("a"), pod("a/db", "10.0.0.1", "fd00::1").labels("app=db"),
                   policy("a/p").pods("app=db").ingress(rule().peer(pods("app=web"))), more...);
}

}  // namespace

TEST_CASE("N52: a finished pod is neither subject nor peer", "[semantics]") {
    for (const PodPhase phase : {PodPhase::succeeded, PodPhase::failed}) {
        const Cluster peer =
            guarded(pod("a/web", "10.0.0.2").labels("app=web").phase(phase).node("n2"));
        expect(peer, flow("10.0.0.2", "10.0.0.1"), false);
        const Cluster subject = guarded(pod("a/db", "10.0.0.1").labels("app=db").phase(phase));
        expect(subject, flow("8.8.8.8", "10.0.0.1"), true);
    }
}

TEST_CASE("N52: the other phases hold their address", "[semantics]") {
    for (const PodPhase phase : {PodPhase::pending, PodPhase::running, PodPhase::unknown}) {
        const Cluster peer = guarded(pod("a/web", "10.0.0.2").labels("app=web").phase(phase));
        expect(peer, flow("10.0.0.2", "10.0.0.1"), true);
        const Cluster subject = guarded(pod("a/db", "10.0.0.1").labels("app=db").phase(phase));
        expect(subject, flow("8.8.8.8", "10.0.0.1"), false);
    }
}

TEST_CASE("N53: a terminating pod is still protected and still a peer", "[semantics]") {
    const Cluster c = guarded(pod("a/web", "10.0.0.2").labels("app=web").deleting(),
                              pod("a/db", "10.0.0.1").labels("app=db").deleting());
    expect(c, flow("10.0.0.2", "10.0.0.1"), true);
    expect(c, flow("8.8.8.8", "10.0.0.1"), false);
}

TEST_CASE("N54: a pod without address is no peer and disturbs nothing", "[semantics]") {
    const Cluster c = guarded(pod("a/web").labels("app=web"), pod("a/db2").labels("app=db"));
    expect(c, flow("0.0.0.0", "10.0.0.1"), false);
    expect(c, flow("::", "fd00::1"), false);
}

TEST_CASE("N55: a policy holds for all addresses of a pod, each in its family", "[semantics]") {
    const Cluster c = guarded(pod("a/web", "10.0.0.2", "fd00::2").labels("app=web").node("n2"),
                              pod("a/web4", "10.0.0.3").labels("app=web").node("n2"),
                              pod("a/web6", "fd00::4").labels("app=web"));
    for (const std::string_view peer : {"10.0.0.2", "10.0.0.3"}) {
        expect(c, flow(peer, "10.0.0.1"), true);
    }
    for (const std::string_view peer : {"fd00::2", "fd00::4"}) {
        expect(c, flow(peer, "fd00::1"), true);
    }
    expect(c, flow("10.0.0.4", "10.0.0.1"), false);
    expect(c, flow("fd00::3", "fd00::1"), false);
}

TEST_CASE("N56: of pods that share an address the newest counts, as peer", "[semantics]") {
    const auto web = pod("a/web", "10.0.0.2").labels("app=web").created(100);
    expect(guarded(web, pod("a/api", "10.0.0.2").labels("app=api").created(50)),
           flow("10.0.0.2", "10.0.0.1"), true);
    expect(guarded(web, pod("a/api", "10.0.0.2").labels("app=api").created(150)),
           flow("10.0.0.2", "10.0.0.1"), false);
}

TEST_CASE("N56: as subject, also when the two are on different nodes", "[semantics]") {
    const auto old = pod("a/old", "10.0.0.9").labels("app=db").created(100);
    const auto young = pod("a/young", "10.0.0.9").labels("app=api").node("n2").created(200);
    expect(guarded(old), flow("8.8.8.8", "10.0.0.9"), false);
    expect(guarded(old, young), flow("8.8.8.8", "10.0.0.9"), true);
}

TEST_CASE("N56: a live pod comes before terminating and finished ones", "[semantics]") {
    const auto old = pod("a/old", "10.0.0.2").labels("app=web").created(100);
    const auto young = pod("a/young", "10.0.0.2").labels("app=api").created(200);
    const Flow f = flow("10.0.0.2", "10.0.0.1");
    expect(guarded(old, PodBuilder(young).deleting()), f, true);
    expect(guarded(old, PodBuilder(young).phase(PodPhase::failed)), f, true);
    expect(guarded(PodBuilder(old).deleting(), young), f, false);
    expect(guarded(PodBuilder(old).deleting(), PodBuilder(young).deleting()), f, false);
}

TEST_CASE("N56: when the newer pod goes, the address falls back", "[semantics]") {
    Cluster c = guarded(pod("a/old", "10.0.0.2").labels("app=web").created(100),
                        pod("a/young", "10.0.0.2").labels("app=api").created(200));
    expect(c, flow("10.0.0.2", "10.0.0.1"), false);
    c.remove_pod(name("a/young"));
    expect(c, flow("10.0.0.2", "10.0.0.1"), true);
    c.remove_pod(name("a/old"));
    expect(c, flow("10.0.0.2", "10.0.0.1"), false);
}

TEST_CASE("N57 D5: hostNetwork pods are nodes to every selector", "[semantics]") {
    const Cluster c = guarded(pod("a/host").labels("app=web").node("n2").host_network(),
                              pod("a/host-db").labels("app=db").node("n2").host_network());
    expect(c, flow("192.168.0.2", "10.0.0.1"), false);  // No peer.
    expect(c, flow("8.8.8.8", "192.168.0.2"), true);    // No subject.
    expect(c, flow("192.168.0.2", "8.8.8.8"), true);
    const Cluster by_block =
        guarded(pod("a/host").labels("app=web").node("n2").host_network(),
                policy("a/q").pods("app=db").ingress(rule().peer(block("192.168.0.2/32"))));
    expect(by_block, flow("192.168.0.2", "10.0.0.1"), true);
    expect(by_block, flow("192.168.0.3", "10.0.0.1"), false);
}

TEST_CASE("N57: a named port of a hostNetwork pod is nobody's", "[semantics]") {
    const Cluster c = cluster(pod("a/web", "10.0.0.1").labels("app=web"),
                              pod("a/host").node("n2").port("http", 80).host_network(),
                              policy("a/p").pods("app=web").egress(rule().port("http")));
    expect(c, flow("10.0.0.1", "192.168.0.2", 80), false);
}

TEST_CASE("N66 D9: a pod cannot be cut off from itself", "[semantics]") {
    const Cluster c = cluster(pod("a/db", "10.0.0.1", "fd00::1"), policy("a/p").ingress().egress());
    for (const std::uint8_t protocol : {kTcp, kUdp, kSctp, kIcmp}) {
        expect(c, flow("10.0.0.1", "10.0.0.1", 80, protocol), true);
    }
    expect(c, flow("fd00::1", "fd00::1"), true);
}

TEST_CASE("N67 N68 D1: whatever comes from the own node is let in, on every address",
          "[semantics]") {
    const Cluster c = guarded(pod("a/web", "10.0.0.2").labels("app=web").node("n2"));
    for (const std::uint8_t protocol : {kTcp, kUdp, kSctp, kIcmp, kGre}) {
        expect(c, flow("192.168.0.1", "10.0.0.1", 10250, protocol), true);
    }
    expect(c, flow("fd01::1", "fd00::1"), true);
    expect(c, flow("192.168.0.2", "10.0.0.1"), false);
}

TEST_CASE("D2: a pod reaches its own node by default, and by policy when enforced", "[semantics]") {
    const ExplainOptions enforced{.pod_to_node_enforced = true};
    const auto closed = policy("a/q").pods("app=db").egress();
    const Flow own = flow("10.0.0.1", "192.168.0.1", 10250);
    const Flow other = flow("10.0.0.1", "192.168.0.2", 10250);
    expect(guarded(closed), own, true);
    expect(guarded(closed), own, false, enforced);
    expect(guarded(closed), other, false);
    expect(guarded(closed), other, false, enforced);
    expect(guarded(closed), flow("fd00::1", "fd01::1"), false, enforced);
    const auto open =
        policy("a/q").pods("app=db").egress(rule().peer(block("192.168.0.0/16")).port(10250));
    expect(guarded(open), own, true, enforced);
    expect(guarded(open), flow("10.0.0.1", "192.168.0.1", 22), false, enforced);
    expect(guarded(), own, true, enforced);  // Not isolated.
}

TEST_CASE("D2: enforcing it leaves others' way to the node alone", "[semantics]") {
    const ExplainOptions enforced{.pod_to_node_enforced = true};
    const Cluster c = guarded(policy("a/q").pods("app=db").egress());
    expect(c, flow("8.8.8.8", "192.168.0.1"), true, enforced);
    expect(c, flow("192.168.0.2", "192.168.0.1"), true, enforced);
}

TEST_CASE("N70: a node port's source seen on the forward hook is judged by its address",
          "[semantics]") {
    const Cluster c = guarded(
        pod("a/web", "10.0.0.2").labels("app=web").node("n2"),
        policy("a/q").pods("app=db").ingress(rule().peer(block("192.168.0.2/32")).port(80)));
    expect(c, flow("192.168.0.2", "10.0.0.1", 80), true);
    expect(c, flow("192.168.0.3", "10.0.0.1", 80), false);
}
