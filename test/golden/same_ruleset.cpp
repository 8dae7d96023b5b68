#include "test/golden/same_ruleset.hpp"

#include <stdexcept>

#include <catch2/catch.hpp>

#include "nft/netlink_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "test/support/netns.hpp"

namespace podfence::test {

using namespace nft;

namespace {

struct Made {
    std::string listing;  ///< What `nft list ruleset` prints.
    Table dumped;
};

Made look(Kernel& kernel, const TableId& id) {
    auto snapshot = kernel.dump(id);
    if (!snapshot) throw std::runtime_error(to_string(snapshot.error()));
    if (!snapshot->table) throw std::runtime_error("no table after it was made");
    return {.listing = run_shell("nft list ruleset"), .dumped = *std::move(snapshot->table)};
}

Made make_by_nft(const Table& table) {
    const PrivateNetns netns;
    nft_load(to_text(table));
    return look(**NetlinkKernel::open(), table.id);
}

Made make_by_us(const Table& table) {
    const PrivateNetns netns;
    const auto kernel = NetlinkKernel::open();
    if (const auto committed = (*kernel)->commit(plan(std::nullopt, table), std::nullopt);
        !committed) {
        throw std::runtime_error(to_string(committed.error()));
    }
    return look(**kernel, table.id);
}

}  // namespace

std::optional<std::string> golden_missing() {
    const auto netns = PrivateNetns::missing();
    return netns ? netns : nft_missing();
}

void check_same_ruleset(const Table& table) {
    INFO(to_text(table));
    const Made by_nft = make_by_nft(table);
    const Made by_us = make_by_us(table);
    CHECK(by_us.listing == by_nft.listing);
    CHECK(to_text(by_us.dumped) == to_text(table));
    CHECK((by_us.dumped == table));
    CHECK(to_text(by_nft.dumped) == to_text(table));
    CHECK((by_nft.dumped == table));
}

}  // namespace podfence::test
