// Three judges on random clusters: the oracle, a walk through the compiled rules, and real packets
// through the kernel. PODFENCE_SEED repeats a run, PODFENCE_SOAK=SECONDS goes on that long.
#include <chrono>
#include <iostream>

#include <catch2/catch.hpp>

#include "test/lab/rig.hpp"

namespace podfence::lab {
namespace {

constexpr std::size_t kPodsPerNode = 8;
constexpr std::size_t kFlowsPerState = 250;
constexpr std::size_t kEventsPerCluster = 3;
constexpr std::size_t kClusters = 10;  // 10 x (1 + 3 events) x 250 = 10,000 flows a lab

/// TCP, UDP and SCTP on any port but 0, which is never sent, and echo requests for all else.
Flow probeable(Flow flow) {
    const bool ports = flow.protocol == 6 || flow.protocol == 17 || flow.protocol == 132;
    if (ports && flow.port != 0) return flow;
    flow.protocol = flow.source.family() == Family::ipv4 ? 1 : 58;
    flow.port = 0;
    return flow;
}

std::vector<Flow> random_flows(const Cluster& cluster, const Rig& rig,
                               const test::GeneratorOptions& options, test::Random& random) {
    const test::FlowGenerator generator(cluster, options, rig.ends(), rig.ends());
    std::vector<Flow> flows;
    while (flows.size() < kFlowsPerState) flows.push_back(probeable(generator.next(random)));
    return flows;
}

/// One random cluster and what becomes of it: every state is converged to from the one before.
void play(Rig& rig, std::uint64_t seed) {
    const auto options = rig.generator_options();
    test::Generator generator(seed, options);
    Cluster cluster = generator.cluster();
    for (std::size_t event = 0; event <= kEventsPerCluster; ++event) {
        if (event > 0) test::apply(cluster, generator.event(cluster));
        const auto compiled = rig.enforcer.compile(cluster);
        rig.enforcer.apply_compiled(compiled);
        for (const auto& again : rig.enforcer.apply_compiled(compiled)) CHECK(again.batch.empty());
        check_judges_agree(rig, cluster, compiled,
                           random_flows(cluster, rig, options, generator.random()),
                           "seed " + std::to_string(seed) + " event " + std::to_string(event));
    }
}

void play_on(const std::string& title, LabSpec spec) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const auto soak_until = start + std::chrono::seconds(soak_seconds());
    const std::uint64_t first_seed = seed_of_run();
    spec.lent = {*Address::parse("52.94.1.1"), *Address::parse("10.1.2.3"),
                 *Address::parse("2001:db8:52::1")};
    Rig rig(std::move(spec), {53, 80, 81, 443, 8080});
    std::uint64_t seed = first_seed;
    do {
        for (std::size_t i = 0; i < kClusters; ++i) play(rig, seed++);
    } while (Clock::now() < soak_until);

    const auto& totals = rig.prober.totals();
    const std::chrono::duration<double> took = Clock::now() - start;
    std::cout << "lab flows " << title << ": " << totals.flows << " real flows, " << totals.reached
              << " reached, " << totals.flows - totals.reached << " dropped; TCP "
              << totals.by_protocol.at(6) << ", UDP " << totals.by_protocol.at(17) << ", SCTP "
              << totals.by_protocol.at(132) << ", ICMP "
              << totals.by_protocol.at(1) + totals.by_protocol.at(58) << "; " << totals.repeated
              << " of " << totals.rounds << " rounds repeated; seeds " << first_seed << ".."
              << seed - 1 << "; " << took.count() << " s" << std::endl;
    CHECK(totals.flows >= kClusters * (kEventsPerCluster + 1) * kFlowsPerState);
}

}  // namespace

TEST_CASE("three judges agree on random clusters: bridge and ptp") {
    play_on("bridge+ptp", two_nodes(Wiring::bridge, Wiring::ptp, kPodsPerNode));
}

TEST_CASE("three judges agree on random clusters: bridge and bridge") {
    play_on("bridge+bridge", two_nodes(Wiring::bridge, Wiring::bridge, kPodsPerNode));
}

TEST_CASE("three judges agree on random clusters: ptp and ptp") {
    play_on("ptp+ptp", two_nodes(Wiring::ptp, Wiring::ptp, kPodsPerNode));
}

}  // namespace podfence::lab
