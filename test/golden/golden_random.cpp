// Random tables, with every kind of set, map and statement, also those that the compiler never
// makes.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/golden/same_ruleset.hpp"
#include "test/support/effort.hpp"
#include "test/support/random_table.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

std::vector<nft::Table> random_tables(nft::TableFamily family, std::uint64_t seeds) {
    std::vector<nft::Table> tables;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        tables.push_back(
            random_table(seed, {.family = family, .name = "seed-" + std::to_string(seed)}));
    }
    return tables;
}

}  // namespace

TEST_CASE("random inet tables: nft of our text and our encoder make the same ruleset") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    check_same_rulesets(random_tables(nft::TableFamily::inet, effort(100)));
}

TEST_CASE("random netdev tables: nft of our text and our encoder make the same ruleset") {
    if (const auto why = golden_missing()) PODFENCE_SKIP(*why);
    check_same_rulesets(random_tables(nft::TableFamily::netdev, effort(30)));
}
