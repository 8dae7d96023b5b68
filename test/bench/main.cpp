// Measures what podfence promises about speed. test/bench/run builds and starts it.
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <sched.h>
#include <unistd.h>

#include "test/bench/scenarios.hpp"
#include "test/support/netns.hpp"

namespace {

using namespace podfence::bench;

constexpr int kMissed = 1;
constexpr int kUsage = 2;
constexpr int kEnvironment = 3;
constexpr int kSkipped = 77;

using Scenario = void (*)(Report&, const Options&);
const std::vector<std::pair<std::string, Scenario>> kScenarios{
    {"connect", measure_connects}, {"stream", measure_streams}, {"change", measure_changes},
    {"start", measure_starts},     {"memory", measure_memory},  {"agent", measure_agent},
    {"event", measure_events},     {"repair", measure_repairs}, {"revoke", measure_revokes},
    {"attach", measure_attaching}, {"leak", measure_leaks}};

/// What is measured is one thread's work, softirqs included. It stays on the last processor, since
/// interrupts are on the first more often, and nobody of ordinary priority takes it away: when
/// somebody waits for the processor, the kernel also leaves packets to its ksoftirqd, which then
/// waits in turn. Children run as usual.
void settle() {
    const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(processors - 1), &set);
    const sched_param priority{.sched_priority = 1};
    if (::sched_setaffinity(0, sizeof set, &set) != 0 ||
        ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) != 0)
        Report::progress("cannot have a processor for itself, figures will scatter more");
}

}  // namespace

int main(int argc, char* argv[]) {
    bool json = false;
    Options options;
    std::vector<std::string> only;
    std::vector<std::string> names;
    for (const auto& [name, scenario] : kScenarios) names.push_back(name);
    CLI::App app{"Measures what podfence promises about speed"};
    app.add_flag("--json", json, "One JSON object a line and nothing else");
    app.add_flag("--smoke", options.smoke, "Tiny sizes: does it work, not how fast is it");
    app.add_option("--only", only, "Only figures whose names start with this")
        ->check(CLI::IsMember(names));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    if (const auto why = podfence::test::PrivateNetns::missing()) {
        std::cerr << "SKIPPED: no figures: " << *why << std::endl;
        return kSkipped;
    }
    try {
        settle();
        Report report(json ? Report::Form::json : Report::Form::table, !options.smoke);
        report.start();
        for (const auto& [name, scenario] : kScenarios) {
            if (only.empty() || std::find(only.begin(), only.end(), name) != only.end())
                scenario(report, options);
        }
        return report.missed() ? kMissed : 0;
    } catch (const std::exception& error) {
        std::cerr << "error: " << error.what() << std::endl;
        return kEnvironment;
    }
}
