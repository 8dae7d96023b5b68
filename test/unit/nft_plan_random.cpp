// Plans between random tables, carried out by the kernel in memory: they lead there, are minimal,
// and say the same whatever order their operations were found in.

#include <algorithm>
#include <iterator>

#include <catch2/catch.hpp>

#include "nft/fake_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "test/support/random_table.hpp"

namespace podfence::nft {
namespace {

constexpr std::uint64_t kSeeds = 400;

void commit(FakeKernel& kernel, const Batch& batch) {
    const auto done = kernel.commit(batch, std::nullopt);
    if (!done) {
        FAIL(to_string(done.error()) << " at operation " << done.error().op.value_or(9999) << "\n"
                                     << to_text(batch));
    }
}

Table held(FakeKernel& kernel) {
    const auto snapshot = kernel.dump({});
    REQUIRE(snapshot.has_value());
    REQUIRE(snapshot->table.has_value());
    return *snapshot->table;
}

template <class Item>
std::size_t missing_in(const std::vector<Item>& from, const std::vector<Item>& in) {
    std::vector<Item> result;
    std::ranges::set_difference(from, in, std::back_inserter(result));
    return result.size();
}

/// What a change costs at least, counted by other means than the planner's.
BatchSummary least(const Table& have, const Table& want) {
    BatchSummary sum;
    const auto count = [&](const auto& old_items, const auto& new_items, auto list,
                           bool goes_with_its_set) {
        for (const auto& [name, old] : old_items) {
            const auto found = new_items.find(name);
            if (found != new_items.end()) {
                sum.elements_deleted += missing_in(list(old), list(found->second));
                sum.elements_added += missing_in(list(found->second), list(old));
            } else {
                ++sum.sets_deleted;
                sum.elements_deleted += goes_with_its_set ? 0 : list(old).size();
            }
        }
        for (const auto& [name, item] : new_items) {
            if (old_items.contains(name)) continue;
            ++sum.sets_added;
            sum.elements_added += list(item).size();
        }
    };
    count(
        have.sets, want.sets, [](const Set& set) { return set.elements; }, true);
    count(
        have.maps, want.maps, [](const Map& map) { return map.entries; }, false);
    for (const auto& [name, old] : have.chains) {
        const auto found = want.chains.find(name);
        if (found == want.chains.end()) {
            ++sum.chains_deleted;
        } else if (found->second.rules != old.rules) {
            sum.chains_replaced += old.rules.empty() ? 0 : 1;
            sum.rules_added += found->second.rules.size();
        }
    }
    for (const auto& [name, chain] : want.chains) {
        if (have.chains.contains(name)) continue;
        ++sum.chains_added;
        sum.rules_added += chain.rules.size();
    }
    return sum;
}

TEST_CASE("from any table to any other in one batch") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        INFO("seed " << seed);
        const Table have = test::random_table(seed);
        const Table want = test::random_table(seed + kSeeds);
        FakeKernel kernel;
        commit(kernel, plan(std::nullopt, have));
        REQUIRE(held(kernel) == have);
        commit(kernel, plan(have, want));
        REQUIRE(held(kernel) == want);
        REQUIRE(plan(want, want).empty());
        commit(kernel, plan_removal(want, want.id));
        REQUIRE_FALSE(kernel.dump({})->table.has_value());
    }
}

TEST_CASE("from a table to what became of it by no more than what changed") {
    std::size_t unchanged = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        INFO("seed " << seed);
        const Table first = test::random_table(seed);
        const Table second = test::changed_table(seed, first);
        FakeKernel kernel;
        commit(kernel, plan(std::nullopt, first));
        // There and back: what came goes again.
        for (const auto& [have, want] : {std::pair(&first, &second), std::pair(&second, &first)}) {
            const Batch batch = plan(*have, *want);
            INFO(to_text(batch));
            REQUIRE(summarize(batch) == least(*have, *want));
            REQUIRE(batch.empty() == (*have == *want));
            unchanged += batch.empty() ? 1 : 0;
            commit(kernel, batch);
            REQUIRE(held(kernel) == *want);
        }
    }
    CHECK(unchanged < kSeeds / 2);
}

TEST_CASE("a batch does not depend on the order its operations were found in") {
    for (std::uint64_t seed = 1; seed <= kSeeds / 4; ++seed) {
        INFO("seed " << seed);
        const Table have = test::random_table(seed);
        std::vector<Op> ops = diff(have, test::changed_table(seed, have));
        const Batch expected = order({}, ops);
        test::Random random(seed);
        for (std::size_t i = ops.size(); i > 1; --i) std::swap(ops[i - 1], ops[random.below(i)]);
        REQUIRE(order({}, ops) == expected);
    }
}

}  // namespace
}  // namespace podfence::nft
