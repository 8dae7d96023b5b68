#include <algorithm>

#include <catch2/catch.hpp>

#include "nft/plan.hpp"

namespace podfence::nft {
namespace {

Element v4(std::uint32_t first, std::uint32_t last) {
    const std::vector<FieldType> types{FieldType::ipv4_addr};
    return {.first = make_key(types, std::vector<FieldValue>{Address::v4(first)}),
            .last = make_key(types, std::vector<FieldValue>{Address::v4(last)})};
}
Element v4(std::uint32_t address) {
    return v4(address, address);
}

Verdict to(std::string chain) {
    return {.kind = VerdictKind::go_to, .chain = std::move(chain)};
}

Rule accept_from(std::string set) {
    return {.statements = {MatchSet{.key = {Field::ip_saddr}, .set = std::move(set)},
                           Verdict{.kind = VerdictKind::accept}}};
}

/// A base chain, a map into one class, and the class's peers.
Table sample() {
    Table table;
    table.sets["peers"] = {.spec = {.key = {FieldType::ipv4_addr}, .size = 8},
                           .elements = {v4(1), v4(2), v4(3)}};
    table.sets["blocks"] = {.spec = {.key = {FieldType::ipv4_addr}, .interval = true},
                            .elements = {v4(10, 19), v4(30, 39)}};
    table.maps["pods"] = {.spec = {.key = {FieldType::ipv4_addr}},
                          .entries = {{v4(1), to("class"), "ns/a"}, {v4(2), to("class"), "ns/b"}}};
    table.chains["base"] = {
        .base = BaseChain{.hook = Hook::forward, .priority = -10},
        .rules = {{.statements = {LookupVerdict{.key = {Field::ip_saddr}, .map = "pods"}}}}};
    table.chains["class"] = {.comment = "policies", .rules = {accept_from("peers")}};
    return table;
}

TEST_CASE("what is equal needs no batch") {
    CHECK(plan(sample(), sample()).empty());
    CHECK(plan_removal(std::nullopt, {}).empty());
    CHECK(plan_removal(sample(), {}).ops == std::vector<Op>{DeleteTable{}});
}

TEST_CASE("a new table is made from what is referred to towards what refers") {
    const Table want = sample();
    const std::vector<Op> expected{
        AddTable{},
        AddSet{.name = "blocks", .spec = want.sets.at("blocks").spec},
        AddSet{.name = "peers", .spec = want.sets.at("peers").spec},
        AddMap{.name = "pods", .spec = want.maps.at("pods").spec},
        AddChain{.name = "base", .base = want.chains.at("base").base, .comment = ""},
        AddChain{.name = "class", .base = std::nullopt, .comment = "policies"},
        AddElements{.set = "blocks",
                    .spec = want.sets.at("blocks").spec,
                    .elements = want.sets.at("blocks").elements},
        AddElements{.set = "peers",
                    .spec = want.sets.at("peers").spec,
                    .elements = want.sets.at("peers").elements},
        AddRules{.chain = "base", .rules = want.chains.at("base").rules},
        AddRules{.chain = "class", .rules = want.chains.at("class").rules},
        AddEntries{.map = "pods",
                   .spec = want.maps.at("pods").spec,
                   .entries = want.maps.at("pods").entries},
    };
    CHECK(plan(std::nullopt, want).ops == expected);
}

TEST_CASE("a changed element costs that element") {
    const Table have = sample();
    Table want = have;
    want.sets["peers"].elements = {v4(1), v4(3), v4(4)};
    want.sets["blocks"].elements = {v4(10, 25), v4(30, 39)};
    const std::vector<Op> expected{
        DeleteElements{
            .set = "blocks", .spec = have.sets.at("blocks").spec, .elements = {v4(10, 19)}},
        DeleteElements{.set = "peers", .spec = have.sets.at("peers").spec, .elements = {v4(2)}},
        AddElements{.set = "blocks", .spec = have.sets.at("blocks").spec, .elements = {v4(10, 25)}},
        AddElements{.set = "peers", .spec = have.sets.at("peers").spec, .elements = {v4(4)}},
    };
    CHECK(plan(have, want).ops == expected);
}

TEST_CASE("an entry whose verdict or comment changed is deleted and added") {
    const Table have = sample();
    const SetSpec spec = have.maps.at("pods").spec;
    Table want = have;
    want.maps["pods"].entries[0].comment = "ns/renamed";
    want.maps["pods"].entries[1].verdict = Verdict{.kind = VerdictKind::drop};
    const std::vector<Op> expected{
        DeleteEntries{.map = "pods", .spec = spec, .entries = have.maps.at("pods").entries},
        AddEntries{.map = "pods", .spec = spec, .entries = want.maps.at("pods").entries},
    };
    CHECK(plan(have, want).ops == expected);
}

TEST_CASE("a chain whose rules differ is flushed and refilled, others are left alone") {
    const Table have = sample();
    Table want = have;
    want.chains["class"].rules.push_back(accept_from("blocks"));
    CHECK(plan(have, want).ops ==
          std::vector<Op>{FlushChain{"class"},
                          AddRules{.chain = "class", .rules = want.chains.at("class").rules}});
    // What the kernel holds beside what we write is never equal to anything wanted.
    Table tampered = have;
    tampered.chains["class"].rules[0].statements.insert(
        tampered.chains["class"].rules[0].statements.begin(), Opaque{.what = "meta mark 1"});
    CHECK(plan(tampered, have).ops ==
          std::vector<Op>{FlushChain{"class"},
                          AddRules{.chain = "class", .rules = have.chains.at("class").rules}});
}

TEST_CASE("what goes loses its references first") {
    const Table have = sample();
    Table want = have;
    want.maps.clear();
    want.sets.erase("peers");
    want.chains.erase("class");
    want.chains["base"].rules.clear();
    const std::vector<Op> expected{
        DeleteEntries{.map = "pods",
                      .spec = have.maps.at("pods").spec,
                      .entries = have.maps.at("pods").entries},
        FlushChain{"base"},
        FlushChain{"class"},
        DeleteSet{"peers"},
        DeleteSet{"pods"},
        DeleteChain{"class"},
    };
    CHECK(plan(have, want).ops == expected);
}

TEST_CASE("a base chain that goes is named as one") {
    const Table have = sample();
    Table want = have;
    want.chains.erase("base");
    const std::vector<Op> expected{FlushChain{"base"}, DeleteChain{.name = "base", .base = true}};
    CHECK(plan(have, want).ops == expected);
}

TEST_CASE("what the kernel fixes at creation rebuilds the table in one batch") {
    const Table want = sample();
    Batch rebuilt = plan(std::nullopt, want);
    rebuilt.ops.insert(rebuilt.ops.begin(), DeleteTable{});
    std::vector<std::pair<std::string, Table>> cases;
    const auto add = [&](std::string what, auto change) {
        Table have = want;
        change(have);
        cases.emplace_back(std::move(what), std::move(have));
    };
    add("dormant", [](Table& t) { t.flags = 1; });
    add("foreign", [](Table& t) { t.foreign = {"flowtable f"}; });
    add("size", [](Table& t) { t.sets["peers"].spec.size = 9; });
    add("interval", [](Table& t) { t.sets["peers"].spec.interval = true; });
    add("set comment", [](Table& t) { t.sets["peers"].spec.comment = "other"; });
    add("map key", [](Table& t) { t.maps["pods"].spec.key = {FieldType::ipv6_addr}; });
    add("priority", [](Table& t) { t.chains["base"].base->priority = 0; });
    add("policy", [](Table& t) { t.chains["base"].base->policy_accept = false; });
    add("no hook", [](Table& t) { t.chains["base"].base.reset(); });
    add("a hook", [](Table& t) { t.chains["class"].base = BaseChain{}; });
    add("chain comment", [](Table& t) { t.chains["class"].comment = "other"; });
    add("a set where a map belongs", [](Table& t) {
        t.maps.clear();
        t.sets["pods"] = {.spec = {.key = {FieldType::ipv4_addr}}};
    });
    add("a map where a set belongs", [](Table& t) {
        t.sets.erase("peers");
        t.maps["peers"] = {.spec = {.key = {FieldType::ipv4_addr}}};
    });
    for (const auto& [what, have] : cases) {
        INFO(what);
        CHECK(plan(have, want) == rebuilt);
    }
}

TEST_CASE("the order of a batch does not depend on the order of what is put in") {
    Table other = sample();
    other.sets["more"] = other.sets["peers"];
    other.sets.erase("peers");
    other.chains["class"].rules = {accept_from("more")};
    other.maps["pods"].entries.pop_back();
    std::vector<Op> ops = diff(sample(), other);
    REQUIRE(ops.size() > 5);
    const Batch expected = order({}, ops);
    for (std::size_t i = 0; i < ops.size(); ++i) {
        std::ranges::rotate(ops, ops.begin() + 1);
        CHECK(order({}, ops) == expected);
        std::vector<Op> reversed(ops.rbegin(), ops.rend());
        CHECK(order({}, std::move(reversed)) == expected);
    }
}

}  // namespace
}  // namespace podfence::nft
