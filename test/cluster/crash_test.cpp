// Agents that are killed, replaced and stopped under traffic.
#include <chrono>
#include <csignal>
#include <iostream>

#include <catch2/catch.hpp>

#include "test/cluster/scene.hpp"
#include "test/support/builders.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

/// Two states of one policy that agree on most flows.
NetworkPolicy state(bool other) {
    auto made = test::policy("a/flips").ingress(
        test::rule().peer(test::namespaces("kubernetes.io/metadata.name=b")).port(80));
    if (other) made.ingress(test::rule().peer(test::block("192.0.2.0/24")).port(443));
    return made;
}

/// With PODFENCE_LONG what is asked for, else a tenth of it.
int times(int asked) {
    constexpr int kShare = 10;
    return std::getenv("PODFENCE_LONG") != nullptr ? asked : asked / kShare;
}

}  // namespace

TEST_CASE("kill -9 at random moments leaves the node enforced, and the next agent goes on") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    constexpr std::uint64_t kDelayMsMax = 250;
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    const std::uint64_t seed = seed_of_run();
    INFO("seed " << seed);
    test::Random random(seed);
    scene.put(state(false));
    scene.settle();
    const int kills = times(200);
    for (int i = 0; i < kills; ++i) {
        INFO("kill " << i);
        const Cluster before = scene.told;
        scene.put(state(i % 2 == 0));
        const auto steady = scene.steady_flows(before, scene.told);
        Agent& agent = scene.agents.at(random.below(scene.agents.size()));
        // While it may be starting, listing, committing or idle; ends early if the agent does.
        const auto ended =
            agent.process().wait(std::chrono::milliseconds(random.below(kDelayMsMax)));
        if (ended) FAIL("the agent ended by itself, " << tail_of(agent.log()));
        agent.process().kill();
        Wrong wrong = scene.look(steady, scene.told);
        CHECK(wrong.what == "");
        agent.start();
        wrong = scene.look(steady, scene.told);
        CHECK(wrong.what == "");
    }
    for (auto& agent : scene.agents) agent.await_ready();
    const auto took = scene.settle();
    std::cout << "cluster crash: " << kills << " kills, settled " << took.count()
              << " ms after the last start; seed " << seed << std::endl;
}

TEST_CASE("an upgrade under traffic loses and leaks nothing") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 4));
    scene.put(state(false));
    scene.put(NetworkPolicy(test::policy("c/dark").ingress().egress()));
    scene.settle();
    const auto unchanged = [&] {
        const Wrong wrong = scene.look();
        CHECK(wrong.what == "");
    };
    for (const std::string& program : {former_agent_program(), agent_program()}) {
        for (auto& agent : scene.agents) {
            CHECK(agent.stop() == 0);
            unchanged();
            agent.use_program(program);
            agent.start();
            unchanged();
            agent.await_ready();
            unchanged();
        }
    }
    // What was told while an agent was away is done by the next one.
    CHECK(scene.agents.front().stop() == 0);
    scene.put(state(true));
    scene.agents.front().start();
    scene.agents.front().await_ready();
    scene.settle();
}

TEST_CASE("a second agent on a node says so and ends with status 3") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 2));
    scene.put(state(false));
    scene.settle();
    constexpr int kEnvironment = 3;
    Agent second(scene.rig.lab, 0, scene.agent_kubeconfig());
    const auto status = second.process().wait(std::chrono::seconds(20));
    INFO(tail_of(second.log()));
    REQUIRE(status.has_value());
    CHECK(*status == kEnvironment);
    CHECK(scene.agents.front().process().running());
    scene.put(state(true));
    scene.settle();
}

}  // namespace podfence::lab
