// Which connections are cut, which are restored, and when that is looked for.
#include "controller/revoker.hpp"

#include <chrono>

#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/revoker_scene.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

using Scene = RevokerScene;

TEST_CASE("revoker: a new policy cuts what it does not allow, in both families") {
    Scene scene;
    populate(scene);
    const auto good = connection("10.0.0.2", "10.0.0.1", 80);
    const auto bad = connection("10.0.0.2", "10.0.0.1", 22);
    const auto bad6 = connection("fd00::9", "fd00::1", 80);
    const auto outwards = connection("10.0.0.1", "10.0.1.3", 9999);
    const auto others = connection("10.0.0.2", "10.0.1.3", 22);
    for (const auto& one : {good, bad, bad6, outwards, others}) scene.conntrack.add(one);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    CHECK_FALSE(scene.is_cut(good));
    CHECK(scene.is_cut(bad));
    CHECK(scene.is_cut(bad6));
    CHECK_FALSE(scene.is_cut(outwards));  // Its replies come in, and are no connections (N6).
    CHECK_FALSE(scene.is_cut(others));
    CHECK(scene.cut_total == 2);

    scene.desired.remove_policy(name("shop/db"));
    scene.commit();
    scene.settle();
    CHECK_FALSE(scene.is_cut(bad));
    CHECK(scene.restored_total == 2);
}

TEST_CASE("revoker: a peer that loses its label, or is gone, loses its connections") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const auto near = connection("10.0.0.2", "10.0.0.1", 80);
    const auto far = connection("fd00::3", "fd00::1", 80);
    scene.conntrack.add(near);
    scene.conntrack.add(far);
    scene.desired.put(pod("shop/web", "10.0.0.2", "fd00::2").labels("app=other"));
    scene.commit();
    scene.settle();
    CHECK(scene.is_cut(near));
    CHECK_FALSE(scene.is_cut(far));
    scene.desired.remove_pod(name("shop/far"));
    scene.commit();
    scene.settle();
    CHECK(scene.is_cut(far));
    // One peer is two addresses, on one side: it is not worth to be told of everything.
    CHECK(scene.last.filters.size() <= Revoker::Limits{}.filters_max);
}

TEST_CASE("revoker: an address that another pod takes over brings its own rights") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const auto old = connection("10.0.1.3", "10.0.0.2", 7000);
    scene.conntrack.add(old);
    scene.desired.remove_pod(name("shop/web"));
    scene.desired.put(pod("shop/db-2", "10.0.0.2", "fd00::2").labels("app=db"));
    scene.commit();
    scene.settle();
    CHECK(scene.is_cut(old));
}

TEST_CASE("revoker: behind a Service the pod is judged, with its own port") {
    Scene scene;
    populate(scene);
    auto good = connection("10.0.0.2", "10.96.0.1", 443);
    good.reply.source = ip("10.0.0.1");
    good.reply.source_port = 80;
    auto bad = connection("10.0.0.2", "10.96.0.1", 80);
    bad.reply.source = ip("10.0.0.1");
    bad.reply.source_port = 22;
    auto masqueraded = connection("10.0.0.2", "10.96.0.2", 443);
    masqueraded.reply = good.reply;
    masqueraded.reply.destination = ip("10.0.0.254");
    for (const auto& one : {good, bad, masqueraded}) scene.conntrack.add(one);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    CHECK_FALSE(scene.is_cut(good));
    CHECK(scene.is_cut(bad));
    CHECK_FALSE(scene.is_cut(masqueraded));
}

TEST_CASE("revoker: D1 what the node itself opens is never touched, nor D2 what it answers") {
    Scene scene;
    populate(scene);
    const auto probe = connection("10.0.0.254", "10.0.0.1", 22);
    const auto to_node = connection("10.0.0.1", "10.0.0.254", 10250);
    scene.conntrack.add(probe);
    scene.conntrack.add(to_node);
    scene.desired.put(NetworkPolicy(policy("shop/none").ingress().egress()));
    scene.commit();
    scene.settle();
    CHECK_FALSE(scene.is_cut(probe));
    CHECK_FALSE(scene.is_cut(to_node));
}

TEST_CASE("revoker: what another connection announced stands and falls with it") {
    Scene scene;
    populate(scene);
    const auto control = connection("10.0.0.2", "10.0.0.1", 80);
    auto data = connection("10.0.0.2", "10.0.0.1", 50000);  // As passive FTP.
    data.announced_by = control.original;
    scene.conntrack.add(control);
    scene.conntrack.add(data);
    scene.desired.put(only_web());
    scene.desired.put(NetworkPolicy(policy("shop/out").egress()));
    scene.desired.put(NetworkPolicy(policy("shop/web").pods("app=web").egress(rule().port(80))));
    scene.commit();
    scene.settle();
    CHECK_FALSE(scene.is_cut(control));
    CHECK_FALSE(scene.is_cut(data));
    scene.desired.remove_policy(name("shop/web"));
    scene.commit();
    scene.settle();
    CHECK(scene.is_cut(control));
    CHECK(scene.is_cut(data));
}

TEST_CASE("revoker: a second walk finds what entered the table late") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.now += 1s;
    scene.commit();
    REQUIRE(scene.walking());
    scene.walk();
    const auto late = connection("10.0.0.2", "10.0.0.1", 22);
    scene.conntrack.add(late);
    scene.settle();
    CHECK(scene.is_cut(late));
    CHECK(scene.revoker.wake_at() == std::nullopt);
}

TEST_CASE("revoker: nothing is walked for changes that only allow") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const int before = scene.walks;
    scene.desired.put(pod("shop/web-2", "10.0.0.7").labels("app=web").node("n2"));
    scene.commit();
    scene.settle();
    CHECK(scene.walks == before);
}

TEST_CASE("revoker: a storm of changes becomes few walks") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const int before = scene.walks;
    scene.took = 100ms;
    constexpr int kChanges = 1000;
    const auto start = scene.now;
    for (int i = 0; i < kChanges; ++i) {
        scene.desired.put(
            pod("shop/web", "10.0.0.2", "fd00::2").labels(i % 2 == 0 ? "app=other" : "app=web"));
        scene.commit();
        scene.now += 2ms;
        if (i % 50 == 49 && scene.walking()) scene.walk();
        scene.revoker.step();
    }
    scene.settle();
    const auto time = scene.now - start;
    const Revoker::Limits limits;
    CHECK(scene.walks - before <= time / ((1 + limits.pause_factor) * scene.took) + 2);
    CHECK(scene.walks - before >= 2);
}

TEST_CASE("revoker: a cluster that changes all the time is walked for with a part of the time") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const int before = scene.walks;
    scene.took = 20ms;
    const auto start = scene.now;
    auto oldest = Clock::duration{};
    auto uncut = scene.now;
    for (int i = 0; i < 2000; ++i) {
        scene.desired.put(
            pod("shop/web", "10.0.0.2", "fd00::2").labels(i % 2 == 0 ? "app=other" : "app=web"));
        scene.commit();
        if (scene.walking()) {
            scene.walk();
            oldest = std::max(oldest, scene.now - uncut);
            uncut = scene.now;
        }
        scene.now += 30ms;
        scene.revoker.step();
    }
    scene.settle();
    const Revoker::Limits limits;
    const auto walked = (scene.walks - before) * scene.took;
    CHECK(walked <= (scene.now - start) / limits.walks.factor + limits.walks.credit_max + 1s);
    // And nothing waits for long.
    CHECK(oldest <= 2 * limits.walks.factor * scene.took + limits.second_walk_in);
}

TEST_CASE("revoker: the walk for a change is the second one for those before") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    scene.now += 10s;
    const int before = scene.walks;
    scene.desired.put(pod("shop/web", "10.0.0.2", "fd00::2").labels("app=other"));
    scene.commit();
    scene.walk();
    const auto late = connection("10.0.0.2", "10.0.0.1", 80);
    scene.conntrack.add(late);
    scene.now += 100ms;
    scene.revoker.step();
    REQUIRE_FALSE(scene.walking());
    // Of somebody else, whose walk meets the late one as well.
    scene.desired.put(pod("shop/far", "10.0.1.3", "fd00::3").labels("app=web").node("n2"));
    scene.commit();
    scene.settle();
    scene.desired.remove_pod(name("shop/far"));
    scene.now += 100ms;
    scene.commit();
    scene.settle();
    CHECK(scene.is_cut(late));
    CHECK(scene.walks - before <= 4);
}

TEST_CASE("revoker: a walk that fails is made again, and nothing is forgotten") {
    Scene scene;
    populate(scene);
    const auto bad = connection("10.0.0.2", "10.0.0.1", 22);
    const auto bad2 = connection("10.0.0.9", "10.0.0.1", 22);
    scene.conntrack.add(bad);
    scene.conntrack.add(bad2);
    scene.conntrack.interrupted = 3;
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    CHECK(scene.failures == 3);
    CHECK(scene.is_cut(bad));
    CHECK(scene.is_cut(bad2));
}

TEST_CASE("revoker: marks of a previous run and of others") {
    Scene scene;
    auto left = connection("10.0.0.2", "10.0.0.1", 22);
    left.mark = kMark | 0x80;
    scene.conntrack.add(left);
    populate(scene);
    CHECK_FALSE(scene.is_cut(left));
    CHECK(scene.conntrack.find(left.original, 0).value()->mark == 0x80);
}

TEST_CASE("revoker: what was allowed again is noticed at the next change of anything") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const auto dns = connection("10.0.0.2", "10.0.0.1", 53, kUdp);
    scene.conntrack.add(dns);
    scene.revoker.enforced_anew();
    scene.revoker.step();
    scene.settle();
    CHECK(scene.is_cut(dns));
    scene.desired.put(
        NetworkPolicy(policy("shop/dns")
                          .pods("app=db")
                          .ingress(rule().peer(pods("app=web")).port(53, Protocol::udp))));
    scene.commit();
    scene.settle();
    CHECK_FALSE(scene.is_cut(dns));
}

TEST_CASE("revoker: a policy that the kernel refuses allows nothing") {
    Scene scene;
    populate(scene);
    scene.desired.put(only_web());
    scene.commit();
    scene.settle();
    const auto good = connection("10.0.0.2", "10.0.0.1", 80);
    scene.conntrack.add(good);
    scene.desired.refuse(name("shop/db"));
    scene.commit();
    scene.settle();
    CHECK(scene.is_cut(good));
}
