#include <algorithm>
#include <numeric>
#include <string>

#include "controller/compile.hpp"
#include "test/bench/bed.hpp"
#include "test/bench/by_hand.hpp"
#include "test/bench/clock.hpp"
#include "test/bench/scenarios.hpp"
#include "test/bench/transactions.hpp"
#include "test/support/scale.hpp"

namespace podfence::bench {
namespace {

constexpr std::size_t kCompiles = 20;
constexpr std::size_t kCommits = 20;

std::size_t elements_of(const nft::Table& table) {
    std::size_t count = 0;
    for (const auto& [name, set] : table.sets) count += set.elements.size();
    return count;
}

/// As many plain elements as the table has, in one transaction.
double by_hand(std::size_t elements) {
    const test::PrivateNetns netns;
    ElementsByHand hand(elements);
    return microseconds([&] { hand.add(); }) / 1000;
}

void first_commits(Report& report, const nft::Table& table, const std::string& size,
                   std::size_t times) {
    std::vector<double> totals;
    std::vector<double> longest;
    std::vector<double> hands;
    std::size_t transactions = 0;
    const std::size_t elements = elements_of(table);
    for (std::size_t i = 0; i < times; ++i) {
        Bed bed;
        {
            const Transactions seen;
            totals.push_back(microseconds([&] { bed.change(std::nullopt, table); }) / 1000);
            longest.push_back(*std::ranges::max_element(seen.milliseconds()));
            transactions = seen.milliseconds().size();
        }
        if (i == 0) bed.expect(table);
        hands.push_back(by_hand(elements));
    }
    const Demand demand{.of = Measure::p50, .bound = 50};
    report.print({.name = "start/longest-commit" + size,
                  .unit = "ms",
                  .samples = longest,
                  .demand = Demand{.of = Measure::max, .bound = 50},
                  .note = "of " + std::to_string(transactions) +
                          " transactions; others wait for the kernel's lock no longer"});
    Figure total{.name = "start/all-commits" + size,
                 .unit = "ms",
                 .samples = totals,
                 .baseline = hands,
                 .demand = demand,
                 .note = "plan + encode + commits; baseline: its " + std::to_string(elements) +
                         " elements by hand, in one plain set"};
    total.floor = quantile(total.baseline, 0.5);
    report.print(total);
}

}  // namespace

void measure_starts(Report& report, const Options& options) {
    const test::Scale scale = options.smoke ? test::kSmallScale : test::Scale{};
    const std::string size = "/" + std::to_string(scale.pods) + "-pods";
    const Cluster cluster = test::scale_cluster(scale);
    const CompileOptions node{.node = test::kScaleNode};
    Figure figure{.name = "start/compile" + size,
                  .unit = "ms",
                  .demand = Demand{.of = Measure::p50, .bound = 150},
                  .note = std::to_string(scale.policies) + " policies, " +
                          std::to_string(scale.local_pods) + " local pods, from decoded objects"};
    Compiled compiled;
    for (std::size_t i = 0; i < (options.smoke ? 2 : kCompiles); ++i) {
        figure.samples.push_back(microseconds([&] { compiled = compile_all(cluster, node); }) /
                                 1000);
    }
    report.print(figure);
    first_commits(report, compiled.table, size, options.smoke ? 2 : kCommits);
}

}  // namespace podfence::bench
