#include <algorithm>

#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"
#include "test/support/effort.hpp"
#include "test/support/random_table.hpp"

// What is committed is what is dumped.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

CONTRACT_TEST("without a table the dump has none") {
    CHECK_FALSE(dump(kernel).table.has_value());
}

CONTRACT_TEST("a table, its chains, rules, sets and maps come back as they were committed") {
    make(kernel, small_table());
    check_holds(kernel, small_table());
}

CONTRACT_TEST("random inet tables with everything in them come back as they were committed") {
    for (std::uint64_t seed = 1000; seed < 1000 + test::effort(100); ++seed) {
        INFO("seed " << seed);
        const Table table = random_table(seed);
        make(kernel, table);
        check_holds(kernel, table);
        commit(kernel, plan_removal(table, table.id));
        CHECK_FALSE(dump(kernel).table.has_value());
    }
}

CONTRACT_TEST("random netdev tables come back as they were committed") {
    for (std::uint64_t seed = 2000; seed < 2000 + test::effort(20); ++seed) {
        INFO("seed " << seed);
        const Table table = random_table(seed, {.family = TableFamily::netdev});
        make(kernel, table);
        check_holds(kernel, table);
        commit(kernel, plan_removal(table, table.id));
    }
}

CONTRACT_TEST("from any random table to any other by the planned batch") {
    Table have = random_table(3000);
    make(kernel, have);
    for (std::uint64_t seed = 3001; seed < 3001 + test::effort(39); ++seed) {
        INFO("seed " << seed);
        Table want = random_table(seed);
        commit(kernel, plan(have, want), dump(kernel).generation);
        check_holds(kernel, want);
        have = std::move(want);
    }
}

CONTRACT_TEST("ranges reach the first and the last address of both families") {
    Table table;
    table.sets["all-4"] = {.spec = tree4(), .elements = {prefix("0.0.0.0/0")}};
    table.sets["ends-4"] = {.spec = tree4(),
                            .elements = {address("0.0.0.0"), prefix("10.0.0.0/8"),
                                         address("255.255.255.254"), address("255.255.255.255")}};
    const SetSpec tree6{.key = {FieldType::ipv6_addr}, .interval = true};
    table.sets["all-6"] = {.spec = tree6, .elements = {prefix("::/0")}};
    table.sets["ends-6"] = {
        .spec = tree6,
        .elements = {address("::"), address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}};
    table.sets["ports"] = {
        .spec = ports(),
        .elements = {port_range(6, 0, 0), port_range(6, 65535, 65535), port_range(17, 0, 65535)}};
    table.maps["map"] = {.spec = tree4(),
                         .entries = {{.key = prefix("0.0.0.0/1"), .verdict = {}, .comment = "low"},
                                     {.key = prefix("128.0.0.0/1"),
                                      .verdict = {VerdictKind::drop},
                                      .comment = "high, to the end"}}};
    make(kernel, table);
    check_holds(kernel, table);
}

CONTRACT_TEST("adjacent ranges stay apart") {
    Table table;
    table.sets["s"] = {.spec = tree4(), .elements = {range(0, 9), range(10, 10), range(11, 99)}};
    make(kernel, table);
    check_holds(kernel, table);
    commit(kernel, {.table = table.id,
                    .ops = {DeleteElements{.set = "s", .spec = tree4(), .elements = {one(10)}}}});
    table.sets["s"].elements = {range(0, 9), range(11, 99)};
    check_holds(kernel, table);
}

CONTRACT_TEST("100,000 addresses in a new set") {
    Table table;
    Set& set = table.sets["pods"];
    set.spec = hash4(100'000);
    for (std::uint32_t i = 0; i < 100'000; ++i) set.elements.push_back(one(0x0a000000 + i));
    make(kernel, table);
    check_holds(kernel, table);
}

CONTRACT_TEST("100,000 addresses into a live set are one transaction") {
    Table table = small_table();
    table.sets["pods"].spec.size = 200'000;
    make(kernel, table);
    const std::uint32_t before = dump(kernel).generation;
    const Table have = table;
    std::vector<Element>& elements = table.sets["pods"].elements;
    for (std::uint32_t i = 0; i < 100'000; ++i) elements.push_back(one(0x0b000000 + i));
    commit(kernel, plan(have, table), before);
    CHECK(dump(kernel).generation == before + 1);
    check_holds(kernel, table);
}

CONTRACT_TEST("a set of 10,000 ranges") {
    Table table;
    Set& set = table.sets["blocks"];
    set.spec = tree4();
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        set.elements.push_back(range(i * 100'000, i * 100'000 + 50 + i));
    }
    make(kernel, table);
    check_holds(kernel, table);
}

CONTRACT_TEST("a verdict map of 2,000 entries with long comments") {
    Table table = small_table();
    Map& map = table.maps["dispatch"];
    // Without a declared size the kernel's table grows after the commit, and what a dump meets
    // meanwhile is not all of it (rhashtable). We always declare one.
    map.spec.size = 2'048;
    map.entries.clear();
    for (std::uint32_t i = 0; i < 2'000; ++i) {
        map.entries.push_back({.key = one(i),
                               .verdict = go_to(i % 2 == 0 ? "class" : "deny"),
                               .comment = std::string(kCommentBytesMax, 'x')});
    }
    make(kernel, table);
    check_holds(kernel, table);
}

CONTRACT_TEST("names and comments at their limits") {
    Table table;
    const std::string name(kNameBytesMax, 'n');
    const std::string comment(kCommentBytesMax, 'c');
    table.chains[name] = {.comment = comment,
                          .rules = {{.statements = {Verdict{}}, .comment = comment}}};
    table.maps[name] = {
        .spec = {.key = {FieldType::ipv6_addr}, .comment = comment},
        .entries = {{.key = address("2001:db8::1"), .verdict = go_to(name), .comment = comment}}};
    make(kernel, table);
    check_holds(kernel, table);
}
