#include <catch2/catch.hpp>

#include "nft/text.hpp"

namespace podfence::nft {
namespace {

Element element(const std::vector<FieldType>& types, const std::vector<FieldValue>& first,
                const std::vector<FieldValue>& last) {
    return {.first = make_key(types, first), .last = make_key(types, last)};
}
Element element(const std::vector<FieldType>& types, const std::vector<FieldValue>& value) {
    return element(types, value, value);
}

FieldValue address(const char* text) {
    return Address::parse(text).value();
}
FieldValue port(std::uint16_t number) {
    return number;
}
FieldValue number(std::uint8_t number) {
    return number;
}

const std::vector<FieldType> kV4{FieldType::ipv4_addr};
const std::vector<FieldType> kV6{FieldType::ipv6_addr};
const std::vector<FieldType> kPort{FieldType::inet_service};
const std::vector<FieldType> kProtoPort{FieldType::inet_proto, FieldType::inet_service};
const std::vector<FieldType> kNamed{FieldType::ipv4_addr, FieldType::inet_proto,
                                    FieldType::inet_service};

std::string one(const std::vector<FieldType>& types, const std::vector<FieldValue>& first,
                const std::vector<FieldValue>& last) {
    return to_text(SetSpec{.key = types, .interval = true}, element(types, first, last));
}

TEST_CASE("elements print as nft lists them") {
    CHECK(one(kV4, {address("10.0.0.0")}, {address("10.255.255.255")}) == "10.0.0.0/8");
    CHECK(one(kV4, {address("0.0.0.0")}, {address("255.255.255.255")}) == "0.0.0.0/0");
    CHECK(one(kV4, {address("10.0.0.1")}, {address("10.0.0.4")}) == "10.0.0.1-10.0.0.4");
    CHECK(one(kV6, {address("fe80::")}, {address("fe80::ff")}) == "fe80::/120");
    CHECK(one(kPort, {port(0)}, {port(1023)}) == "0-1023");
    CHECK(one(kPort, {port(80)}, {port(80)}) == "80");
    CHECK(one(kProtoPort, {number(0), port(80)}, {number(255), port(90)}) == "0-255 . 80-90");
    CHECK(one(kNamed, {address("10.0.0.0"), number(132), port(80)},
              {address("10.0.0.255"), number(132), port(80)}) == "10.0.0.0/24 . sctp . 80");
    const auto protocol = [](std::uint8_t n) {
        const std::vector<FieldType> types{FieldType::inet_proto};
        return one(types, {number(n)}, {number(n)});
    };
    CHECK(protocol(1) == "icmp");
    CHECK(protocol(6) == "tcp");
    CHECK(protocol(17) == "udp");
    CHECK(protocol(58) == "ipv6-icmp");
    CHECK(protocol(0) == "0");
    CHECK(protocol(47) == "47");
    const std::vector<FieldType> icmpv6{FieldType::icmpv6_type};
    CHECK(one(icmpv6, {number(135)}, {number(135)}) == "nd-neighbor-solicit");
    CHECK(one(icmpv6, {number(200)}, {number(200)}) == "200");
    CHECK(one(icmpv6, {number(1)}, {number(4)}) == "1-4");
}

TEST_CASE("statements print in nft syntax") {
    CHECK(to_text(Statement{MatchCtState{ct_established | ct_related}}) ==
          "ct state established,related");
    CHECK(to_text(Statement{MatchCtState{ct_new | ct_invalid}}) == "ct state invalid,new");
    CHECK(to_text(Statement{MatchCtState{0x60}}) == "ct state 0x60");
    CHECK(to_text(Statement{MatchCtMark{.mask = 0x10000, .value = 0x10000}}) ==
          "ct mark & 0x00010000 == 0x00010000");
    CHECK(to_text(Statement{MatchSourceLocal{}}) == "fib saddr type local");
    CHECK(to_text(Statement{RejectTcpReset{}}) == "meta l4proto tcp reject with tcp reset");
    CHECK(to_text(Statement{RejectTcpReset{.opening_only = true}}) ==
          "tcp flags syn / fin,syn,rst,ack reject with tcp reset");
    CHECK(to_text(Statement{RejectProhibited{}}) == "reject with icmpx admin-prohibited");
    CHECK(to_text(Statement{MatchSet{.key = {Field::ip_saddr, Field::ip_daddr}, .set = "self"}}) ==
          "ip saddr . ip daddr @self");
    CHECK(to_text(Statement{LookupVerdict{.key = {Field::l4proto, Field::th_dport}, .map = "m"}}) ==
          "meta l4proto . th dport vmap @m");
    CHECK(to_text(Statement{MatchSet{.key = {Field::icmpv6_type}, .set = "nd"}}) ==
          "icmpv6 type @nd");
    CHECK(to_text(Statement{Counter{}}) == "counter");
    CHECK(to_text(Statement{Limit{.packets_per_second = 10}}) == "limit rate 10/second");
    CHECK(to_text(Statement{Limit{.packets_per_second = 10, .burst = 50}}) ==
          "limit rate 10/second burst 50 packets");
    CHECK(to_text(Statement{Log{.group = 5, .prefix = "deny "}}) == "log prefix \"deny \" group 5");
    CHECK(to_text(Statement{Log{.group = 0}}) == "log group 0");
    CHECK(to_text(Verdict{.kind = VerdictKind::go_to, .chain = "c"}) == "goto c");
    CHECK(to_text(Verdict{.kind = VerdictKind::jump, .chain = "c"}) == "jump c");
    CHECK(to_text(Verdict{.kind = VerdictKind::ret}) == "return");
    CHECK(to_text(Rule{.statements = {Counter{}, Verdict{.kind = VerdictKind::drop}},
                       .comment = "why"}) == "counter drop comment \"why\"");
}

TEST_CASE("texts chosen by others can neither end a string nor reach a terminal") {
    const Rule rule{.statements = {}, .comment = "a\"; drop; \"b\n\x1b[31m\xc2\x9b\\"};
    CHECK(to_text(rule) == "comment \"a'; drop; 'b??[31m??\\\"");
    CHECK(to_text(Statement{Log{.group = 1, .prefix = "$x\""}}) == "log prefix \"?x'\" group 1");
    CHECK(to_text(Verdict{.kind = VerdictKind::jump, .chain = "a b\n"}) == "jump a?b?");
    CHECK(to_text(Statement{Opaque{.what = "meta mark\n1"}}) == "<meta mark?1>");
}

Table sample() {
    Table table;
    table.sets["peers"] = {
        .spec = {.key = kV4, .size = 8, .comment = "x/y"},
        .elements = {element(kV4, {address("10.0.0.1")}), element(kV4, {address("10.0.0.2")}),
                     element(kV4, {address("10.0.0.3")})}};
    table.sets["empty"] = {.spec = {.key = kNamed}};
    table.maps["ports"] = {
        .spec = {.key = kProtoPort, .interval = true},
        .entries = {{element(kProtoPort, {number(6), port(80)}, {number(6), port(90)}),
                     {.kind = VerdictKind::go_to, .chain = "class"},
                     "web"},
                    {element(kProtoPort, {number(17), port(53)}), {.kind = VerdictKind::accept}}}};
    table.chains["class"] = {
        .comment = "policies",
        .rules = {{.statements = {MatchSet{.key = {Field::ip_saddr}, .set = "peers"},
                                  Verdict{.kind = VerdictKind::accept}}}}};
    table.chains["in"] = {
        .base = BaseChain{.hook = Hook::forward, .priority = -10},
        .rules = {{.statements = {
                       LookupVerdict{.key = {Field::l4proto, Field::th_dport}, .map = "ports"}}}}};
    return table;
}

TEST_CASE("a table prints as nft lists it, base chains first") {
    CHECK(to_text(sample()) == R"(table inet podfence {
	set empty {
		type ipv4_addr . inet_proto . inet_service
	}

	set peers {
		type ipv4_addr
		size 8
		comment "x/y"
		elements = { 10.0.0.1, 10.0.0.2,
			     10.0.0.3 }
	}

	map ports {
		type inet_proto . inet_service : verdict
		flags interval
		elements = { tcp . 80-90 comment "web" : goto class,
			     udp . 53 : accept }
	}

	chain in {
		type filter hook forward priority filter - 10; policy accept;
		meta l4proto . th dport vmap @ports
	}

	chain class {
		comment "policies"
		ip saddr @peers accept
	}
}
)");
    Table strange;
    strange.id = {.family = TableFamily::netdev, .name = "podfence"};
    strange.flags = 1;
    strange.foreign = {"flowtable f"};
    CHECK(to_text(strange) ==
          "table netdev podfence {\n\tflags dormant\n\t# not expressible here: flowtable f\n}\n");
}

TEST_CASE("priorities print by their standard names as far as nft does") {
    const auto priority = [](Hook hook, std::int32_t value) {
        const std::string text =
            to_text({}, AddChain{.name = "c",
                                 .base = BaseChain{.hook = hook, .priority = value},
                                 .comment = ""});
        const auto from = text.find("priority ") + 9;
        return text.substr(from, text.find(';') - from);
    };
    CHECK(priority(Hook::forward, 0) == "filter");
    CHECK(priority(Hook::forward, 10) == "filter + 10");
    CHECK(priority(Hook::forward, -11) == "-11");
    CHECK(priority(Hook::prerouting, -101) == "dstnat - 1");
    CHECK(priority(Hook::input, -101) == "-101");
    CHECK(priority(Hook::postrouting, 100) == "srcnat");
    CHECK(priority(Hook::output, -290) == "raw + 10");
    CHECK(priority(Hook::output, 2147483647) == "2147483647");
    CHECK(priority(Hook::output, -2147483647 - 1) == "-2147483648");
}

TEST_CASE("a batch is one command a line") {
    const Table t = sample();
    const Batch batch{
        .table = t.id,
        .ops = {DeleteTable{}, AddTable{}, AddSet{.name = "peers", .spec = t.sets.at("peers").spec},
                AddMap{.name = "ports", .spec = t.maps.at("ports").spec},
                AddChain{.name = "in", .base = t.chains.at("in").base, .comment = "hook"},
                AddChain{.name = "class", .base = std::nullopt, .comment = ""},
                DeleteElements{.set = "peers",
                               .spec = t.sets.at("peers").spec,
                               .elements = {t.sets.at("peers").elements[0]}},
                AddElements{.set = "peers",
                            .spec = t.sets.at("peers").spec,
                            .elements = t.sets.at("peers").elements},
                FlushChain{"class"},
                AddRules{.chain = "class",
                         .rules = {t.chains.at("class").rules[0],
                                   {.statements = {Verdict{.kind = VerdictKind::drop}}}}},
                AddEntries{.map = "ports",
                           .spec = t.maps.at("ports").spec,
                           .entries = t.maps.at("ports").entries},
                DeleteEntries{.map = "ports",
                              .spec = t.maps.at("ports").spec,
                              .entries = {t.maps.at("ports").entries[0]}},
                DeleteSet{"empty"}, DeleteChain{"gone"}}};
    CHECK(to_text(batch) == R"(delete table inet podfence
add table inet podfence
add set inet podfence peers { type ipv4_addr; size 8; comment "x/y"; }
add map inet podfence ports { type inet_proto . inet_service : verdict; flags interval; }
add chain inet podfence in { type filter hook forward priority filter - 10; policy accept; comment "hook"; }
add chain inet podfence class
delete element inet podfence peers { 10.0.0.1 }
add element inet podfence peers { 10.0.0.1, 10.0.0.2, 10.0.0.3 }
flush chain inet podfence class
add rule inet podfence class ip saddr @peers accept
add rule inet podfence class drop
add element inet podfence ports { tcp . 80-90 comment "web" : goto class, udp . 53 : accept }
delete element inet podfence ports { tcp . 80-90 comment "web" : goto class }
delete set inet podfence empty
delete chain inet podfence gone
)");
}

}  // namespace
}  // namespace podfence::nft
