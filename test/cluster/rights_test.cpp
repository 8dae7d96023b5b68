// The agent under exactly the rights that manifests/ gives it, and under less.
#include <chrono>
#include <fstream>
#include <iterator>

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "nft/netlink_kernel.hpp"
#include "test/cluster/scene.hpp"
#include "test/support/builders.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

const std::string kRole = "/apis/rbac.authorization.k8s.io/v1/clusterroles/podfence";

/// The role without one verb of one rule.
std::string lesser_role(Scene& scene, std::size_t rule, const char* verb) {
    auto role = scene.api.get(kRole);
    auto& verbs = role.at("rules").as_array().at(rule).at("verbs").as_array();
    for (auto at = verbs.begin(); at != verbs.end(); ++at) {
        if (at->as_string() != verb) continue;
        verbs.erase(at);
        break;
    }
    role.at("metadata").as_object().erase("managedFields");
    return boost::json::serialize(role);
}

std::string read(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t lines_with(const std::string& text, const std::string& word) {
    std::size_t lines = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; ++lines)
        at = text.find(word, text.find('\n', at));
    return lines;
}

}  // namespace

TEST_CASE("without one verb the agent keeps the rules, is not ready, and says which one, once") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    struct Lack {
        std::size_t rule;
        const char* verb;
        const char* resource;
    };
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 2));
    scene.put(NetworkPolicy(test::policy("a/shut").ingress()));
    scene.settle();
    Agent& agent = scene.agents.front();
    const Cluster before = scene.told;
    for (const Lack& lack :
         {Lack{0, "list", "pods"}, Lack{0, "watch", "pods"}, Lack{1, "list", "networkpolicies"},
          Lack{1, "watch", "networkpolicies"}}) {
        INFO("without " << lack.verb << " of " << lack.resource);
        agent.stop();
        const std::size_t said = read(agent.log()).size();
        scene.api.apply(kRole, lesser_role(scene, lack.rule, lack.verb));
        agent.start();
        // It tries for a while, so that what it says is what it says when it goes on like this.
        constexpr std::chrono::seconds kWhile{4};
        const auto ended = agent.process().wait(kWhile);
        REQUIRE_FALSE(ended.has_value());
        CHECK_FALSE(agent.ready());
        CHECK(scene.look(scene.flows(), before).what == "");
        const std::string log = read(agent.log()).substr(said);
        INFO(log);
        CHECK(log.find(lack.resource) != std::string::npos);
        constexpr std::size_t kLinesMax = 3;
        CHECK(lines_with(log, lack.resource) <= kLinesMax);
        scene.api.apply(kRole, Scene::manifest("base/cluster-role.yaml"));
        agent.await_ready(std::chrono::seconds(90));
    }
}

TEST_CASE("to hold unknown pods the agent must read its node, or it is not ready and says so") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 2));
    scene.put(NetworkPolicy(test::policy("a/shut").ingress()));
    scene.settle();
    Agent& agent = scene.agents.front();
    const std::string node = scene.rig.lab.node(0).name;
    const auto refuses = [&](const std::string& why) {
        const std::size_t said = read(agent.log()).size();
        agent.start();
        constexpr std::chrono::seconds kWhile{4};
        REQUIRE_FALSE(agent.process().wait(kWhile).has_value());
        CHECK_FALSE(agent.ready());
        const std::string log = read(agent.log()).substr(said);
        INFO(log);
        CHECK(lines_with(log, why) == 1);
        CHECK(lines_with(log, "--pod-cidr") + lines_with(log, "--node") >= 1);
        // What was enforced goes on.
        CHECK(scene.look().what == "");
        agent.stop();
    };
    agent.stop();
    agent.use_options({"--unknown-pods=hold"});
    refuses("may not get node " + node);
    auto role = scene.api.get(kRole);
    role.at("metadata").as_object().erase("managedFields");
    role.at("rules").as_array().push_back(
        {{"apiGroups", {""}}, {"resources", {"nodes"}}, {"verbs", {"get"}}});
    scene.api.apply(kRole, boost::json::serialize(role));
    refuses("there is no node " + node);
    const auto tell_node = [&](const boost::json::object& spec) {
        scene.api.apply("/api/v1/nodes/" + node,
                        boost::json::serialize(boost::json::object{{"apiVersion", "v1"},
                                                                   {"kind", "Node"},
                                                                   {"metadata", {{"name", node}}},
                                                                   {"spec", spec}}));
    };
    tell_node({});
    refuses("has no spec.podCIDRs");
    agent.start();
    tell_node({{"podCIDR", "10.244.1.0/24"}, {"podCIDRs", {"10.244.1.0/24"}}});
    agent.await_ready(std::chrono::seconds(90));
    CHECK(scene.look().what == "");
    const Stay stay = scene.rig.lab.node(0).ns.enter();
    const auto table = nft::NetlinkKernel::open().value()->dump({}).value().table;
    REQUIRE(table.has_value());
    CHECK(table->sets.contains("held-v4"));
    CHECK(table->chains.contains("unknown-egress"));
}

}  // namespace podfence::lab
