// Writing a random cluster as manifests and reading them back gives the same cluster, so what the
// generator covers, decoding covers, too.
#include <catch2/catch.hpp>

#include "controller/manifest_source.hpp"
#include "test/support/generator.hpp"
#include "test/support/manifest.hpp"
#include "test/support/shrink.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// Peers without any field match nothing (N16): reading leaves them out.
void simplify(std::vector<PolicyRule>& rules) {
    for (auto& rule : rules) {
        rule.pos = {};
        std::erase(rule.peers, Peer{PodPeer{}});
    }
}

/// Without what cannot survive: positions, which only what was read has, and empty peers.
Cluster simplified(const Cluster& cluster) {
    Cluster made;
    for (auto [name, ns] : cluster.namespaces()) {
        ns.pos = {};
        made.put(ns);
    }
    for (auto [name, pod] : cluster.pods()) {
        pod.pos = {};
        made.put(pod);
    }
    for (auto [name, policy] : cluster.policies()) {
        policy.pos = {};
        simplify(policy.ingress_rules);
        simplify(policy.egress_rules);
        made.put(policy);
    }
    return made;
}

Loaded read_back(const Cluster& cluster) {
    Loaded loaded = load_text("random.yaml", to_manifest(cluster));
    loaded.cluster = simplified(loaded.cluster);
    return loaded;
}

}  // namespace

TEST_CASE("Random clusters survive being written and read", "[property]") {
    constexpr std::uint64_t clusters = 300;
    std::size_t policies = 0;
    for (std::uint64_t seed = 1; seed <= clusters; ++seed) {
        Generator generator(seed);
        const Cluster cluster = generator.cluster();
        const auto changes = [](const Cluster& c) {
            return !(read_back(c).cluster == simplified(c));
        };
        policies += cluster.policies().size();
        if (!changes(cluster)) continue;
        const Cluster small = shrink(cluster, changes);
        const Loaded read = read_back(small);
        std::string problems;
        for (const auto& problem : read.problems) problems += to_string(problem) + "\n";
        INFO("seed " << seed << "\n"
                     << to_manifest(small) << "read back as\n"
                     << to_manifest(read.cluster) << problems);
        FAIL("a cluster changed by being written and read");
    }
    CHECK(policies > clusters);
}
