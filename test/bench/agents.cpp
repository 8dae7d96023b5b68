// The whole agent, as a process of its own that follows an API server and is watched from outside:
// by what it commits, and by what /proc says of it.
#include <algorithm>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>

#include "test/bench/node.hpp"
#include "test/bench/scenarios.hpp"
#include "test/support/random.hpp"

namespace podfence::bench {
namespace {

using namespace std::chrono_literals;

double in(Clock::duration duration, double unit_us) {
    return std::chrono::duration<double, std::micro>(duration).count() / unit_us;
}
constexpr double kMicroseconds = 1;
constexpr double kMilliseconds = 1000;

struct Usage {
    double cpu_ms = 0;
    std::uint64_t wakeups = 0;
};

double memory_mib(pid_t pid, const std::string& field) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field + ":")) return std::stod(line.substr(field.size() + 1)) / 1024;
    }
    lab::fail("/proc/PID/status has no " + field);
}

Usage usage(pid_t pid) {
    Usage usage;
    double ns = 0;
    std::ifstream("/proc/" + std::to_string(pid) + "/schedstat") >> ns;
    usage.cpu_ms = ns / 1e6;
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        const std::string field = "voluntary_ctxt_switches:";
        if (line.starts_with(field)) usage.wakeups = std::stoull(line.substr(field.size()));
    }
    return usage;
}

/// Long enough for what the agent saved up not to matter, nor what it owes.
void let_rest(std::chrono::milliseconds time) {
    ::poll(nullptr, 0, static_cast<int>(time.count()));
}

/// Pods of this node or of others whose coming and going changes the table.
std::vector<Pod> pods_that_matter(Node& node, bool local, std::size_t count, std::uint64_t seed) {
    std::vector<Pod> pods;
    for (const auto& [name, pod] : node.cluster().pods()) {
        if ((pod.node == test::kScaleNode) == local) pods.push_back(pod);
    }
    std::mt19937_64 engine(seed);
    std::ranges::shuffle(pods, engine);
    std::vector<Pod> matter;
    for (const Pod& pod : pods) {
        if (matter.size() == count) break;
        node.mirror().remove_pod(pod.name);
        if (!node.mirror().take_changes().empty()) matter.push_back(pod);
        node.mirror().put(pod);
        node.mirror().take_changes();
    }
    return matter;
}

struct Change {
    Kind kind{};
    std::string event{};
};

/// Sends changes, which the mirror has been told, one at a time to an idle agent, in turns with
/// the same by hand.
Figure one_by_one(Node& node, Hand& hand, Figure figure, std::size_t count,
                  const std::function<Change(std::size_t)>& change) {
    for (std::size_t i = 0; i < count; ++i) {
        const Change next = change(i);
        const nft::Batch batch = node.mirror_changes();
        let_rest(30ms);
        const auto sent = node.send(next.kind, next.event);
        figure.samples.push_back(in(node.await(batch) - sent, kMicroseconds));
        let_rest(30ms);
        figure.baseline.push_back(in(hand.commit(batch), kMicroseconds));
    }
    node.expect_mirror();
    return figure;
}

/// The same samples, judged by their tail.
void print_with_tail(Report& report, Figure figure, double p50_us, double p99_us) {
    figure.demand = Demand{.of = Measure::p50, .bound = p50_us};
    figure.floor = quantile(figure.baseline, 0.5);
    report.print(figure);
    figure.name += "/tail";
    figure.demand = Demand{.of = Measure::p99, .bound = p99_us};
    figure.floor = quantile(figure.baseline, 0.99);
    report.print(figure);
}

void pod_events(Report& report, Node& node, Hand& hand, const std::string& size, bool local,
                std::size_t count) {
    const auto pods = pods_that_matter(node, local, local ? 100 : 1000, 1);
    if (pods.empty()) lab::fail("no pod changes the table");
    const Figure figure{
        .name = std::string("event/") + (local ? "local" : "remote") + "-pod" + size,
        .unit = "us",
        .note = "on the agent's socket -> committed; baseline: by hand"};
    const auto done = one_by_one(node, hand, figure, count, [&](std::size_t i) -> Change {
        const Pod& pod = pods[i / 2 % pods.size()];
        if (i % 2 == 0) {
            node.mirror().remove_pod(pod.name);
            return {Kind::pod, watch_event("DELETED", pod)};
        }
        node.mirror().put(pod);
        return {Kind::pod, watch_event("ADDED", pod)};
    });
    print_with_tail(report, done, 300, 2000);
}

void policy_events(Report& report, Node& node, Hand& hand, const std::string& size,
                   std::size_t count) {
    std::vector<NetworkPolicy> policies;
    for (const auto& [name, policy] : node.cluster().policies()) {
        node.mirror().remove_policy(name);
        if (!node.mirror().take_changes().empty()) policies.push_back(policy);
        node.mirror().put(policy);
        node.mirror().take_changes();
        if (policies.size() == 100) break;
    }
    const Figure figure{.name = "event/policy" + size,
                        .unit = "us",
                        .note = "deleted or added -> committed; baseline: by hand"};
    report.print(one_by_one(node, hand, figure, count, [&](std::size_t i) -> Change {
        const NetworkPolicy& policy = policies[i / 2 % policies.size()];
        if (i % 2 == 0) {
            node.mirror().remove_policy(policy.name);
            return {Kind::policy, watch_event("DELETED", policy)};
        }
        node.mirror().put(policy);
        return {Kind::policy, watch_event("ADDED", policy)};
    }));
}

/// Each round relabels so many pods, back and forth.
void bursts(Report& report, Node& node, const std::string& size, std::size_t events,
            std::size_t rounds) {
    Figure figure{.name = "event/burst-of-" + std::to_string(events) + size,
                  .unit = "ms",
                  .demand = Demand{.of = Measure::max, .bound = 100},
                  .note = "all at once on the socket -> the last commit"};
    Figure cpu{.name = figure.name + "/cpu",
               .unit = "ms",
               .note = "of the agent, its share of the kernel's included: steadier than the clock"};
    const auto pods = pods_that_matter(node, false, events, 2);
    for (std::size_t round = 0; round < rounds; ++round) {
        let_rest(300ms);
        std::string text;
        for (const Pod& pod : pods) {
            text += watch_event(round % 2 == 0 ? "DELETED" : "ADDED", pod);
        }
        const Usage before = usage(node.pid());
        const auto sent = node.send(Kind::pod, text);
        figure.samples.push_back(in(node.await_quiet() - sent, kMilliseconds));
        cpu.samples.push_back(usage(node.pid()).cpu_ms - before.cpu_ms);
    }
    figure.note += ", " + std::to_string(pods.size()) + " of them";
    report.print(figure);
    report.print(cpu);
    node.expect_mirror();
}

void flushes(Report& report, Node& node, const std::string& size, std::size_t count) {
    Figure closed{.name = "repair/flush-denied" + size,
                  .unit = "ms",
                  .demand = Demand{.of = Measure::p99, .bound = 10},
                  .note =
                      "--table-owner=off, as on kernels before 6.9 (elsewhere nobody can): the "
                      "table deleted by somebody -> what policies deny is denied again; baseline: "
                      "the deletion alone"};
    Figure whole{.name = "repair/flush" + size,
                 .unit = "ms",
                 .note = "-> what they allow is allowed again, all of the table is back"};
    for (std::size_t i = 0; i < count; ++i) {
        let_rest(400ms);
        const auto began = node.delete_table();
        closed.baseline.push_back(in(Clock::now() - began, kMilliseconds));
        closed.samples.push_back(in(node.await_closed() - began, kMilliseconds));
        whole.samples.push_back(in(node.await_mirror() - began, kMilliseconds));
    }
    closed.floor = quantile(closed.baseline, 0.99);
    report.print(closed);
    report.print(whole);
    node.expect_mirror();
}

void starts(Report& report, Node& node, const std::string& size, std::size_t count) {
    Figure figure{.name = "agent/start" + size,
                  .unit = "ms",
                  .demand = Demand{.of = Measure::max, .bound = 1500},
                  .note = "exec -> enforced, from an API server that answers at once"};
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) {
            node.kill();  // What it leaves anybody may delete.
            node.delete_table();
        }
        figure.samples.push_back(in(node.start(), kMilliseconds));
    }
    report.print(figure);
    node.expect_mirror();
}

void sizes(Report& report, Node& node, const std::string& size, double bound_mib) {
    Figure figure{.name = "agent/memory" + size,
                  .unit = "MiB",
                  .samples = {memory_mib(node.pid(), "VmRSS")},
                  .demand = Demand{.of = Measure::max, .bound = bound_mib}};
    figure.note = "resident; of it " +
                  std::to_string(static_cast<int>(memory_mib(node.pid(), "RssAnon") * 10) / 10) +
                  " anonymous; peak " +
                  std::to_string(static_cast<int>(memory_mib(node.pid(), "VmHWM")));
    report.print(figure);
}

void idle(Report& report, Node& node, const std::string& size, std::chrono::seconds span) {
    const Usage before = usage(node.pid());
    // Nothing is awaited here: that nothing happens for a while is what is measured.
    ::poll(nullptr, 0, static_cast<int>(std::chrono::milliseconds(span).count()));
    const Usage after = usage(node.pid());
    const double ms = std::chrono::duration<double, std::milli>(span).count();
    report.print({.name = "agent/idle/cpu" + size,
                  .unit = "%",
                  .samples = {100 * (after.cpu_ms - before.cpu_ms) / ms},
                  .demand = Demand{.of = Measure::max, .bound = 0.1}});
    report.print({.name = "agent/idle/wakeups" + size,
                  .unit = "/s",
                  .samples = {static_cast<double>(after.wakeups - before.wakeups) / ms * 1000},
                  .demand = Demand{.of = Measure::max, .bound = 1}});
}

test::Scale large(const Options& options) {
    return options.smoke ? test::kSmallScale : test::Scale{};
}
/// Of a usual cluster, not of a large one.
test::Scale usual(const Options& options) {
    return options.smoke
               ? test::kSmallScale
               : test::Scale{.pods = 1000, .policies = 100, .namespaces = 20, .local_pods = 30};
}
std::string label(const test::Scale& scale) {
    return "/" + std::to_string(scale.pods) + "-pods";
}

}  // namespace

void measure_agent(Report& report, const Options& options) {
    {
        Node node(usual(options));
        node.start();
        sizes(report, node, label(usual(options)), 12);
    }
    Node node(large(options));
    const std::string size = label(large(options));
    starts(report, node, size, options.smoke ? 2 : 7);
    sizes(report, node, size, 20);
    idle(report, node, size, options.smoke ? 1s : 10s);
}

void measure_events(Report& report, const Options& options) {
    const bool smoke = options.smoke;
    Node node(large(options));
    node.start();
    const std::string size = label(large(options));
    {
        Hand hand(node.mirror().table());
        pod_events(report, node, hand, size, false, smoke ? 6 : 500);
        pod_events(report, node, hand, size, true, smoke ? 6 : 200);
        policy_events(report, node, hand, size, smoke ? 4 : 200);
    }
    bursts(report, node, size, smoke ? 20 : 1000, smoke ? 2 : 20);
}

void measure_repairs(Report& report, const Options& options) {
    Node node(large(options), {"--table-owner=off"});
    node.start();
    flushes(report, node, label(large(options)), options.smoke ? 3 : 100);
}

}  // namespace podfence::bench
