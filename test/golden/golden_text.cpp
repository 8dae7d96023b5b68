#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "nft/netlink_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "test/support/netns.hpp"
#include "test/support/random_table.hpp"
#include "test/support/skip.hpp"

// Our text through nft and our values through our own encoder must make the same ruleset: nft lists
// both identically, and both dump to the value they came from.

using namespace podfence;
using namespace podfence::nft;

namespace {

constexpr std::uint64_t kSeeds = 60;

struct Made {
    std::string listing;  ///< What `nft list ruleset` prints.
    Table dumped;
};

Made look(Kernel& kernel, const TableId& id) {
    auto snapshot = kernel.dump(id);
    if (!snapshot) throw std::runtime_error(to_string(snapshot.error()));
    if (!snapshot->table) throw std::runtime_error("no table after it was made");
    return {.listing = test::run_shell("nft list ruleset"), .dumped = *std::move(snapshot->table)};
}

Made make_by_nft(const Table& table) {
    const test::PrivateNetns netns;
    test::nft_load(to_text(table));
    return look(**NetlinkKernel::open(), table.id);
}

Made make_by_us(const Table& table) {
    const test::PrivateNetns netns;
    const auto kernel = NetlinkKernel::open();
    if (const auto committed = (*kernel)->commit(plan(std::nullopt, table), std::nullopt);
        !committed) {
        throw std::runtime_error(to_string(committed.error()));
    }
    return look(**kernel, table.id);
}

void check(const Table& table) {
    INFO(to_text(table));
    const Made by_nft = make_by_nft(table);
    const Made by_us = make_by_us(table);
    CHECK(by_us.listing == by_nft.listing);
    CHECK(to_text(by_us.dumped) == to_text(table));
    CHECK(by_us.dumped == table);
    CHECK(to_text(by_nft.dumped) == to_text(table));
    CHECK(by_nft.dumped == table);
}

std::optional<std::string> missing() {
    const auto netns = test::PrivateNetns::missing();
    return netns ? netns : test::nft_missing();
}

}  // namespace

TEST_CASE("random inet tables: nft of our text and our encoder make the same ruleset") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        INFO("seed " << seed);
        check(test::random_table(seed));
    }
}

TEST_CASE("random netdev tables: nft of our text and our encoder make the same ruleset") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    for (std::uint64_t seed = 1; seed <= kSeeds / 4; ++seed) {
        INFO("seed " << seed);
        check(test::random_table(seed, {.family = TableFamily::netdev}));
    }
}
