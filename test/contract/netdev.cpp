#include "nft/monitor.hpp"
#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"

// A table of the netdev family: chains on the ingress hook of interfaces, and what only they look
// at.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

const TableId kNetdev{.family = TableFamily::netdev};

/// The loopback interface is the one that every network namespace has, with this index.
constexpr std::uint32_t kLoopback = 1;
constexpr const char* kLoopbackName = "lo";

Key make(const std::vector<FieldType>& types, const std::vector<FieldValue>& values) {
    return make_key(types, values);
}
Element single(const std::vector<FieldType>& types, const std::vector<FieldValue>& values) {
    const Key key = make(types, values);
    return {key, key};
}

/// Every field that a netdev table knows and an inet table does not.
Table guard() {
    const std::vector<FieldType> index{FieldType::iface_index};
    const std::vector<FieldType> index4{FieldType::iface_index, FieldType::ipv4_addr};
    const std::vector<FieldType> index6{FieldType::iface_index, FieldType::ipv6_addr};
    const std::vector<FieldType> frame{FieldType::ether_type};
    const std::vector<FieldType> dhcp{FieldType::ipv4_addr, FieldType::inet_proto,
                                      FieldType::inet_service, FieldType::inet_service};
    const Address v4 = Address::parse("10.0.0.5").value();
    const Address v6 = Address::parse("fd00::5").value();
    Table table{.id = kNetdev};
    table.sets["watched"] = {.spec = {.key = index, .size = 64},
                             .elements = {single(index, {kLoopback})}};
    table.sets["own-v4"] = {.spec = {.key = index4, .size = 64},
                            .elements = {single(index4, {kLoopback, v4})}};
    table.sets["own-v6"] = {.spec = {.key = index6, .size = 64},
                            .elements = {single(index6, {kLoopback, v6})}};
    table.sets["dhcp"] = {.spec = {.key = dhcp},
                          .elements = {single(dhcp, {Address{}, std::uint8_t{17}, std::uint16_t{68},
                                                     std::uint16_t{67}})}};
    const Verdict accept{VerdictKind::accept};
    table.chains["ip"] = {
        .rules = {{.statements = {MatchSet{{Field::iif, Field::ip_saddr}, "own-v4"}, accept}},
                  {.statements = {
                       MatchSet{{Field::ip_saddr, Field::l4proto, Field::th_sport, Field::th_dport},
                                "dhcp"},
                       accept}}}};
    table.chains["arp"] = {
        .rules = {{.statements = {MatchSet{{Field::iif, Field::arp_saddr_ip}, "own-v4"},
                                  MatchSet{{Field::iif, Field::arp_daddr_ip}, "own-v4"}, accept}}}};
    table.chains["ip6"] = {
        .rules = {{.statements = {MatchSet{{Field::iif, Field::ip6_saddr}, "own-v6"}, accept}},
                  {.statements = {MatchSet{{Field::iif, Field::nd_target}, "own-v6"}, accept}}}};
    table.maps["frames"] = {
        .spec = {.key = frame},
        .entries = {{.key = single(frame, {std::uint16_t{0x0800}}), .verdict = go_to("ip")},
                    {.key = single(frame, {std::uint16_t{0x0806}}), .verdict = go_to("arp")},
                    {.key = single(frame, {std::uint16_t{0x86dd}}), .verdict = go_to("ip6")}}};
    table.chains["frames"] = {
        .rules = {{.statements = {LookupVerdict{{Field::ether_type}, "frames"}}}}};
    table.chains["from-lo"] = {
        .base = BaseChain{.hook = Hook::ingress, .priority = -10, .device = kLoopbackName},
        .comment = "the only interface",
        .rules = {{.statements = {MatchSet{{Field::iif}, "watched"},
                                  Verdict{VerdictKind::jump, "frames"}}},
                  {.statements = {MatchSet{{Field::iif}, "watched"}, Counter{},
                                  Verdict{VerdictKind::drop}}}}};
    return table;
}

}  // namespace

CONTRACT_TEST("a netdev table is dumped as it was made") {
    make(kernel, guard());
    check_holds(kernel, guard());
    CHECK(converge(kernel, guard()).value().batch.empty());
}

CONTRACT_TEST("an ingress chain comes and goes without its table") {
    make(kernel, guard());
    Table want = guard();
    want.chains.erase("from-lo");
    want.sets["watched"].elements.clear();
    want.chains["again"] = guard().chains.at("from-lo");
    const Table have = guard();
    const Batch batch = plan(have, want);
    CHECK(std::holds_alternative<AddChain>(batch.ops.front()));
    commit(kernel, batch);
    check_holds(kernel, want);
}

CONTRACT_TEST("hooks are refused in tables that do not have them") {
    make(kernel, guard());
    const BaseChain nameless{.hook = Hook::ingress};
    const BaseChain forward{.hook = Hook::forward};
    BaseChain overlong{.hook = Hook::ingress, .device = "sixteen-letters-"};
    for (const BaseChain& base : {nameless, forward, overlong}) {
        const Batch batch{.table = kNetdev, .ops = {AddChain{"x", base, {}}}};
        CHECK(refusal(kernel, batch).code == Errc::rejected);
    }
    make(kernel, small_table());
    const BaseChain ingress{.hook = Hook::ingress, .device = kLoopbackName};
    CHECK(refusal(kernel, {.table = {}, .ops = {AddChain{"x", ingress, {}}}}).code ==
          Errc::rejected);
    check_holds(kernel, guard());
}

TEST_CASE("an ingress chain of an interface that is not there is refused, or waits for it") {
    if (const auto why = Real::missing()) PODFENCE_SKIP(*why);
    Real real;
    make(real.kernel(), Table{.id = kNetdev});
    const BaseChain base{.hook = Hook::ingress, .device = "nowhere"};
    const auto done =
        real.kernel().commit({.table = kNetdev, .ops = {AddChain{"x", base, {}}}}, std::nullopt);
    // Linux binds hooks to names from 6.16 on.
    if (!done) {
        CHECK(done.error().code == Errc::not_found);
    } else {
        Table held{.id = kNetdev};
        held.chains["x"].base = base;
        check_holds(real.kernel(), held);
    }
}

TEST_CASE("an interface that goes leaves a table that can be amended") {
    if (const auto why = Real::missing()) PODFENCE_SKIP(*why);
    Real real;
    run_shell("ip link add gone type veth peer name other");
    Table want = guard();
    want.chains["from-gone"] = want.chains.at("from-lo");
    want.chains.at("from-gone").base->device = "gone";
    make(real.kernel(), want);
    check_holds(real.kernel(), want);
    auto monitor = Monitor::open(kNetdev, real.kernel().port()).value();
    run_shell("ip link delete gone");
    // Linux up to 6.15 takes the chain away with the interface, later ones keep it by its name.
    const Snapshot after = dump(real.kernel(), kNetdev);
    REQUIRE(after.table.has_value());
    CHECK(after.table->foreign.empty());
    const Converged converged = converge(real.kernel(), guard()).value();
    CHECK_FALSE(converged.rebuilt);
    CHECK(converged.batch.ops.empty() != after.table->chains.contains("from-gone"));
    check_holds(real.kernel(), guard());
    // What the kernel does by itself is nobody's attack.
    const Notices notices = monitor.read().value();
    CHECK(notices.foreign.empty());
    CHECK_FALSE(notices.stirred);
}

TEST_CASE("nft lists a netdev table of ours") {
    if (const auto why = Real::missing()) PODFENCE_SKIP(*why);
    if (const auto why = nft_missing()) PODFENCE_SKIP(*why);
    Real real;
    make(real.kernel(), guard());
    const std::string listed = run_shell("nft list table netdev podfence");
    for (const std::string& line :
         {std::string(
              "type filter hook ingress device \"lo\" priority filter - 10; policy accept;"),
          std::string("iif @watched jump frames"), std::string("ether type vmap @frames"),
          std::string("iif . ip saddr @own-v4 accept"),
          std::string("iif . arp saddr ip @own-v4 iif . arp daddr ip @own-v4 accept"),
          std::string("iif . ip6 saddr @own-v6 accept"),
          std::string("ip saddr . meta l4proto . th sport . th dport @dhcp accept")}) {
        INFO(listed);
        CHECK(listed.find(line) != std::string::npos);
    }
}
