// Plans between random states: the kernel takes each, and then holds what was wanted. Once by one
// batch, once in the stages that converge() commits; on the kernel in memory and on the real one.
#include "controller/compile.hpp"
#include "nft/stages.hpp"
#include "test/contract/subject.hpp"
#include "test/support/effort.hpp"
#include "test/support/generator.hpp"
#include "test/support/random_table.hpp"

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

const std::uint64_t kTables = effort(60);
const std::uint64_t kClusters = effort(20);
constexpr int kEvents = 8;

enum class Way : std::uint8_t { one_batch, staged };

/// Plans from what the kernel holds, and commits that.
void lead(Kernel& kernel, const Table& want, Way way) {
    const Batch batch = plan(dump(kernel, want.id).table, want);
    INFO(to_text(batch));
    if (way == Way::staged) {
        for (const Batch& stage : Stages(batch).all()) commit(kernel, stage);
    } else if (!batch.empty()) {
        commit(kernel, batch);
    }
    check_holds(kernel, want);
    REQUIRE(plan(dump(kernel, want.id).table, want).empty());
}

Way way_of(std::uint64_t seed) {
    return seed % 2 == 0 ? Way::one_batch : Way::staged;
}

}  // namespace

CONTRACT_TEST("a plan leads from any random table to any other, and back to none") {
    for (std::uint64_t seed = 1; seed <= kTables; ++seed) {
        INFO("seed " << seed);
        lead(kernel, random_table(seed), way_of(seed));
    }
    commit(kernel, plan_removal(dump(kernel).table, {}));
    CHECK_FALSE(dump(kernel).table.has_value());
}

CONTRACT_TEST("a plan leads from a random table to what becomes of it, and back") {
    for (std::uint64_t seed = 1; seed <= kTables; ++seed) {
        INFO("seed " << seed);
        const Table first = random_table(seed);
        const Table second = changed_table(seed, first);
        lead(kernel, first, Way::one_batch);
        lead(kernel, second, way_of(seed));
        lead(kernel, first, way_of(seed));
    }
}

CONTRACT_TEST("plans follow what a random cluster is compiled to, event by event") {
    for (std::uint64_t seed = 1; seed <= kClusters; ++seed) {
        Generator generator(seed);
        Cluster cluster = generator.cluster();
        const CompileOptions options{.node = "n1", .counters = seed % 3 == 0};
        for (int event = 0; event <= kEvents; ++event) {
            INFO("seed " << seed << " event " << event);
            if (event > 0) test::apply(cluster, generator.event(cluster));
            lead(kernel, compile_all(cluster, options).table, way_of(seed));
        }
    }
}
