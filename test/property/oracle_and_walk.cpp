// Two judges that share no code agree on every flow of random clusters: the oracle on the objects,
// and a packet's walk through what is compiled for every node it crosses. `test/run --soak` goes on
// where this ends.
#include <cstdlib>

#include <catch2/catch.hpp>

#include "test/support/agreement.hpp"
#include "test/support/effort.hpp"

using namespace podfence::test;

namespace {

const std::size_t kClusters = effort(5000);  // 400,000 flows in all.

void check_cluster(std::uint64_t seed, Tally& tally) {
    if (const auto found = find_disagreement(seed, tally)) {
        INFO("PODFENCE_SEED=" << seed);
        FAIL(*found);
    }
}

}  // namespace

TEST_CASE("Random clusters: the oracle and the compiled ruleset agree", "[property]") {
    Tally tally;
    if (const char* seed = std::getenv("PODFENCE_SEED")) {
        check_cluster(std::strtoull(seed, nullptr, 10), tally);
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
    CHECK(tally.held * 50 > tally.flows);
}
