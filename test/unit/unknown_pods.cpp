// --unknown-pods=hold: what has a pod's address and is no known pod is denied both ways; nothing
// else is.
#include <catch2/catch.hpp>

#include "controller/desired.hpp"
#include "controller/explain.hpp"
#include "controller/node_ranges.hpp"
#include "nft/text.hpp"
#include "nft/walk.hpp"
#include "test/support/builders.hpp"
#include "test/support/judge.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

CompileOptions holding() {
    return {.node = "n1",
            .pod_to_node_enforced = true,
            .held_ranges = {cidr("10.1.0.0/24"), cidr("fd00:1::/64")}};
}

/// What the node's rules do with a packet that is not its own.
bool passes(const Cluster& cluster, std::string_view from, std::string_view to,
            nft::Hook hook = nft::Hook::forward) {
    const auto table = compile_all(cluster, holding()).table;
    return walk(table, hook, first_packet(flow(from, to))).accepted;
}

Cluster shop() {
    return cluster(ns("shop"), pod("shop/open", "10.1.0.2", "fd00:1::2"),
                   pod("shop/closed", "10.1.0.3", "fd00:1::3").labels("app=db"),
                   pod("shop/done", "10.1.0.4").phase(PodPhase::succeeded),
                   pod("shop/far", "10.2.0.2", "fd00:2::2").node("n2"),
                   pod("shop/neighbour", "10.1.0.9").node("n2"),
                   policy("shop/deny").pods("app=db").ingress());
}

}  // namespace

TEST_CASE("an address of the range that no pod has is denied both ways", "[unknown]") {
    const Cluster known = shop();
    for (const char* stranger : {"10.1.0.77", "10.1.0.4"}) {
        CAPTURE(stranger);
        for (const auto hook : {nft::Hook::forward, nft::Hook::output}) {
            CHECK_FALSE(passes(known, stranger, "192.0.2.1", hook));
            CHECK_FALSE(passes(known, "192.0.2.1", stranger, hook));
            CHECK_FALSE(passes(known, stranger, "10.1.0.2", hook));
            CHECK_FALSE(passes(known, "10.1.0.2", stranger, hook));
        }
        CHECK_FALSE(passes(known, stranger, "192.168.0.1", nft::Hook::input));
    }
    CHECK_FALSE(passes(known, "fd00:1::77", "fd00:2::2"));
    CHECK_FALSE(passes(known, "fd00:2::2", "fd00:1::77"));
}

TEST_CASE("known pods and other addresses are judged as ever", "[unknown]") {
    const Cluster known = shop();
    CHECK(passes(known, "10.1.0.2", "192.0.2.1"));
    CHECK(passes(known, "192.0.2.1", "10.1.0.2"));
    CHECK(passes(known, "10.1.0.2", "192.168.0.1", nft::Hook::input));
    CHECK(passes(known, "fd00:1::2", "fd00:2::2"));
    CHECK(passes(known, "10.1.0.3", "10.1.0.2"));        // Nothing isolates its egress.
    CHECK_FALSE(passes(known, "10.1.0.2", "10.1.0.3"));  // Its ingress is isolated.
    CHECK(passes(known, "10.2.0.2", "10.1.0.2"));
    CHECK(passes(known, "10.1.0.9", "10.1.0.2"));  // Where nodes share a range.
    CHECK(passes(known, "10.1.0.2", "10.1.0.9"));
    CHECK(passes(known, "192.0.2.1", "192.0.2.2"));
    const Cluster nobody;
    CHECK(passes(nobody, "192.0.2.1", "10.2.0.2"));
    CHECK_FALSE(passes(nobody, "192.0.2.1", "10.1.0.2"));
}

TEST_CASE("what the node itself sends to unknown pods is not held, nor its gateway", "[unknown]") {
    const auto table = compile_all(shop(), holding()).table;
    nft::Packet probe = first_packet(flow("10.1.0.1", "10.1.0.77"));
    probe.source_local = true;
    CHECK(walk(table, nft::Hook::output, probe).accepted);
    // What belongs to a connection, as answers to the node's probes do.
    nft::Packet answer = first_packet(flow("10.1.0.77", "10.1.0.1"));
    answer.ct_state = nft::ct_established;
    CHECK(walk(table, nft::Hook::input, answer).accepted);
    // Pods may talk with their node, known or not, unless that is enforced.
    auto to_node = holding();
    to_node.pod_to_node_enforced = false;
    CHECK(walk(compile_all(shop(), to_node).table, nft::Hook::input,
               first_packet(flow("10.1.0.77", "10.1.0.1")))
              .accepted);
}

TEST_CASE("a pod's link works before the pod is known", "[unknown]") {
    const auto table = compile_all(shop(), holding()).table;
    nft::Packet discovery = first_packet(flow("fd00:1::77", "fd00:1::2"));
    discovery.protocol = 58;
    for (const std::uint8_t type : {133, 135, 136, 143}) {
        discovery.icmp_type = type;
        CHECK(walk(table, nft::Hook::forward, discovery).accepted);
    }
    discovery.icmp_type = 128;
    CHECK_FALSE(walk(table, nft::Hook::forward, discovery).accepted);
}

TEST_CASE("the oracle holds the same, and says so", "[unknown]") {
    Cluster known = shop();
    Pod open = *known.find_pod(name("shop/open"));
    open.node_addresses.edit() = {ip("172.16.0.1"), ip("10.1.0.1")};
    known.put(open);
    const ExplainOptions options{.held = {.ranges = holding().held_ranges, .node = "n1"}};
    const auto why = [&](std::string_view from, std::string_view to) {
        const Flow asked = flow(from, to);
        const Explanation answer = explain(known, asked, options);
        CHECK(answer.allowed() == allowed(known, asked, options));
        return answer;
    };
    CHECK(why("10.1.0.77", "192.0.2.1").egress.held);
    CHECK_FALSE(why("10.1.0.77", "192.0.2.1").allowed());
    CHECK(why("192.0.2.1", "10.1.0.77").ingress.held);
    CHECK(why("10.1.0.2", "192.0.2.1").allowed());
    CHECK(why("10.1.0.1", "10.1.0.77").allowed());
    CHECK(why("10.1.0.77", "172.16.0.1").allowed());
    CHECK(why("10.1.0.1", "192.0.2.1").allowed());
    CHECK(explain(known, flow("10.1.0.77", "192.0.2.1"), {}).allowed());
}

TEST_CASE("ranges that become known late make the same table", "[unknown]") {
    auto options = holding();
    const auto ranges = std::exchange(options.held_ranges, {});
    Desired late(options);
    Cluster rest = shop();
    for (const auto& [name, pod] : rest.pods()) late.put(pod);
    late.hold(ranges);
    late.put(Namespace(ns("shop")));
    late.put(NetworkPolicy(policy("shop/deny").pods("app=db").ingress()));
    CHECK(late.table() == compile_all(shop(), holding()).table);
    CHECK(late.counts() == nft::count(late.table()));
    late.take_changes();
    late.remove_pod(name("shop/open"));
    rest.remove_pod(name("shop/open"));
    CHECK(late.table() == compile_all(rest, holding()).table);
}

// Each look-up asks for the elements of its own moment, and a packet may be between two of them
// when a pod becomes known.
TEST_CASE("who is known is asked before what holds for whom", "[unknown]") {
    const auto table = compile_all(shop(), holding()).table;
    std::size_t dispatches = 0;
    for (const auto& [name, chain] : table.chains) {
        if (!chain.base) continue;
        CAPTURE(name);
        PerDirection<std::size_t> held{};
        for (const nft::Rule& rule : chain.rules) {
            if (const auto* verdict = std::get_if<nft::Verdict>(&rule.statements.back())) {
                for (const auto direction : kDirections) {
                    if (verdict->chain == "unknown-" + std::string(to_string(direction))) {
                        ++held[index(direction)];
                    }
                }
            }
            const auto* lookup = std::get_if<nft::LookupVerdict>(&rule.statements.back());
            if (lookup == nullptr) continue;
            const bool source = lookup->key.front() == nft::Field::ip_saddr ||
                                lookup->key.front() == nft::Field::ip6_saddr;
            ++dispatches;
            CHECK(held[index(source ? Direction::egress : Direction::ingress)] == kFamilies.size());
        }
    }
    CHECK(dispatches >= 2 * kFamilies.size());
}

TEST_CASE("without it the table has nothing of it", "[unknown]") {
    const auto text = nft::to_text(compile_all(shop(), {.node = "n1"}).table);
    CHECK(text.find("known") == std::string::npos);
    CHECK(text.find("held") == std::string::npos);
}

TEST_CASE("a node's ranges are read from its object", "[unknown]") {
    const auto ranges = [](const char* text) { return read_node_ranges(text, "w1"); };
    CHECK(ranges(R"({"spec":{"podCIDR":"10.1.0.0/24","podCIDRs":["10.1.0.0/24","fd00:1::/64"]}})")
              .value() == holding().held_ranges);
    CHECK(ranges(R"({"spec":{"podCIDR":"10.1.0.0/24"}})").value() ==
          std::vector{cidr("10.1.0.0/24")});
    for (const char* none : {R"({"spec":{}})", R"({"spec":{"podCIDRs":[]}})",
                             R"({"spec":{"podCIDRs":["x"]}})", R"({"spec":{"podCIDRs":[7]}})",
                             R"({"spec":{"podCIDRs":["0.0.0.0/0"]}})", R"({})", "[]", "<html>"}) {
        CAPTURE(none);
        const auto answer = ranges(none);
        REQUIRE_FALSE(answer.has_value());
        CHECK(answer.error().message.find("w1") != std::string::npos);
        CHECK(answer.error().remedy.find("--pod-cidr") != std::string::npos);
    }
    CHECK(node_refused("w1", 403, "no").cause == Trouble::Cause::forbidden);
    CHECK(node_refused("w1", 403, "no").remedy.find("overlays/hold") != std::string::npos);
    CHECK(node_refused("w1", 404, "").message == "there is no node w1");
}
