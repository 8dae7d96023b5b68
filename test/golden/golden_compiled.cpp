// What the compiler makes of real input: the demo's manifests, whose ruleset is kept in a file that
// a person can check, and random clusters.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

#include "controller/compile.hpp"
#include "controller/manifest_source.hpp"
#include "nft/text.hpp"
#include "test/golden/same_ruleset.hpp"
#include "test/support/builders.hpp"
#include "test/support/generator.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

constexpr const char* kDemoManifests = PODFENCE_SOURCE_DIR "/manifests/demo";
constexpr const char* kDemoGolden = PODFENCE_SOURCE_DIR "/test/golden/demo.nft";

/// The demo's pods as its lab would run them: the manifests name no addresses.
Cluster demo() {
    const Loaded loaded = load_manifests({kDemoManifests});
    for (const Problem& problem : loaded.problems) FAIL(to_string(problem));
    Cluster cluster = loaded.cluster;
    unsigned host = 2;
    for (auto [name, pod] : loaded.cluster.pods()) {
        pod.phase = PodPhase::running;
        pod.addresses = {ip("10.244.1." + std::to_string(host)),
                         ip("fd00:10:244:1::" + std::to_string(host))};
        ++host;
        cluster.put(pod);
    }
    return cluster;
}

std::string read_file(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Every node's ruleset, with and without what an operator may switch on.
void check_every_node(const Cluster& cluster) {
    for (const char* node : {"n1", "n2", "node1", "node2"}) {
        const CompileOptions plain{.node = node};
        const Compiled compiled = compile_all(cluster, plain);
        if (compiled.local_pods == 0) continue;
        INFO("node " << node);
        check_same_ruleset(compiled.table);
        check_same_ruleset(compile_all(cluster, {.node = node,
                                                 .priority = 5,
                                                 .counters = true,
                                                 .log_group = 7,
                                                 .pod_to_node_enforced = true})
                               .table);
    }
}

}  // namespace

// After a change of the layout that is meant: PODFENCE_UPDATE_GOLDEN=1
// build/release/test/test_golden and read the difference, for it is what every node will get.
TEST_CASE("the demo's ruleset is the one in demo.nft") {
    const Compiled compiled = compile_all(demo(), {.node = "node1"});
    CHECK(compiled.isolated_pods == 2);
    const std::string text = nft::to_text(compiled.table);
    if (std::getenv("PODFENCE_UPDATE_GOLDEN") != nullptr) std::ofstream(kDemoGolden) << text;
    CHECK(read_file(kDemoGolden) == text);
}

TEST_CASE("the demo's rulesets: nft of our text and our encoder make the same") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    check_every_node(demo());
}

TEST_CASE("random clusters' rulesets: nft of our text and our encoder make the same") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    constexpr std::uint64_t kSeeds = 25;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        INFO("seed " << seed);
        check_every_node(Generator(seed).cluster());
    }
}
