// What the CNI plugin adds to the start of a pod: from its exec to the answer of an agent in sync,
// which has committed the pod's rules by then.
#include <algorithm>
#include <string>
#include <vector>

#include <boost/json/object.hpp>
#include <poll.h>

#include "test/bench/node.hpp"
#include "test/bench/plugin.hpp"
#include "test/bench/scenarios.hpp"

namespace podfence::bench {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

/// One that the scheduler has put here, and of which the kubelet has told nothing yet; with the
/// labels of one that policies isolate.
Pod starting(const Pod& like, std::size_t number) {
    Pod pod = like;
    pod.name.name = "attached-" + std::to_string(number);
    pod.uid = Uid("00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + number));
    pod.phase = PodPhase::pending;
    pod.addresses.clear();
    return pod;
}

std::vector<Address> addresses_of(std::size_t number) {
    const std::string v4 =
        "10.250." + std::to_string(number / 200) + "." + std::to_string(1 + number % 200);
    return {Address::parse(v4).value(),
            Address::parse("fd00:250::" + std::to_string(1 + number)).value()};
}

/// Of a pod whose addresses the plugins before have chosen.
PluginCall call_for(const Node& node, std::size_t number) {
    json::array ips;
    for (const Address& address : addresses_of(number)) {
        const char* length = address.family() == nft::Family::ipv4 ? "/16" : "/64";
        ips.push_back(json::object{{"address", to_string(address) + length}, {"interface", 0}});
    }
    return {.socket = node.socket(),
            .container = "sandbox-" + std::to_string(number),
            .netns = "/proc/self/ns/net",
            .previous = {
                {"cniVersion", "1.0.0"},
                {"interfaces", {json::object{{"name", "eth0"}, {"sandbox", "/proc/self/ns/net"}}}},
                {"ips", ips}}};
}

}  // namespace

void measure_attaching(Report& report, const Options& options) {
    Node node(options.smoke ? test::kSmallScale : test::Scale{});
    node.start();
    std::vector<Pod> likes;
    for (const auto& [name, pod] : node.cluster().pods()) {
        if (pod.node != test::kScaleNode) continue;
        node.mirror().remove_pod(name);
        if (!node.mirror().take_changes().empty()) likes.push_back(pod);
        node.mirror().put(pod);
        node.mirror().take_changes();
    }
    if (likes.empty()) lab::fail("no pod is isolated");
    Hand hand(node.mirror().table());
    Figure figure{.name = "attach/add",
                  .unit = "ms",
                  .note =
                      "exec of podfence-cni -> the pod's rules are in the kernel, it exits; "
                      "baseline: exec without an agent to ask, and the pod's rules by hand"};
    const auto in_ms = [](Clock::duration time) {
        return std::chrono::duration<double, std::milli>(time).count();
    };
    for (std::size_t i = 0; i < (options.smoke ? 3U : 300U); ++i) {
        const Pod pod = starting(likes[i % likes.size()], i);
        node.send(Kind::pod, watch_event("ADDED", pod));
        // The scheduler's word is there long before the runtime has made an interface.
        ::poll(nullptr, 0, 30);
        const PluginCall call = call_for(node, i);
        const auto exec = run_plugin("VERSION", pod, call);
        figure.samples.push_back(in_ms(run_plugin("ADD", pod, call)));
        node.await_quiet();
        run_plugin("DEL", pod, call);
        node.send(Kind::pod, watch_event("DELETED", pod));
        Pod attached = pod;
        attached.phase = PodPhase::running;
        attached.addresses = addresses_of(i);
        node.mirror().put(attached);
        figure.baseline.push_back(in_ms(exec + hand.commit(node.mirror_changes())));
        node.mirror().remove_pod(pod.name);
        hand.commit(node.mirror_changes());
    }
    figure.demand = Demand{.of = Measure::p50, .bound = 3};
    figure.floor = quantile(figure.baseline, 0.5);
    report.print(figure);
    figure.name += "/tail";
    figure.demand = Demand{.of = Measure::p99, .bound = 15};
    figure.floor = quantile(figure.baseline, 0.99);
    report.print(figure);
}

}  // namespace podfence::bench
