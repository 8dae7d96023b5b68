// The lab itself: if it could not tell a dropped packet from a lost one, nothing it says would
// count.
#include "test/support/lab.hpp"

#include <array>

#include <catch2/catch.hpp>

#include "test/support/lab_poller.hpp"
#include "test/support/lab_prober.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_servers.hpp"
#include "test/support/lab_witness.hpp"

namespace podfence::lab {
namespace {

constexpr std::array<std::uint16_t, 1> kPorts{80};
constexpr std::uint16_t kClosed = 81;

/// From each host to every other, in both families and all protocols.
std::vector<Flow> all_pairs(const Network& network) {
    std::vector<Flow> flows;
    for (const auto& from : network.hosts()) {
        for (const auto& to : network.hosts()) {
            if (&from == &to) continue;
            for (const auto family : {Family::ipv4, Family::ipv6}) {
                for (const std::uint8_t protocol : {6, 17, 132, family == Family::ipv4 ? 1 : 58}) {
                    const bool ports = protocol == 6 || protocol == 17 || protocol == 132;
                    flows.push_back({.source = from.primary(family),
                                     .destination = to.primary(family),
                                     .protocol = protocol,
                                     .port = ports ? kPorts[0] : std::uint16_t{0}});
                }
            }
        }
    }
    return flows;
}

}  // namespace

TEST_CASE("a port on which nobody listens is told from a dropped packet") {
    const Lab lab(two_nodes(Wiring::bridge, Wiring::ptp, 1));
    Poller poller;
    Servers servers(poller);
    servers.serve_all(lab, kPorts);
    Witness witness(lab);
    Prober prober(lab, poller, witness);
    auto flows = all_pairs(lab);
    std::erase_if(flows,
                  [](const Flow& flow) { return flow.protocol != 6 && flow.protocol != 17; });
    for (auto& flow : flows) flow.port = kClosed;
    for (const auto outcome : prober.run(flows)) CHECK(outcome == Outcome::refused);
}

TEST_CASE("everything reaches everything before there are rules and a drop is seen as one") {
    const Lab lab(two_nodes(Wiring::bridge, Wiring::ptp, 3));
    Poller poller;
    Servers servers(poller);
    servers.serve_all(lab, kPorts);
    Witness witness(lab);
    Prober prober(lab, poller, witness);
    const auto flows = all_pairs(lab);
    const auto open = prober.run(flows);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        INFO(to_string(flows[i].source)
             << " -> " << to_string(flows[i].destination) << " " << int{flows[i].protocol});
        CHECK(open[i] == Outcome::answered);
    }

    const Stay stay = lab.node(0).ns.enter();
    check_program({"nft", "-f", "-"},
                  "table inet other { chain c { type filter hook forward priority 0; "
                  "meta l4proto udp drop; }; }");
    const auto shut = prober.run(flows);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const Host* from = lab.owner_of(flows[i].source);
        const Host* to = lab.owner_of(flows[i].destination);
        const bool crosses =
            (from->kind == Host::Kind::pod && from->node == 0 && to != &lab.node(0)) ||
            (to->kind == Host::Kind::pod && to->node == 0 && from != &lab.node(0));
        INFO(to_string(flows[i].source)
             << " -> " << to_string(flows[i].destination) << " " << int{flows[i].protocol});
        CHECK(reached(shut[i]) == !(flows[i].protocol == 17 && crosses));
    }
}

}  // namespace podfence::lab
