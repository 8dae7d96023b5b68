// Everything at once on real nodes with real agents: policies, labels, pods, addresses, interfaces
// and Services change while connections live and pods lie about who they are. PODFENCE_SEED repeats
// a run, PODFENCE_LIFE_STEPS makes it longer.
#include <cstdlib>
#include <iostream>
#include <string>

#include <catch2/catch.hpp>

#include "test/support/effort.hpp"
#include "test/support/lab_life.hpp"
#include "test/support/lab_rig.hpp"

namespace podfence::lab {
namespace {

std::size_t steps_of_run() {
    const char* text = std::getenv("PODFENCE_LIFE_STEPS");
    return text == nullptr ? test::effort(40) : std::stoul(text);
}

void live(Wiring wiring, const std::string& title) {
    const std::uint64_t seed = seed_of_run();
    INFO("PODFENCE_SEED=" << seed);
    Life life(wiring, seed);
    const std::size_t steps = steps_of_run();
    for (std::size_t step = 0; step < steps; ++step) {
        if (const auto wrong = life.step()) {
            INFO("step " << step << " of " << steps << "\n" << life.logs());
            FAIL(*wrong);
        }
    }
    const auto& totals = life.totals();
    std::cout << "lab life " << title << ": seed " << seed << "; " << totals.events << " events, "
              << totals.rewired << " new interfaces; new connections: " << totals.connected
              << " allowed, " << totals.denied << " denied; open ones: " << totals.kept
              << " lived through a change, " << totals.cut << " cut; frames: " << totals.forged
              << " forged, none passed, " << totals.honest << " honest" << std::endl;
    CHECK(totals.kept + totals.cut > steps / 4);
    CHECK(totals.connected + totals.denied == 5 * steps);
}

}  // namespace

TEST_CASE("Lab N73, D4, D7: random life of pods that lie and connections that last, bridge") {
    live(Wiring::bridge, "bridge");
}

TEST_CASE("Lab N73, D4, D7: random life of pods that lie and connections that last, ptp") {
    live(Wiring::ptp, "ptp");
}

}  // namespace podfence::lab
