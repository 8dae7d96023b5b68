// The same question as switch_test.cpp, asked with far more packets: it finds gaps of less than a
// microsecond in the life of a transaction (nft/stages.hpp).
#include <array>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>

#include <catch2/catch.hpp>

#include "test/lab/switching.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_rig.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

/// Sends datagrams that nobody answers, so that each is judged like the first of its connection.
class Flood {
  public:
    Flood(const Network& network, const std::vector<Flow>& flows)
        : network_(network), flows_(flows) {
        for (const auto& flow : flows_) {
            const Host* from = network.owner_of(flow.source);
            auto& socket = sockets_[{from, flow.source.family()}];
            if (socket) continue;
            const Stay stay = from->ns.enter();
            socket = std::make_unique<DatagramSocket>(Dialect::udp, flow.source.family(), 0);
        }
    }
    /// One datagram of every flow.
    std::size_t send() {
        for (const auto& flow : flows_)
            sockets_[{network_.owner_of(flow.source), flow.source.family()}]->send(
                flow.source, flow.destination, flow.port, std::array<std::uint8_t, 1>{});
        return flows_.size();
    }

  private:
    const Network& network_;
    std::vector<Flow> flows_;
    std::map<std::pair<const Host*, Family>, std::unique_ptr<DatagramSocket>> sockets_;
};

/// Pods take datagrams and say nothing, not even that nobody listens.
void silence_pods(const Network& network) {
    for (std::size_t i = 0; i < network.pod_count(); ++i) {
        const Stay stay = network.pod(i).ns.enter();
        check_program({"nft", "-f", "-"},
                      "table inet silence { chain in { type filter hook input priority 0; "
                      "meta l4proto udp drop; }; }");
    }
}

std::vector<Flow> datagrams_between_pods(const Network& network, std::vector<Flow> flows) {
    std::erase_if(flows, [&](const Flow& flow) {
        return flow.protocol != 17 || network.owner_of(flow.source)->kind != Host::Kind::pod ||
               network.owner_of(flow.destination)->kind != Host::Kind::pod;
    });
    return flows;
}

/// Allowing the same by other means: another range of ports, another block, other selectors.
PolicyPair same_by_other_means(const Rig& rig) {
    using test::block, test::namespaces, test::policy, test::rule;
    PolicyPair pair;
    for (const auto& pod : rig.generator_options().fixed_pods) {
        pair.a.put(pod);
        pair.b.put(pod);
    }
    for (const std::string ns : {"a", "b", "c"}) {
        for (auto* cluster : {&pair.a, &pair.b}) cluster->put(test::ns(ns));
        pair.a.put(
            NetworkPolicy(policy(ns + "/one")
                              .ingress(rule().peer(namespaces("")).ports(53, 60, Protocol::udp))
                              .egress(rule()
                                          .peer(block("10.0.0.0/8"))
                                          .peer(block("fd00::/8"))
                                          .ports(50, 53, Protocol::udp))));
        pair.b.put(
            NetworkPolicy(policy(ns + "/two")
                              .ingress(rule()
                                           .peer(block("10.244.0.0/16"))
                                           .peer(block("fd00:10::/32"))
                                           .ports(40, 90, Protocol::udp))
                              .egress(rule().peer(namespaces("")).ports(53, 99, Protocol::udp))));
    }
    for (const auto& from : rig.ends()) {
        for (const auto& to : rig.ends()) {
            if (from.family() != to.family() || from == to) continue;
            pair.always.push_back({.source = from, .destination = to, .protocol = 17, .port = 53});
            pair.never.push_back({.source = from, .destination = to, .protocol = 17, .port = 99});
        }
    }
    return pair;
}

/// How many packets were dropped, once that is `wanted` or does not become so. A busy kernel leaves
/// packets to a thread of its own (ksoftirqd), which drops them a little later.
std::uint64_t settled(Witness& witness, std::uint64_t wanted) {
    constexpr std::chrono::milliseconds kPatience{500};
    const auto ends = std::chrono::steady_clock::now() + kPatience;
    std::uint64_t dropped = witness.dropped();
    while (dropped < wanted && std::chrono::steady_clock::now() < ends) {
        dropped = witness.dropped();
    }
    return dropped;
}

/// How many packets were dropped, when none is on its way: the two counters are not read at once,
/// and what another processor has between them (neighbour discovery) looks dropped or found.
std::uint64_t steady(Witness& witness) {
    std::uint64_t before = witness.dropped();
    while (true) {
        const std::uint64_t now = witness.dropped();
        if (now == before) return now;
        before = now;
    }
}

/// Sends what both policy sets allow, then what both deny, and reads the nodes' counters.
void flood(Rig& rig, const PolicyPair& pair, const std::string& title) {
    constexpr std::chrono::seconds kTime{3};
    silence_pods(rig.lab);
    Switcher switcher(rig, pair);
    const StayOnProcessor stay;
    Flood always(rig.lab, datagrams_between_pods(rig.lab, pair.always));
    Flood never(rig.lab, datagrams_between_pods(rig.lab, pair.never));
    rig.witness.forget_connections();
    std::size_t sent = 0;
    std::size_t lost = 0;
    std::size_t leaked = 0;
    while (switcher.go_on(kTime)) {
        const auto start = steady(rig.witness);
        const auto allowed = always.send();
        const auto middle = steady(rig.witness);
        const auto denied = never.send();
        const auto end = settled(rig.witness, middle + denied);
        lost += middle - start;
        leaked += denied - (end - middle);
        sent += allowed + denied;
    }
    const std::size_t switches = switcher.stop();
    std::cout << "lab flood, " << title << ": " << switches << " switches, " << sent << " packets, "
              << lost << " lost, " << leaked << " leaked" << std::endl;
    CHECK(lost == 0);
    CHECK(leaked == 0);
    CHECK(switches >= kSwitchesMin);
    CHECK(sent > 1000);
}

}  // namespace

TEST_CASE("not one packet of a flood is lost or leaks while policies of one meaning are switched") {
    Rig rig(two_nodes(Wiring::bridge, Wiring::ptp, 6), {});
    flood(rig, same_by_other_means(rig), "one meaning by other means");
}

TEST_CASE("not one packet of a flood is lost or leaks while random policies are switched") {
    Rig rig(two_nodes(Wiring::bridge, Wiring::ptp, 6), {});
    std::uint64_t seed = seed_of_run();
    const PolicyPair pair = choose_pair(rig, seed);
    INFO("seed " << seed);
    flood(rig, pair, "random, seed " + std::to_string(seed));
}

}  // namespace podfence::lab
