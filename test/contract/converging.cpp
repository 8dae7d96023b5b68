#include <algorithm>

#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"
#include "test/support/effort.hpp"
#include "test/support/random_table.hpp"

// From whatever the kernel holds to what is wanted.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

Converged converged(Kernel& kernel, const Table& want) {
    auto result = converge(kernel, want);
    if (!result) FAIL(to_string(result.error()));
    return *std::move(result);
}

}  // namespace

CONTRACT_TEST("converging from nothing, and a second time with nothing to do") {
    CHECK_FALSE(converged(kernel, small_table()).batch.empty());
    check_holds(kernel, small_table());
    const std::uint32_t generation = dump(kernel).generation;
    const Converged again = converged(kernel, small_table());
    CHECK(again.batch.empty());
    CHECK(again.attempts == 1);
    CHECK(dump(kernel).generation == generation);
}

CONTRACT_TEST("a commit tells how many transactions it was, and converging counts on it") {
    Table table = small_table();
    Set& set = table.sets["large"];
    set.spec = hash4(65536);  // Without a size it grows while it is dumped, which loses some.
    for (std::uint32_t i = 0; i < 40'000; ++i) set.elements.push_back(one(i));
    const std::uint32_t before = dump(kernel).generation;
    const auto done = kernel.commit(plan(std::nullopt, table), std::nullopt);
    REQUIRE(done.has_value());
    CHECK(dump(kernel).generation == advance(before, *done));
    CHECK(remove(kernel, table.id).has_value());
    const Converged result = converged(kernel, table);
    CHECK(result.attempts == 1);
    CHECK(result.batch.ops.size() > 3);
    check_holds(kernel, table);
}

CONTRACT_TEST("converging between random tables") {
    for (std::uint64_t seed = 5000; seed < 5000 + test::effort(40); ++seed) {
        INFO("seed " << seed);
        const Table want = random_table(seed);
        converged(kernel, want);
        check_holds(kernel, want);
    }
}

CONTRACT_TEST("converging repairs what others did to the table") {
    Table table = small_table();
    converged(kernel, table);
    commit(kernel, {.table = table.id,
                    .ops = {DeleteElements{.set = "pods",
                                           .spec = hash4(16),
                                           .elements = {table.sets["pods"].elements.front()}},
                            AddElements{.set = "pods", .spec = hash4(16), .elements = {one(7)}},
                            FlushChain{.name = "forward-in"},
                            AddChain{.name = "extra", .base = {}, .comment = {}},
                            AddSet{.name = "extra", .spec = tree4()}}});
    const Converged repair = converged(kernel, table);
    CHECK_FALSE(repair.rebuilt);
    check_holds(kernel, table);
}

CONTRACT_TEST("removing leaves no table, and is content without one") {
    converged(kernel, small_table());
    REQUIRE(nft::remove(kernel, small_table().id).has_value());
    CHECK_FALSE(dump(kernel).table.has_value());
    const auto again = nft::remove(kernel, small_table().id);
    REQUIRE(again.has_value());
    CHECK(again->batch.empty());
}
