// What the compiler makes of real input: the demo's manifests, whose ruleset is kept in a file that
// a person can check, and random clusters.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/compile.hpp"
#include "controller/manifest_source.hpp"
#include "nft/text.hpp"
#include "test/golden/same_ruleset.hpp"
#include "test/support/builders.hpp"
#include "test/support/generator.hpp"
#include "test/support/paths.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const std::string kDemoManifests = in_source_tree("manifests/demo");
const std::string kDemoGolden = in_source_tree("test/golden/demo.nft");

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

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Adds every node's ruleset, with and without what an operator may switch on.
void compile_every_node(const Cluster& cluster, const std::string& title,
                        std::vector<nft::Table>& into) {
    for (const std::string node : {"n1", "n2", "node1", "node2"}) {
        const Compiled compiled =
            compile_all(cluster, {.node = node, .table = {.name = title + "-" + node}});
        if (compiled.local_pods == 0) continue;
        into.push_back(compiled.table);
        into.push_back(compile_all(cluster, {.node = node,
                                             .table = {.name = title + "-" + node + "-more"},
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
    std::vector<nft::Table> tables;
    compile_every_node(demo(), "demo", tables);
    CHECK(tables.size() == 4);
    check_same_rulesets(tables);
}

TEST_CASE("random clusters' rulesets: nft of our text and our encoder make the same") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    constexpr std::uint64_t kSeeds = 40;
    std::vector<nft::Table> tables;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        compile_every_node(Generator(seed).cluster(), "seed-" + std::to_string(seed), tables);
    }
    CHECK(tables.size() > kSeeds);
    check_same_rulesets(tables);
}
