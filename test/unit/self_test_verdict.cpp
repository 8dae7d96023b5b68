// What the self-test concludes from what became of its flows, and how the agent tells it.
#include <algorithm>

#include <catch2/catch.hpp>

#include "controller/canary.hpp"
#include "controller/explain.hpp"
#include "controller/self_test/cluster.hpp"
#include "controller/self_test/self_test.hpp"

using namespace podfence::self_test;
using namespace podfence;
using namespace std::chrono_literals;
using doctor::Level;

namespace {

const std::vector<nft::Family> kBoth{nft::Family::ipv4, nft::Family::ipv6};

/// What happens on a node that enforces.
std::vector<FlowResult> as_it_should_be(Wiring wiring, const std::string& bridge = "") {
    std::vector<FlowResult> results;
    for (const auto& flow : flows_of(kBoth, true)) {
        const Fate fate = flow.expected == Expected::allowed ? Fate::passed : Fate::dropped;
        results.push_back({.wiring = wiring, .bridge = bridge, .flow = flow, .fate = fate});
    }
    return results;
}

FlowResult& first_of(std::vector<FlowResult>& results, Expected expected) {
    return *std::ranges::find_if(
        results, [&](const FlowResult& result) { return result.flow.expected == expected; });
}

bool has(const Outcome& outcome, const std::string& id, Level level) {
    return std::ranges::any_of(outcome.findings, [&](const doctor::Finding& finding) {
        return finding.id == id && finding.level == level;
    });
}

}  // namespace

TEST_CASE("denied flows go first, of each family, protocol and expectation one", "[self-test]") {
    const auto flows = flows_of(kBoth, true);
    CHECK(flows.size() == 16);
    CHECK(std::ranges::is_sorted(flows, {}, [](const auto& flow) {
        return flow.expected == Expected::allowed || flow.expected == Expected::cut;
    }));
    CHECK(flows_of(kBoth, false).size() == 12);
    CHECK(flows_of({nft::Family::ipv4}, true).size() == 8);
}

TEST_CASE("the oracle agrees with what the self-test expects of its policies", "[self-test]") {
    const PodAddresses addresses{.first = {*nft::Address::parse("198.18.0.2")},
                                 .second = {*nft::Address::parse("198.18.0.3")}};
    const Cluster cluster = make_cluster(addresses);
    for (const auto expected : {Expected::allowed, Expected::cut, Expected::denied_for_source,
                                Expected::denied_for_destination}) {
        for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
            const auto explained =
                explain(cluster, {.source = addresses.first.front(),
                                  .destination = addresses.second.front(),
                                  .protocol = static_cast<std::uint8_t>(protocol),
                                  .port = port_of(expected)});
            CHECK(explained.egress.allowed() == (expected != Expected::denied_for_source));
            CHECK(explained.ingress.allowed() == (expected != Expected::denied_for_destination));
        }
    }
}

TEST_CASE("proven is what our rules dropped, all of it", "[self-test]") {
    auto results = as_it_should_be(Wiring::routed);
    const auto more = as_it_should_be(Wiring::bridged, "cni0");
    results.insert(results.end(), more.begin(), more.end());
    const Outcome outcome = judge(results);
    CHECK(outcome.proof == Proof::enforced);
    CHECK(outcome.reason.empty());
    CHECK(has(outcome, "self-test", Level::ok));
    CHECK(outcome.findings.size() == 1);
    CHECK(outcome.findings[0].title.find("bridge cni0") != std::string::npos);
    CHECK(judge({}).proof == Proof::impossible);
}

TEST_CASE("one denied flow that arrives is a bypass, whatever else happened", "[self-test]") {
    auto results = as_it_should_be(Wiring::bridged, "cni0");
    first_of(results, Expected::denied_for_destination).fate = Fate::passed;
    first_of(results, Expected::denied_for_source).fate = Fate::lost;
    const Outcome outcome = judge(results);
    CHECK(outcome.proof == Proof::bypassed);
    CHECK(has(outcome, "self-test-bypassed", Level::error));
    CHECK(has(outcome, "self-test-lost", Level::error));
    CHECK(outcome.reason.find("TCP over IPv4 between pods on bridge cni0 arrived") == 0);
    CHECK(outcome.findings[0].remedy.find("br_netfilter") != std::string::npos);
}

TEST_CASE("an open connection that goes on after it was cut is a bypass, one that is lost is cut",
          "[self-test]") {
    auto results = as_it_should_be(Wiring::routed);
    CHECK(judge(results).findings[0].title.find("what was cut stayed cut") != std::string::npos);
    for (const Fate fate : {Fate::lost, Fate::answered, Fate::dropped}) {
        first_of(results, Expected::cut).fate = fate;
        CHECK(judge(results).proof == Proof::enforced);
    }
    first_of(results, Expected::cut).fate = Fate::passed;
    const Outcome outcome = judge(results);
    CHECK(outcome.proof == Proof::bypassed);
    CHECK(has(outcome, "self-test-uncut", Level::error));
    CHECK(outcome.reason ==
          "TCP over IPv4 between routed pods went on after the connection was cut");
}

TEST_CASE("a way past the rules on the node's own pods outweighs the packets of others",
          "[self-test]") {
    Outcome outcome = judge(as_it_should_be(Wiring::routed));
    add_bypasses(outcome, {{.id = "flowtable", .level = Level::warning, .title = "elsewhere"}});
    CHECK(outcome.proof == Proof::enforced);
    add_bypasses(outcome, {{.id = "flowtable", .level = Level::error, .title = "flowtable f"}});
    CHECK(outcome.proof == Proof::bypassed);
    CHECK(outcome.reason == "flowtable f");
    CHECK_FALSE(has(outcome, "self-test", Level::ok));
}

TEST_CASE("what others take before us proves nothing", "[self-test]") {
    for (const Fate fate : {Fate::lost, Fate::answered}) {
        auto results = as_it_should_be(Wiring::routed);
        first_of(results, Expected::denied_for_source).fate = fate;
        const Outcome outcome = judge(results);
        CHECK(outcome.proof == Proof::unproven);
        CHECK(worst_of(outcome.findings) == Level::error);
    }
}

TEST_CASE("an allowed flow that others drop is a warning, one that we drop an error",
          "[self-test]") {
    auto results = as_it_should_be(Wiring::routed);
    first_of(results, Expected::allowed).fate = Fate::lost;
    CHECK(judge(results).proof == Proof::enforced);
    CHECK(has(judge(results), "self-test-hindered", Level::warning));
    first_of(results, Expected::allowed).fate = Fate::dropped;
    CHECK(judge(results).proof == Proof::unproven);
    CHECK(has(judge(results), "self-test-denied", Level::error));
}

TEST_CASE("its pods are connected as the node's are", "[self-test]") {
    doctor::Facts facts;
    const Connection routed{.wiring = Wiring::routed};
    const Connection own_bridge{.wiring = Wiring::bridged};
    CHECK(connections_of(facts) == std::vector{routed, own_bridge});
    facts.interfaces = {{.index = 2, .name = "cni0", .kind = "bridge", .up = true},
                        {.index = 3, .name = "veth1", .kind = "veth", .bridge = 2},
                        {.index = 4, .name = "veth2", .kind = "veth"}};
    const Connection cni0{.wiring = Wiring::bridged, .bridge = "cni0"};
    CHECK(connections_of(facts) == std::vector{routed, cni0});
    facts.interfaces->at(0).pods = 7;
    CHECK(connections_of(facts) == std::vector{cni0});
    facts.interfaces->at(0).spanning_tree = true;  // A new port would be silent at first.
    CHECK(connections_of(facts) == std::vector{own_bridge});
    facts.interfaces->at(0).pods = 0;
    facts.interfaces->at(2).pods = 1;
    CHECK(connections_of(facts) == std::vector{routed});
}

TEST_CASE("only families that the node forwards are tried, unless pods have them", "[self-test]") {
    doctor::Facts facts;
    facts.sysctls = {{"net/ipv4/ip_forward", "1"},
                     {"net/ipv6/conf/all/disable_ipv6", "0"},
                     {"net/ipv6/conf/all/forwarding", "0"}};
    const std::vector<Connection> routed{{.wiring = Wiring::routed}};
    const std::vector<Connection> bridged{{.wiring = Wiring::bridged}};
    CHECK(families_of(facts, routed) == std::vector{nft::Family::ipv4});
    CHECK(families_of(facts, bridged) == kBoth);
    facts.agent.pods_v6 = 1;
    CHECK(families_of(facts, routed) == kBoth);
}

TEST_CASE("the agent believes only an answer", "[canary]") {
    CHECK(parse_self_test("").state == CanaryState::impossible);
    CHECK(parse_self_test("{\"self_test\":null}").state == CanaryState::impossible);
    CHECK(parse_self_test("{\"self_test\":{\"proof\":\"great\"}}").state ==
          CanaryState::impossible);
    const auto bypassed =
        parse_self_test("{\"self_test\":{\"proof\":\"bypassed\",\"reason\":\"TCP arrived\"}}");
    CHECK(bypassed.state == CanaryState::bypassed);
    CHECK(bypassed.reason == "TCP arrived");
    CHECK(bypassed.forbids_ready());
    CHECK(parse_self_test("{\"self_test\":{\"proof\":\"enforced\",\"reason\":null}}").state ==
          CanaryState::enforced);
    CHECK(CanaryRecord{.state = CanaryState::pending}.forbids_ready());
    CHECK_FALSE(CanaryRecord{.state = CanaryState::impossible}.forbids_ready());
    CHECK_FALSE(CanaryRecord{}.forbids_ready());
}

TEST_CASE("a period has a unit", "[canary]") {
    CHECK(parse_period("90s") == 90s);
    CHECK(parse_period("5m") == 5min);
    CHECK(parse_period("1h") == 1h);
    for (const char* bad :
         {"", "5", "m", "5 m", "9s", "-5m", "5mm", "1d", "99999999999999999999h"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_period(bad));
    }
}
