// Others change our tables under traffic: it is seen, repaired and counted.
#include <algorithm>
#include <chrono>
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

}  // namespace

TEST_CASE("what others do to our table is repaired and counted") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    for (const char* ns : {"a", "b", "c"})
        scene.put(NetworkPolicy(test::policy(std::string(ns) + "/some")
                                    .ingress(test::rule().peer(test::pods("")).port(80))));
    scene.settle();
    const Host& node = scene.rig.lab.node(0);
    const std::string before = ruleset(node);
    const auto address = scene.rig.lab.pod(0).primary(Family::ipv4);
    const std::vector<std::pair<const char*, std::string>> hardships{
        {"the table deleted", "delete table inet podfence"},
        {"the table flushed", "flush table inet podfence"},
        {"an accept in front", "insert rule inet podfence " + base_chain(before) + " accept"},
        {"a pod's isolation deleted",
         "delete element inet podfence " + some_isolation(before, address)},
        {"a strange chain added", "add chain inet podfence stranger"},
    };
    for (const auto& [what, command] : hardships) {
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
    CHECK(repairs(scene.agents.front()) >= static_cast<double>(hardships.size()));
    CHECK(scene.agents.front().process().running());
    scene.agents.front().await_ready();
}

}  // namespace podfence::lab
