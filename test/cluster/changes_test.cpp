// What is told to a real API server is what packets find, on every node.
#include <algorithm>
#include <iostream>

#include <catch2/catch.hpp>

#include "test/cluster/scene.hpp"
#include "test/support/builders.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

/// Tells the API server the difference between what it was told and `wanted`.
void tell(Scene& scene, const Cluster& wanted) {
    const Cluster known = scene.told;
    for (const auto& [name, ns] : known.namespaces()) {
        if (!wanted.namespaces().contains(name)) scene.remove_namespace(name);
    }
    for (const auto& [name, policy] : known.policies()) {
        if (!wanted.policies().contains(name)) scene.remove_policy(name);
    }
    for (const auto& [name, ns] : wanted.namespaces()) {
        const auto before = scene.told.namespaces().find(name);
        if (before == scene.told.namespaces().end() || !(before->second == ns)) scene.put(ns);
    }
    for (const auto& [name, pod] : wanted.pods()) {
        const Pod* before = scene.told.find_pod(name);
        if (before == nullptr || !(*before == pod)) scene.put(pod);
    }
    for (const auto& [name, policy] : wanted.policies()) {
        const auto before = scene.told.policies().find(name);
        if (before == scene.told.policies().end() || !(before->second == policy)) scene.put(policy);
    }
}

/// A random cluster of the lab's pods that an API server takes.
test::GeneratorOptions options_of(const Scene& scene) {
    auto options = scene.rig.generator_options();
    options.fail_closed = false;  // What decoding makes of objects that the API server rejects.
    return options;
}

}  // namespace

TEST_CASE("random changes told to the API server reach packets on both nodes") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    constexpr std::size_t kStates = 12;
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 4));
    const std::uint64_t seed = seed_of_run();
    INFO("seed " << seed);
    test::Generator generator(seed, options_of(scene));
    Cluster wanted = generator.cluster();
    std::chrono::milliseconds slowest{0};
    for (std::size_t state = 0; state < kStates; ++state) {
        INFO("state " << state);
        if (state > 0) test::apply(wanted, generator.event(wanted));
        // A namespace that is not there cannot hold pods: the API server would not take them.
        for (const auto& [name, pod] : wanted.pods()) {
            if (!wanted.namespaces().contains(name.ns)) wanted.put(Namespace{.name = name.ns});
        }
        tell(scene, wanted);
        slowest = std::max(slowest, scene.settle());
    }
    std::cout << "cluster changes: " << scene.rig.prober.totals().flows
              << " real flows, slowest to settle " << slowest.count() << " ms; seed " << seed
              << std::endl;
    for (auto& agent : scene.agents) CHECK(agent.ready());
}

TEST_CASE("N56: an address that passes from pod to pod is judged by its holder's labels") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    constexpr int kRounds = 20;
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    // Only "good" pods may reach p1, which is on the other node.
    Pod target = scene.pod(1);
    target.labels = test::labels("app=target");
    scene.put(target);
    scene.put(NetworkPolicy(test::policy(target.name.ns + "/only-good")
                                .pods("app=target")
                                .ingress(test::rule().peer(test::pods_in("", "app=good")))));
    scene.settle();
    // The same address, each time a pod of another name, with or without what it takes.
    const Pod first = scene.pod(0);
    ObjectName last = first.name;
    for (int round = 0; round < kRounds; ++round) {
        INFO("round " << round);
        scene.remove_pod(last);
        Pod next = first;
        next.name.name = "churn" + std::to_string(round);
        next.labels = test::labels(round % 2 == 0 ? "app=good" : "app=bad");
        scene.put(next);
        last = next.name;
        scene.settle();
    }
}

TEST_CASE("policies change while other flows go on as if nothing were") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    constexpr int kChanges = 16;
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 4));
    const auto policy_of = [](int i) -> NetworkPolicy {
        auto made = test::policy("a/moving");
        switch (i % 4) {
            case 0:
                return made.ingress(test::rule().peer(test::pods_in("", "")).port(80));
            case 1:
                return made.ingress(
                    test::rule().peer(test::namespaces("kubernetes.io/metadata.name=b")));
            case 2:
                return made.egress(test::rule().peer(test::block("192.0.2.0/24")));
            default:
                return made.ingress().egress();
        }
    };
    scene.put(policy_of(0));
    scene.settle();
    std::size_t judged = 0;
    for (int i = 1; i <= kChanges; ++i) {
        INFO("change " << i);
        const Cluster before = scene.told;
        Cluster after = before;
        after.put(policy_of(i));
        const auto steady = scene.steady_flows(before, after);
        scene.put(policy_of(i));
        // From the moment the API server took it until all is as told.
        Wrong wrong = scene.look(steady, after);
        CHECK(wrong.what == "");
        scene.settle();
        wrong = scene.look(steady, after);
        CHECK(wrong.what == "");
        judged += 2 * steady.size();
    }
    CHECK(judged > 0);
    scene.remove_policy({.ns = "a", .name = "moving"});
    scene.settle();
}

}  // namespace podfence::lab
