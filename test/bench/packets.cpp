#include <array>
#include <utility>

#include "test/bench/lanes.hpp"
#include "test/bench/scenarios.hpp"

namespace podfence::bench {
namespace {

constexpr Demand kConnectDemand{.of = Measure::ratio, .bound = 0.97, .at_least = true};
constexpr Demand kAntiSpoofDemand{.of = Measure::ratio, .bound = 0.99, .at_least = true};
constexpr Demand kStreamDemand{.of = Measure::ratio, .bound = 0.99, .at_least = true};

/// Short slices and many rounds: what disturbs the machine for longer than a slice spoils few
/// ratios and leaves their median alone.
struct Effort {
    double slice_s = 0;
    std::size_t rounds = 0;
};
constexpr Effort kConnects{0.004, 500};
constexpr Effort kComparisons{0.005, 20};  // figures without a bound
constexpr Effort kStreams{0.004, 800};
constexpr Effort kSmoke{0.002, 1};

Figure figure_of(const Lane& lane, std::string unit) {
    return {.name = lane.name,
            .unit = std::move(unit),
            .samples = lane.rules,
            .rate = true,
            .baseline = lane.conntrack_only};
}

constexpr std::size_t kPodfenceLanes = 1;  // Where they start.

/// The first lane's sides are equal: what their ratio is away from 1, the others' may be as well.
double print_floor(Report& report, const Lane& lane, const std::string& unit) {
    Figure equal = figure_of(lane, unit);
    equal.note = "two equal sides: the floor of the ratios below";
    report.print(equal);
    return value_of(equal, Measure::ratio);
}

/// Of two lanes: one rule by hand, which is what any proof costs at least, and the agent's table.
void print_anti_spoof(Report& report, const Lane& by_hand, const Lane& guarded,
                      const std::string& unit) {
    Figure least = figure_of(by_hand, unit);
    least.note = "a pod's address proved by one rule at its interface: the floor of the next line";
    report.print(least);
    Figure figure = figure_of(guarded, unit);
    figure.demand = kAntiSpoofDemand;
    figure.floor = value_of(least, Measure::ratio);
    figure.note = "pods' addresses proved at their interfaces, against connection tracking alone";
    report.print(figure);
}

std::string with_rules(const std::string& what, std::size_t rules) {
    return "connect/" + what + "/" + std::to_string(rules) + "-rules";
}

}  // namespace

void measure_connects(Report& report, const Options& options) {
    const auto counts = options.smoke ? std::vector<std::size_t>{10, 100}
                                      : std::vector<std::size_t>{10, 100, 1000, 10'000};
    const auto run = [](std::vector<Lane>& lanes, const Effort& effort) {
        take_turns(lanes, effort.rounds,
                   [&](Road& road) { return road.connect_for(effort.slice_s); });
    };
    Report::progress("wiring pods and loading rules");
    std::vector<Lane> lanes;
    lanes.push_back(equal_lane("connect/conntrack-only"));
    std::vector<Lane> others;
    for (const std::size_t count : counts) {
        lanes.push_back(podfence_lane(with_rules("podfence", count), count));
        others.push_back(naive_linear_lane(with_rules("naive-linear", count), count));
        others.push_back(kube_router_lane(with_rules("kube-router", count), count));
    }
    lanes.push_back(one_rule_at_doors_lane("connect/anti-spoof/by-hand"));
    lanes.push_back(anti_spoof_lane("connect/anti-spoof"));
    Report::progress("connecting");
    run(lanes, options.smoke ? kSmoke : kConnects);
    const double floor = print_floor(report, lanes[0], "conn/s");
    const Lane guarded = std::move(lanes.back());
    lanes.pop_back();
    const Lane by_hand = std::move(lanes.back());
    lanes.pop_back();
    print_anti_spoof(report, by_hand, guarded, "conn/s");
    for (auto lane = lanes.begin() + kPodfenceLanes; lane != lanes.end(); ++lane) {
        Figure figure = figure_of(*lane, "conn/s");
        figure.demand = kConnectDemand;
        figure.floor = floor;
        report.print(figure);
    }
    // Each against its own other side, or the time between them would count.
    report.print(
        {.name = "connect/podfence/flat",
         .unit = "ratio",
         .samples = ratios(lanes.back().rules, lanes.back().conntrack_only),
         .rate = true,
         .baseline = ratios(lanes[kPodfenceLanes].rules, lanes[kPodfenceLanes].conntrack_only),
         .demand = kConnectDemand,
         .floor = floor,
         .note = "most rules against fewest"});
    run(others, options.smoke ? kSmoke : kComparisons);
    for (const Lane& lane : others) report.print(figure_of(lane, "conn/s"));
}

void measure_streams(Report& report, const Options& options) {
    const std::size_t count = options.smoke ? 10 : 10'000;
    std::vector<Lane> lanes;
    lanes.push_back(equal_lane("stream/conntrack-only"));
    lanes.push_back(podfence_lane("stream/podfence/" + std::to_string(count) + "-rules", count));
    lanes.push_back(one_rule_at_doors_lane("stream/anti-spoof/by-hand"));
    lanes.push_back(anti_spoof_lane("stream/anti-spoof"));
    Report::progress("streaming");
    const Effort effort = options.smoke ? kSmoke : kStreams;
    take_turns(lanes, effort.rounds, [&](Road& road) { return road.stream_for(effort.slice_s); });
    const double floor = print_floor(report, lanes[0], "Gbit/s");
    Figure figure = figure_of(lanes[kPodfenceLanes], "Gbit/s");
    figure.demand = kStreamDemand;
    figure.floor = floor;
    report.print(figure);
    print_anti_spoof(report, lanes[lanes.size() - 2], lanes.back(), "Gbit/s");
}

}  // namespace podfence::bench
