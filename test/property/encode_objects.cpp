// Random clusters survive being served by the agent's local API and read back, so what the
// generator covers, decoding covers, too.
#include "controller/encode_objects.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/manifest_source.hpp"
#include "test/support/generator.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

std::string encoded(const Cluster& cluster) {
    boost::json::array items;
    for (const auto& [name, ns] : cluster.namespaces()) items.push_back(encode(ns));
    for (const auto& [name, policy] : cluster.policies()) items.push_back(encode(policy));
    for (const auto& [name, pod] : cluster.pods()) items.push_back(encode(pod));
    return boost::json::serialize(
        boost::json::object{{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}});
}

/// Without what reading makes afresh (the index of a rule) or never gives (peers without fields).
Cluster comparable(const Cluster& cluster) {
    Cluster out = without_positions(cluster);
    for (auto [name, policy] : cluster.policies()) {
        policy.pos = {};
        for (auto* rules : {&policy.ingress_rules, &policy.egress_rules}) {
            std::uint32_t index = 0;
            for (PolicyRule& rule : *rules) {
                rule.index = index++;
                rule.pos = {};
                std::erase(rule.peers, Peer{PodPeer{}});
            }
        }
        out.put(std::move(policy));
    }
    return out;
}

}  // namespace

TEST_CASE("Random clusters survive being served and read", "[property]") {
    constexpr std::uint64_t clusters = 300;
    std::size_t policies = 0;
    std::size_t closed = 0;
    for (std::uint64_t seed = 1; seed <= clusters; ++seed) {
        Generator generator(seed);
        Cluster cluster = generator.cluster();
        for (int i = 0; i < 20; ++i) test::apply(cluster, generator.event(cluster));
        const std::string text = encoded(cluster);
        const Loaded loaded = load_text("", text);
        INFO("seed " << seed << "\n" << text << "\n" << all_problems(loaded));
        REQUIRE(comparable(loaded.cluster) == comparable(cluster));
        // Behind the mark it is YAML, and read by another reader.
        const Loaded as_yaml = load_text("", "--- " + text);
        REQUIRE(comparable(as_yaml.cluster) == comparable(cluster));
        REQUIRE(as_yaml.problems == loaded.problems);
        policies += cluster.policies().size();
        closed += loaded.problems.empty() ? 0 : 1;
    }
    CHECK(policies > clusters);
    CHECK(closed > clusters / 20);  // Lists that match nothing were among them.
}
