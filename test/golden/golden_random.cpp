// Random tables, with every kind of set, map and statement, also those that the compiler never
// makes.
#include <catch2/catch.hpp>

#include "test/golden/same_ruleset.hpp"
#include "test/support/random_table.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

constexpr std::uint64_t kSeeds = 60;

}  // namespace

TEST_CASE("random inet tables: nft of our text and our encoder make the same ruleset") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        INFO("seed " << seed);
        check_same_ruleset(random_table(seed));
    }
}

TEST_CASE("random netdev tables: nft of our text and our encoder make the same ruleset") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    for (std::uint64_t seed = 1; seed <= kSeeds / 4; ++seed) {
        INFO("seed " << seed);
        check_same_ruleset(random_table(seed, {.family = nft::TableFamily::netdev}));
    }
}
