// Others change our tables under traffic: it is seen, repaired and counted.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "test/cluster/scene.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

std::string nft(const Host& node, const std::string& text) {
    const Stay stay = node.ns.enter();
    return check_program({"nft", "-f", "-"}, text);
}

std::string ruleset(const Host& node) {
    const Stay stay = node.ns.enter();
    return check_program({"nft", "-s", "list", "table", "inet", "podfence"});
}

/// The first base chain of our table, to put a rule in front of.
std::string base_chain(const std::string& listing) {
    const auto hook = listing.find("hook forward");
    const auto chain = listing.rfind("chain ", hook);
    const auto name = chain + std::string("chain ").size();
    return listing.substr(name, listing.find(' ', name) - name);
}

/// An element of the first verdict map that has any: "egress-v4 { 10.244.1.2 }".
std::string some_isolation(const std::string& listing, const Address& pod) {
    const std::string address = to_string(pod);
    const auto at = listing.find(address + " comment");
    const auto map = listing.rfind("map ", at) + std::string("map ").size();
    return listing.substr(map, listing.find(' ', map) - map) + " { " + address + " }";
}

/// All causes together.
double repairs(Agent& agent) {
    double sum = 0;
    std::istringstream lines(agent.metrics());
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("podfence_drift_repaired_total"))
            sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
}

/// What somebody may try on the node whose table this is, as commands of nft.
std::vector<std::pair<const char*, std::string>> hardships(Scene& scene,
                                                           const std::string& listing) {
    const auto address = scene.rig.lab.pod(0).primary(Family::ipv4);
    return {
        {"the table deleted", "delete table inet podfence"},
        {"the table flushed", "flush table inet podfence"},
        {"an accept in front", "insert rule inet podfence " + base_chain(listing) + " accept"},
        {"a pod's isolation deleted",
         "delete element inet podfence " + some_isolation(listing, address)},
        {"a strange chain added", "add chain inet podfence stranger"},
    };
}

void isolate_all(Scene& scene) {
    for (const char* ns : {"a", "b", "c"})
        scene.put(NetworkPolicy(test::policy(std::string(ns) + "/some")
                                    .ingress(test::rule().peer(test::pods("")).port(80))));
    scene.settle();
}

}  // namespace

TEST_CASE("nobody else can change our table where the kernel knows owners") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    if (scene.agents.front().metric("podfence_table_owned") != 1) {
        PODFENCE_SKIP("the kernel knows no owners of tables (Linux 6.9)");
    }
    isolate_all(scene);
    const Host& node = scene.rig.lab.node(0);
    const std::string before = ruleset(node);
    for (const auto& [what, command] : hardships(scene, before)) {
        INFO(what);
        CHECK_THROWS_WITH(nft(node, command), Catch::Contains("Operation not permitted"));
    }
    CHECK(ruleset(node) == before);
    // The next agent takes over what the last one leaves, however that ended.
    scene.agents.front().process().signal(SIGKILL);
    scene.agents.front().start();
    scene.agents.front().await_ready();
    CHECK(scene.agents.front().metric("podfence_table_owned") == 1);
    CHECK_THROWS_WITH(nft(node, "delete table inet podfence"),
                      Catch::Contains("Operation not permitted"));
    const Wrong wrong = scene.look();
    CHECK(wrong.what == "");
    CHECK(scene.nodes_apart() == "");
    CHECK(repairs(scene.agents.front()) == 0);
}

TEST_CASE("what others do to our table is repaired and counted") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    scene.agents.front().stop();
    scene.agents.front().use_options({"--table-owner=off"});
    scene.agents.front().start();
    scene.agents.front().await_ready();
    CHECK(scene.agents.front().metric("podfence_table_owned") == 0);
    isolate_all(scene);
    const Host& node = scene.rig.lab.node(0);
    const std::string before = ruleset(node);
    const auto all = hardships(scene, before);
    for (const auto& [what, command] : all) {
        INFO(what);
        constexpr std::chrono::seconds kLimit{10};
        nft(node, command);
        const auto start = std::chrono::steady_clock::now();
        std::string apart;
        do apart = scene.nodes_apart();
        while (!apart.empty() && std::chrono::steady_clock::now() < start + kLimit);
        CHECK(apart == "");
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - start;
        std::cout << "cluster drift: " << what << ", right again " << took.count()
                  << " ms after nft had ended" << std::endl;
        const Wrong wrong = scene.look();
        CHECK(wrong.what == "");
    }
    CHECK(repairs(scene.agents.front()) >= static_cast<double>(all.size()));
    CHECK(scene.agents.front().process().running());
    scene.agents.front().await_ready();
}

}  // namespace podfence::lab
