// The API server goes, comes back, and is cut off: enforcement stays and catches up.
#include <atomic>
#include <chrono>
#include <iostream>

#include <catch2/catch.hpp>

#include "test/cluster/cutter.hpp"
#include "test/cluster/scene.hpp"
#include "test/support/builders.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

NetworkPolicy only_b_on_80(const char* name) {
    return test::policy(name).ingress(
        test::rule().peer(test::namespaces("kubernetes.io/metadata.name=b")).port(80));
}

/// What an agent that hears nothing must hold: the rules of the time before.
void hold(Scene& scene, const Cluster& before, std::chrono::seconds time, std::size_t& looks) {
    const auto until = std::chrono::steady_clock::now() + time;
    do {
        const Wrong wrong = scene.look(scene.flows(), before);
        INFO(wrong.what);
        REQUIRE_FALSE(wrong);
        ++looks;
    } while (std::chrono::steady_clock::now() < until);
}

/// A minute with PODFENCE_LONG set; else as long as a test may take.
std::chrono::seconds outage() {
    return std::chrono::seconds(std::getenv("PODFENCE_LONG") != nullptr ? 60 : 6);
}

}  // namespace

TEST_CASE("losing the API server loosens nothing, and its return without history brings all") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 4));
    scene.put(only_b_on_80("a/shut"));
    scene.put(NetworkPolicy(test::policy("c/dark").ingress().egress()));
    scene.settle();
    const Cluster before = scene.told;
    std::size_t looks = 0;

    // The agents' cables are pulled: they hear nothing while the cluster goes on.
    for (std::size_t n = 0; n < scene.agents.size(); ++n) scene.control.set_cable(n, false);
    scene.remove_policy({.ns = "c", .name = "dark"});
    scene.put(only_b_on_80("b/new"));
    scene.remove_pod(scene.pod_name(0));
    Pod relabelled = scene.pod(3);
    relabelled.labels = test::labels("app=late");
    scene.put(relabelled);
    scene.put(NetworkPolicy(
        test::policy("a/late").pods("app=late").egress(test::rule().peer(test::pods_in("", "")))));
    hold(scene, before, outage(), looks);

    // What they would have heard is forgotten, and the server is another one.
    scene.control.compact();
    scene.control.kill_api();
    hold(scene, before, std::chrono::seconds(1), looks);
    scene.control.start_api();
    hold(scene, before, std::chrono::seconds(1), looks);
    for (std::size_t n = 0; n < scene.agents.size(); ++n) scene.control.set_cable(n, true);
    const auto took = scene.settle(std::chrono::seconds(90));
    std::cout << "cluster outage: " << looks << " looks unchanged, caught up in " << took.count()
              << " ms" << std::endl;
    for (auto& agent : scene.agents) agent.await_ready();
}

TEST_CASE("the deaths of API server and etcd are outlived, again and again") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    constexpr int kDeaths = 3;
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    std::size_t looks = 0;
    for (int i = 0; i < kDeaths; ++i) {
        INFO("death " << i);
        const std::string name = "a/p" + std::to_string(i);
        scene.put(i % 2 == 0 ? NetworkPolicy(test::policy(name).ingress()) : only_b_on_80("c/x"));
        scene.settle(std::chrono::seconds(90));
        scene.control.kill_etcd();
        scene.control.kill_api();
        hold(scene, scene.told, std::chrono::seconds(1), looks);
        scene.control.start_etcd();
        scene.control.start_api();
        hold(scene, scene.told, std::chrono::seconds(0), looks);
    }
    scene.remove_policy({.ns = "a", .name = "p0"});
    scene.settle(std::chrono::seconds(90));
}

TEST_CASE("a watch that is cut anywhere is taken up again") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    constexpr std::uint16_t kPort = 6444;
    constexpr int kRounds = 20;
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    const std::uint64_t seed = seed_of_run();
    INFO("seed " << seed);
    // From amid the TLS handshake to the events behind the lists: a connection that is not cut
    // carries some 10,000 bytes here.
    constexpr std::size_t kBytesMax = 12'000;
    std::atomic<bool> cutting{true};
    const auto budget = [&cutting,
                         random = test::Random(seed)]() mutable -> std::optional<std::size_t> {
        if (!cutting) return std::nullopt;
        return 1 + random.below(kBytesMax);
    };
    const Cutter cutter(scene.control.ns(), ControlPlane::address(), kPort, ControlPlane::kPort,
                        budget);
    for (auto& agent : scene.agents) {
        agent.stop();
        agent.use_kubeconfig(scene.agent_kubeconfig(kPort));
        agent.start();
    }
    std::size_t lost = 0;
    for (int round = 0; round < kRounds; ++round) {
        const Cluster before = scene.told;
        scene.put(round % 2 == 0 ? NetworkPolicy(test::policy("a/x").ingress())
                                 : only_b_on_80("a/x"));
        // However little they hear, they never do what neither the old nor the new state says.
        lost += scene.look(scene.steady_flows(before, scene.told), scene.told).lost;
    }
    CHECK(lost == 0);
    const std::size_t cuts = cutter.cuts();
    cutting = false;
    const auto took = scene.settle(std::chrono::seconds(90));
    std::cout << "cluster cuts: " << cuts << " of " << cutter.connections()
              << " connections cut, then right after " << took.count() << " ms; seed " << seed
              << std::endl;
    CHECK(cuts > 0);
}

}  // namespace podfence::lab
