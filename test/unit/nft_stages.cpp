#include <catch2/catch.hpp>

#include "nft/fake_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/stages.hpp"
#include "test/support/random_table.hpp"

// In which order the parts of a batch may take effect, so that packets meet the old ruleset or the
// new one and nothing between.

using namespace podfence;
using namespace podfence::nft;

namespace {

const SetSpec kHash{.key = {FieldType::ipv4_addr}};

MapEntry entry_to(const std::string& chain) {
    return {.key = {}, .verdict = {.kind = VerdictKind::go_to, .chain = chain}};
}

/// From one class chain and its port map to another, as a change of policy does it.
Batch turn() {
    return order({}, {AddMap{"new-ports", kHash}, AddChain{"new", {}, {}},
                      AddEntries{"new-ports", kHash, {entry_to("new")}},
                      AddRules{"new", {{.statements = {Verdict{}}}}},
                      DeleteEntries{"dispatch", kHash, {entry_to("old")}},
                      AddEntries{"dispatch", kHash, {entry_to("new")}},
                      DeleteEntries{"old-ports", kHash, {entry_to("old")}}, DeleteSet{"old-ports"},
                      FlushChain{"old"}, DeleteChain{"old"}});
}

}  // namespace

TEST_CASE("stages: made first, then turned to, then deleted") {
    const auto result = Stages(turn()).all();
    REQUIRE(result.size() == 3);
    CHECK(result[0].ops == std::vector<Op>{AddMap{"new-ports", kHash}, AddChain{"new", {}, {}},
                                           AddRules{"new", {{.statements = {Verdict{}}}}},
                                           AddEntries{"new-ports", kHash, {entry_to("new")}}});
    CHECK(result[1].ops == std::vector<Op>{DeleteEntries{"dispatch", kHash, {entry_to("old")}},
                                           AddEntries{"dispatch", kHash, {entry_to("new")}}});
    CHECK(result[2].ops == std::vector<Op>{DeleteEntries{"old-ports", kHash, {entry_to("old")}},
                                           FlushChain{"old"}, DeleteSet{"old-ports"},
                                           DeleteChain{"old"}});
}

TEST_CASE("stages: a base chain goes when its successor comes") {
    // Between two stages both would judge: what both rulesets allow, one of them alone may not.
    const BaseChain hook{.hook = Hook::forward};
    const auto result =
        Stages(order({}, {AddSet{"new", kHash}, AddChain{"base-2", hook, {}}, FlushChain{"base-1"},
                          DeleteChain{.name = "base-1", .base = true}, DeleteSet{"old"}}))
            .all();
    REQUIRE(result.size() == 3);
    CHECK(result[1].ops.size() == 3);
    CHECK(result[2].ops == std::vector<Op>{DeleteSet{"old"}});
}

TEST_CASE("stages: a changed element is one transaction") {
    const Batch batch{.table = {},
                      .ops = {AddElements{"pods", kHash, {Element{}}},
                              DeleteElements{"pods", kHash, {Element{}}}}};
    CHECK(Stages(batch).all() == std::vector<Batch>{batch});
    CHECK(Stages(Batch{}).all().empty());
}

TEST_CASE("stages: a table that is made anew is one transaction") {
    Batch batch = plan(std::nullopt, test::random_table(3));
    batch.ops.insert(batch.ops.begin(), DeleteTable{});
    CHECK(Stages(batch).all() == std::vector<Batch>{batch});
}

TEST_CASE("stages: nothing is lost, and the kernel takes each") {
    for (std::uint64_t seed = 1; seed < 60; ++seed) {
        INFO("seed " << seed);
        FakeKernel kernel;
        const Table have = test::random_table(seed);
        const Table want = test::random_table(seed + 1000);
        REQUIRE(kernel.commit(plan(std::nullopt, have), std::nullopt).has_value());
        const Batch batch = plan(have, want);
        std::size_t operations = 0;
        for (const Batch& stage : Stages(batch).all()) {
            CHECK(kernel.commit(stage, std::nullopt).has_value());
            operations += stage.ops.size();
        }
        CHECK(operations == batch.ops.size());
        CHECK((kernel.dump(want.id)->table == want));
    }
}
