#include <array>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "nft/walk.hpp"

using namespace podfence::nft;

namespace {

constexpr Verdict kAccept{VerdictKind::accept};
constexpr Verdict kDrop{VerdictKind::drop};

Address addr(const char* text) {
    return *Address::parse(text);
}

Packet tcp(const char* from, const char* to, std::uint16_t port) {
    return {.source = addr(from), .destination = addr(to), .destination_port = port};
}

Key key(std::vector<FieldType> types, std::vector<FieldValue> values) {
    return make_key(types, values);
}

Element span_of(const char* first, const char* last) {
    const auto a = addr(first);
    const auto type = a.family() == Family::ipv4 ? FieldType::ipv4_addr : FieldType::ipv6_addr;
    return {key({type}, {a}), key({type}, {addr(last)})};
}

Element ports(std::uint8_t protocol, std::uint16_t first, std::uint16_t last) {
    const std::vector types{FieldType::inet_proto, FieldType::inet_service};
    return {key(types, {protocol, first}), key(types, {protocol, last})};
}

Table with_rules(std::vector<Rule> rules, bool policy_accept = true) {
    Table table;
    table.chains["base"] = {.base = BaseChain{.policy_accept = policy_accept},
                            .rules = std::move(rules)};
    return table;
}

bool passes(const Table& table, const Packet& packet) {
    return walk(table, Hook::forward, packet).accepted;
}

}  // namespace

TEST_CASE("walk: without a verdict the base chain's policy decides") {
    const auto packet = tcp("10.0.0.1", "10.0.0.2", 80);
    CHECK(passes(Table{}, packet));
    CHECK(passes(with_rules({}, true), packet));
    CHECK_FALSE(passes(with_rules({}, false), packet));
    CHECK(walk(with_rules({}, false), Hook::input, packet).accepted);
}

TEST_CASE("walk: a dormant table enforces nothing") {
    auto table = with_rules({{.statements = {kDrop}}});
    CHECK_FALSE(passes(table, tcp("10.0.0.1", "10.0.0.2", 80)));
    table.flags = 1;
    CHECK(passes(table, tcp("10.0.0.1", "10.0.0.2", 80)));
}

TEST_CASE("walk: an accept ends its base chain only, in order of priority") {
    auto table = with_rules({{.statements = {kAccept}}});
    table.chains["later"] = {.base = BaseChain{.priority = 1}, .rules = {{.statements = {kDrop}}}};
    const auto result = walk(table, Hook::forward, tcp("10.0.0.1", "10.0.0.2", 80));
    CHECK_FALSE(result.accepted);
    REQUIRE(result.steps.size() == 2);
    CHECK(result.steps[0].chain == "base");
    CHECK(result.steps[1].chain == "later");
    table.chains["later"].base->priority = -1;
    CHECK(walk(table, Hook::forward, tcp("10.0.0.1", "10.0.0.2", 80)).steps.size() == 1);
}

TEST_CASE("walk: a set of addresses matches only its own family") {
    auto table = with_rules({{.statements = {MatchSet{{Field::ip_saddr}, "s"}, kDrop}}});
    table.sets["s"] = {
        .spec = {.key = {FieldType::ipv4_addr}, .interval = true},
        .elements = {span_of("0.0.0.0", "9.255.255.255"), span_of("10.0.0.5", "10.0.0.9"),
                     span_of("255.255.255.255", "255.255.255.255")}};
    for (const auto* inside :
         {"0.0.0.0", "9.255.255.255", "10.0.0.5", "10.0.0.9", "255.255.255.255"}) {
        CHECK_FALSE(passes(table, tcp(inside, "1.1.1.1", 1)));
    }
    for (const auto* outside : {"10.0.0.4", "10.0.0.10", "255.255.255.254"}) {
        CHECK(passes(table, tcp(outside, "1.1.1.1", 1)));
    }
    CHECK(passes(table, tcp("::", "::1", 1)));
}

TEST_CASE("walk: an empty set matches nothing") {
    auto table = with_rules({{.statements = {MatchSet{{Field::ip_saddr}, "s"}, kDrop}}});
    table.sets["s"] = {.spec = {.key = {FieldType::ipv4_addr}}};
    CHECK(passes(table, tcp("10.0.0.1", "10.0.0.2", 80)));
}

TEST_CASE("walk: each field of a concatenation has its own range") {
    auto table =
        with_rules({{.statements = {LookupVerdict{{Field::l4proto, Field::th_dport}, "m"}}}});
    table.maps["m"] = {
        .spec = {.key = {FieldType::inet_proto, FieldType::inet_service}, .interval = true},
        .entries = {{ports(6, 80, 90), kDrop}, {ports(17, 0, 65535), kDrop}}};
    CHECK(passes(table, tcp("10.0.0.1", "10.0.0.2", 79)));
    CHECK_FALSE(passes(table, tcp("10.0.0.1", "10.0.0.2", 80)));
    CHECK_FALSE(passes(table, tcp("10.0.0.1", "10.0.0.2", 90)));
    CHECK(passes(table, tcp("10.0.0.1", "10.0.0.2", 91)));
    auto udp = tcp("10.0.0.1", "10.0.0.2", 65535);
    udp.protocol = 17;
    CHECK_FALSE(passes(table, udp));
    auto icmp = udp;
    icmp.protocol = 1;  // has no port: the rule does not match
    CHECK(passes(table, icmp));
}

TEST_CASE("walk: goto does not come back, jump and return do") {
    const auto make = [](VerdictKind kind, Rule inner) {
        auto table = with_rules({{.statements = {Verdict{kind, "sub"}}}, {.statements = {kDrop}}});
        table.chains["sub"] = {.rules = {std::move(inner)}};
        return table;
    };
    const auto packet = tcp("10.0.0.1", "10.0.0.2", 80);
    const Rule counts{.statements = {Counter{}}};
    const Rule returns{.statements = {Verdict{VerdictKind::ret}}};
    CHECK(passes(make(VerdictKind::go_to, counts), packet));
    CHECK(passes(make(VerdictKind::go_to, returns), packet));
    CHECK_FALSE(passes(make(VerdictKind::jump, counts), packet));
    CHECK_FALSE(passes(make(VerdictKind::jump, returns), packet));
    CHECK(passes(make(VerdictKind::jump, {.statements = {kAccept}}), packet));
}

TEST_CASE("walk: connection state, ICMPv6 types, and what is not understood") {
    auto table = with_rules({{.statements = {MatchCtState{ct_established | ct_related}, kAccept}},
                             {.statements = {MatchSet{{Field::icmpv6_type}, "nd"}, kAccept}},
                             {.statements = {Opaque{"fib daddr"}, kAccept}},
                             {.statements = {kDrop}}});
    table.sets["nd"] = {.spec = {.key = {FieldType::icmpv6_type}},
                        .elements = {{key({FieldType::icmpv6_type}, {std::uint8_t{135}}),
                                      key({FieldType::icmpv6_type}, {std::uint8_t{135}})}}};
    auto packet = tcp("fd00::1", "fd00::2", 80);
    packet.ct_state = ct_established;
    CHECK(passes(table, packet));
    packet.ct_state = ct_invalid;
    const auto dropped = walk(table, Hook::forward, packet);
    CHECK_FALSE(dropped.accepted);
    REQUIRE(dropped.steps.size() == 2);
    CHECK(dropped.steps[0].note == "not understood: fib daddr");
    packet.protocol = 58;
    packet.icmp_type = 135;
    CHECK(passes(table, packet));
    packet.icmp_type = 128;
    CHECK_FALSE(passes(table, packet));
}

TEST_CASE("walk: what the node itself says") {
    const auto table = with_rules({{.statements = {MatchSourceLocal{}, kDrop}}});
    auto packet = tcp("10.0.0.1", "10.0.0.2", 80);
    CHECK(passes(table, packet));
    packet.source_local = true;
    CHECK_FALSE(passes(table, packet));
}

TEST_CASE("walk: whoever is told that he may not, does not pass") {
    auto packet = tcp("10.0.0.1", "10.0.0.2", 80);
    CHECK_FALSE(passes(with_rules({{.statements = {RejectProhibited{}}}}), packet));
    const auto opening = with_rules({{.statements = {RejectTcpReset{.opening_only = true}}}});
    CHECK_FALSE(passes(opening, packet));
    packet.ct_state = ct_invalid;
    CHECK(passes(opening, packet));
    packet.ct_state = ct_new;
    packet.protocol = 17;
    CHECK(passes(opening, packet));
}

TEST_CASE("walk: marked connections, and a reset that only TCP gets") {
    constexpr std::uint32_t bit = 0x10000;
    const auto table =
        with_rules({{.statements = {MatchCtMark{.mask = bit, .value = bit}, RejectTcpReset{}}}});
    auto packet = tcp("10.0.0.1", "10.0.0.2", 80);
    CHECK(passes(table, packet));
    packet.ct_mark = bit | 1;
    CHECK_FALSE(passes(table, packet));
    packet.protocol = 17;
    CHECK(passes(table, packet));
}
