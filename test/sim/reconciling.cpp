#include <catch2/catch.hpp>

#include "test/sim/world.hpp"
#include "test/support/effort.hpp"

// The agent's core in a simulated world: random events of the cluster, errors of the kernel,
// strangers, crashes and jumps of time. At every quiet point the kernel must hold exactly what the
// specification (compile_all) says, and between two of them no packet may meet a verdict that no
// state in between would give.

using namespace podfence::test;

namespace {

constexpr std::size_t kEvents = 500;

void live_through(std::uint64_t first_seed, std::size_t all_worlds) {
    const std::size_t worlds = effort(all_worlds);
    SimulationTally total;
    for (std::uint64_t seed = first_seed; seed < first_seed + worlds; ++seed) {
        World world(seed);
        const std::string wrong = world.run(kEvents);
        if (!wrong.empty()) FAIL(wrong);
        total += world.tally();
    }
    WARN("simulated " << total.events << " events, " << total.commits << " commits, "
                      << total.faults << " faults, " << total.tampered << " tamperings, "
                      << total.repelled << " repelled, " << total.returns << " returns, "
                      << total.crashes << " crashes, " << total.refused << " refused policies, "
                      << total.verdicts << " verdicts, " << total.waits << " waits for packets and "
                      << total.stops << " stops, " << total.quiet << " quiet points; seeds "
                      << first_seed << ".." << first_seed + worlds - 1);
    // A generator that went blind is noticed.
    CHECK(total.events >= worlds * kEvents);
    CHECK(total.commits > worlds * kEvents / 5);
    CHECK(total.faults > worlds * kEvents / 200);
    CHECK(total.tampered > worlds * kEvents / 50);
    CHECK(total.repelled > worlds * kEvents / 100);
    CHECK(total.crashes > worlds * 2);
    CHECK(total.returns > worlds);
    CHECK(total.refused > worlds);
    CHECK(total.verdicts > worlds * kEvents);
    CHECK(total.waits > worlds * 10);
    CHECK(total.stops > worlds);
    CHECK(total.quiet > worlds * 20);
}

}  // namespace

// 100,000 events, in parts that run side by side.
TEST_CASE("whatever happens, the kernel ends up right and is never wrong in between: 1 of 4") {
    live_through(1, 50);
}
TEST_CASE("whatever happens, the kernel ends up right and is never wrong in between: 2 of 4") {
    live_through(51, 50);
}
TEST_CASE("whatever happens, the kernel ends up right and is never wrong in between: 3 of 4") {
    live_through(101, 50);
}
TEST_CASE("whatever happens, the kernel ends up right and is never wrong in between: 4 of 4") {
    live_through(151, 50);
}
