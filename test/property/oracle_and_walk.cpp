// Two judges that share no code agree on every flow of random clusters: the oracle on the objects,
// and a packet's walk through what is compiled for every node it crosses.
#include <cstdlib>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "test/support/generator.hpp"
#include "test/support/judge.hpp"
#include "test/support/manifest.hpp"
#include "test/support/shrink.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

constexpr std::size_t kClusters = 5000;
constexpr std::size_t kFlowsPerCluster = 80;  // 400,000 flows in all.

/// PODFENCE_SEED=N runs just the cluster of that seed.
std::optional<std::uint64_t> wanted_seed() {
    const char* text = std::getenv("PODFENCE_SEED");
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

/// Everything a person needs to see why the judges disagree, on as little as shows it.
std::string disagreement(const Cluster& cluster, const Flow& flow, const ExplainOptions& options) {
    const auto fails = [&](const Cluster& c) {
        return allowed(c, flow, options) != RulesetJudge(c, options).allowed(flow);
    };
    const Cluster small = shrink(cluster, fails);
    return to_string(flow) + "\noracle: " + (allowed(small, flow, options) ? "allow" : "deny") +
           (options.pod_to_node_enforced ? " (pod to node enforced)" : "") + "\n" +
           RulesetJudge(small, options).trace(flow) + to_manifest(small);
}

/// How many flows of each kind were judged, so that a generator that went blind is noticed.
struct Tally {
    std::size_t flows = 0, allowed = 0, judged = 0, judged_and_allowed = 0;
};

void check_cluster(std::uint64_t seed, Tally& tally) {
    Generator generator(seed);
    const Cluster cluster = generator.cluster();
    const ExplainOptions options{.pod_to_node_enforced = generator.random().percent(30)};
    const RulesetJudge judge(cluster, options);
    const FlowGenerator flows(cluster, generator.options());
    for (std::size_t i = 0; i < kFlowsPerCluster; ++i) {
        const Flow flow = flows.next(generator.random());
        const bool verdict = allowed(cluster, flow, options);
        if (judge.allowed(flow) != verdict) {
            INFO("PODFENCE_SEED=" << seed << "\n" << disagreement(cluster, flow, options));
            FAIL("the oracle and the compiled ruleset disagree");
        }
        const Explanation why = explain(cluster, flow, options);
        if (why.allowed() != verdict) {
            INFO("PODFENCE_SEED=" << seed << "\n"
                                  << to_string(flow) << "\n"
                                  << to_manifest(cluster));
            FAIL("explain() and allowed() disagree");
        }
        const bool judged = (why.egress.isolated() && why.egress.exemption == Exemption::none) ||
                            (why.ingress.isolated() && why.ingress.exemption == Exemption::none);
        ++tally.flows;
        tally.allowed += verdict ? 1 : 0;
        tally.judged += judged ? 1 : 0;
        tally.judged_and_allowed += judged && verdict ? 1 : 0;
    }
}

}  // namespace

TEST_CASE("Random clusters: the oracle and the compiled ruleset agree", "[property]") {
    Tally tally;
    if (const auto seed = wanted_seed()) {
        check_cluster(*seed, tally);
        return;
    }
    for (std::uint64_t seed = 1; seed <= kClusters; ++seed) check_cluster(seed, tally);
    INFO(tally.flows << " flows, " << tally.allowed << " allowed, " << tally.judged
                     << " judged by policies, of these " << tally.judged_and_allowed << " allowed");
    CHECK(tally.flows == kClusters * kFlowsPerCluster);
    // A quarter of the flows must be judged by policies, and neither verdict be rare among these.
    CHECK(tally.judged * 4 > tally.flows);
    CHECK(tally.judged_and_allowed * 8 > tally.judged);
    CHECK((tally.judged - tally.judged_and_allowed) * 8 > tally.judged);
}
