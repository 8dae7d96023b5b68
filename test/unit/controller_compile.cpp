#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "controller/compile.hpp"
#include "nft/text.hpp"
#include "nft/walk.hpp"

using namespace podfence;

namespace {

Pod pod(const std::string& name, Address address, Labels labels = {}) {
    Pod result{.name = {"ns", name}, .uid = Uid(name), .labels = std::move(labels), .node = "n"};
    result.phase = PodPhase::running;
    result.addresses = {address};
    return result;
}

const Address kPod = Address::v4(0x0a000001);

PolicyPort tcp(std::uint16_t first, std::uint16_t last) {
    return {Protocol::tcp, PortRange{first, last}};
}

PolicyRule from(Address address, PolicyPort port) {
    PolicyRule rule;
    rule.peers = {IpBlock{*Prefix::make(address, 32), {}}};
    rule.ports = {std::move(port)};
    return rule;
}

Cluster with_rules(std::vector<PolicyRule> rules) {
    Cluster cluster;
    cluster.put(pod("target", kPod));
    NetworkPolicy policy{.name = {"ns", "many"}};
    policy.ingress = true;
    for (std::uint32_t i = 0; i < rules.size(); ++i) rules[i].index = i;
    policy.ingress_rules = std::move(rules);
    cluster.put(std::move(policy));
    return cluster;
}

bool passes(const nft::Table& table, Address source, std::uint16_t port) {
    return nft::walk(table, nft::Hook::forward,
                     {.source = source, .destination = kPod, .destination_port = port})
        .accepted;
}

Address client(std::uint32_t i) {
    return Address::v4(0x0b000000U + 4 * i);
}

}  // namespace

TEST_CASE("many different peers on many ports become one set and not thousands of chains") {
    constexpr std::uint32_t count = 2000;
    std::vector<PolicyRule> rules;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(1000 + i);
        rules.push_back(from(client(i), tcp(port, port)));
    }
    PolicyRule open{.any_peer = true};
    open.ports = {tcp(80, 80)};
    rules.push_back(open);
    const auto table = compile_all(with_rules(std::move(rules)), {.node = "n"}).table;
    CHECK(table.chains.size() < 10);
    CHECK(table.sets.size() < 10);
    for (std::uint32_t i = 0; i < count; i += 37) {
        const auto port = static_cast<std::uint16_t>(1000 + i);
        CHECK(passes(table, client(i), port));
        CHECK_FALSE(passes(table, client(i), static_cast<std::uint16_t>(port + 1)));
        CHECK_FALSE(passes(table, client(i + 1), port));
        CHECK(passes(table, client(i), 80));
    }
}

TEST_CASE("hostile nests of ranges stay bounded and mean the same (N39)") {
    constexpr std::uint32_t count = 600;  // nested: 600 * 600 / 2 entries if cut into pieces
    std::vector<PolicyRule> rules;
    for (std::uint32_t i = 0; i < count; ++i) {
        rules.push_back(from(client(i), tcp(static_cast<std::uint16_t>(1000 + i),
                                            static_cast<std::uint16_t>(5000 - i))));
    }
    const auto table = compile_all(with_rules(std::move(rules)), {.node = "n"}).table;
    std::size_t elements = 0;
    for (const auto& [name, set] : table.sets) elements += set.elements.size();
    for (const auto& [name, map] : table.maps) elements += map.entries.size();
    CHECK(elements < 10 * count);
    for (std::uint32_t i = 0; i < count; i += 23) {
        CHECK(passes(table, client(i), static_cast<std::uint16_t>(1000 + i)));
        CHECK(passes(table, client(i), static_cast<std::uint16_t>(5000 - i)));
        CHECK_FALSE(passes(table, client(i), static_cast<std::uint16_t>(999 + i)));
        CHECK_FALSE(passes(table, client(i), static_cast<std::uint16_t>(5001 - i)));
    }
}

TEST_CASE("rules with the same peers are one, however their ports nest") {
    std::vector<PolicyRule> rules;
    for (std::uint16_t i = 0; i < 500; ++i) {
        rules.push_back(from(client(1), tcp(static_cast<std::uint16_t>(1000 + i),
                                            static_cast<std::uint16_t>(5000 - i))));
    }
    const auto table = compile_all(with_rules(std::move(rules)), {.node = "n"}).table;
    std::size_t entries = 0;
    for (const auto& [name, map] : table.maps) {
        if (name.starts_with("port")) entries += map.entries.size();
    }
    CHECK(entries == 1);
    CHECK(passes(table, client(1), 1000));
    CHECK(passes(table, client(1), 5000));
    CHECK_FALSE(passes(table, client(1), 999));
    CHECK_FALSE(passes(table, client(1), 5001));
}

TEST_CASE("pods under the same policies share a chain, others do not") {
    Cluster cluster;
    for (std::uint32_t i = 0; i < 50; ++i) {
        cluster.put(pod("pod-" + std::to_string(i), Address::v4(0x0a000001U + i),
                        {{"half", i % 2 == 0 ? "a" : "b"}}));
    }
    NetworkPolicy all{.name = {"ns", "all"}};
    all.ingress = true;
    NetworkPolicy half = all;
    half.name.name = "half";
    half.pods = {{{"half", SelectorOp::in, {"a"}}}};
    cluster.put(all);
    cluster.put(half);
    const auto compiled = compile_all(cluster, {.node = "n"});
    CHECK(compiled.isolated_pods == 50);
    const auto classes = std::ranges::count_if(compiled.table.chains, [](const auto& entry) {
        return entry.first.starts_with("ingress-");
    });
    CHECK(classes == 2);
    CHECK(compiled.table.maps.at("ingress-v4").entries.size() == 50);
    CHECK(compiled.table.maps.at("egress-v4").entries.empty());
}

TEST_CASE("who is denied is told where that is asked for, and only who opens a connection") {
    const auto cluster = with_rules({from(client(1), tcp(80, 80))});
    const auto silent = compile_all(cluster, {.node = "n"}).table;
    const auto telling =
        compile_all(cluster, {.node = "n", .counters = true, .deny_with = DenyWith::reject}).table;
    std::vector<std::string> rules;
    for (const auto& rule : telling.chains.at("deny-ingress").rules) {
        rules.push_back(nft::to_text(rule));
    }
    REQUIRE(rules.size() > 4);
    const std::vector<std::string> last(rules.end() - 4, rules.end());
    CHECK(last == std::vector<std::string>{
                      "counter",
                      "ct state new tcp flags syn / fin,syn,rst,ack reject with tcp reset",
                      "ct state new reject with icmpx admin-prohibited", "drop"});
    for (const auto* table : {&silent, &telling}) {
        CHECK(passes(*table, client(1), 80));
        CHECK_FALSE(passes(*table, client(1), 81));
        CHECK_FALSE(passes(*table, client(2), 80));
        CHECK(to_text(table->chains.at("revoked").rules.back()) == "drop");
    }
    // What is allowed costs no rule more.
    CHECK(silent.chains.at("forward") == telling.chains.at("forward"));
    CHECK(silent.maps == telling.maps);
}
