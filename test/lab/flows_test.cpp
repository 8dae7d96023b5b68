// Three judges on random clusters: the oracle, a walk through the compiled rules, and real packets
// through the kernel. PODFENCE_SEED repeats a run; `test/run --soak` goes on where this ends.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <catch2/catch.hpp>

#include "test/support/lab_agreement.hpp"

namespace podfence::lab {
namespace {

/// 10 seeds a lab, 10,000 flows. PODFENCE_LAB_SEEDS=N makes it N, for slow machines.
std::size_t seeds_of_run() {
    const char* text = std::getenv("PODFENCE_LAB_SEEDS");
    return text == nullptr || *text == '\0' ? 10 : std::stoull(text);
}

void play_on(const std::string& title, const LabSpec& spec) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const std::uint64_t first_seed = seed_of_run();
    const std::size_t seeds = seeds_of_run();
    Rig rig(spec, kAgreementPorts);
    for (std::uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
        if (const auto found = play(rig, seed)) FAIL(*found);
    }
    const auto& totals = rig.prober.totals();
    const std::chrono::duration<double> took = Clock::now() - start;
    std::cout << "lab flows " << title << ": " << totals.flows << " real flows, " << totals.reached
              << " reached, " << totals.flows - totals.reached << " dropped; TCP "
              << totals.by_protocol.at(6) << ", UDP " << totals.by_protocol.at(17) << ", SCTP "
              << totals.by_protocol.at(132) << ", ICMP "
              << totals.by_protocol.at(1) + totals.by_protocol.at(58) << "; " << totals.repeated
              << " of " << totals.rounds << " rounds repeated; seeds " << first_seed << ".."
              << first_seed + seeds - 1 << "; " << took.count() << " s" << std::endl;
    CHECK(totals.flows == seeds * PlaySize{}.flows());
}

}  // namespace

TEST_CASE("three judges agree on random clusters: bridge and ptp") {
    play_on("bridge+ptp", agreement_lab(Wiring::bridge, Wiring::ptp));
}

TEST_CASE("three judges agree on random clusters: bridge and bridge") {
    play_on("bridge+bridge", agreement_lab(Wiring::bridge, Wiring::bridge));
}

TEST_CASE("three judges agree on random clusters: ptp and ptp") {
    play_on("ptp+ptp", agreement_lab(Wiring::ptp, Wiring::ptp));
}

}  // namespace podfence::lab
