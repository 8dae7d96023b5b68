#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"

// What one transaction may do and undo within itself.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

CONTRACT_TEST("a map's key is deleted and added with another verdict in one batch") {
    Table table = small_table();
    make(kernel, table);
    MapEntry& entry = table.maps["dispatch"].entries.front();
    const MapEntry before = entry;
    entry.verdict = go_to("deny");
    commit(kernel, {.table = table.id,
                    .ops = {DeleteEntries{.map = "dispatch", .spec = hash4(), .entries = {before}},
                            AddEntries{.map = "dispatch", .spec = hash4(), .entries = {entry}}}});
    check_holds(kernel, table);
}

CONTRACT_TEST("overlapping ranges are deleted and added in one batch") {
    Table table;
    table.sets["blocks"] = {.spec = tree4(),
                            .elements = {range(0, 99), range(200, 299), range(300, 399)}};
    make(kernel, table);
    const std::vector<Element> after{range(0, 49), range(60, 250), range(251, 310),
                                     range(399, 0xffffffff)};
    commit(kernel, {.table = table.id,
                    .ops = {DeleteElements{.set = "blocks",
                                           .spec = tree4(),
                                           .elements = table.sets["blocks"].elements},
                            AddElements{.set = "blocks", .spec = tree4(), .elements = after}}});
    table.sets["blocks"].elements = after;
    check_holds(kernel, table);
}

CONTRACT_TEST("overlapping port ranges are deleted and added in one batch") {
    Table table;
    table.sets["ports"] = {.spec = ports(),
                           .elements = {port_range(6, 80, 90), port_range(6, 200, 300)}};
    make(kernel, table);
    const std::vector<Element> after{port_range(6, 80, 300)};
    commit(kernel,
           {.table = table.id,
            .ops = {DeleteElements{
                        .set = "ports", .spec = ports(), .elements = table.sets["ports"].elements},
                    AddElements{.set = "ports", .spec = ports(), .elements = after}}});
    table.sets["ports"].elements = after;
    check_holds(kernel, table);
}

CONTRACT_TEST("ranges come and go one at a time, thousands of times") {
    Table table;
    table.sets["blocks"] = {.spec = tree4(), .elements = {range(1000, 1999)}};
    make(kernel, table);
    // From one range to its two halves and back, as `except` does.
    for (int i = 0; i < 1000; ++i) {
        const std::vector<Element> whole{range(1000, 1999)};
        const std::vector<Element> halves{range(1000, 1499), range(1501, 1999)};
        const bool split = i % 2 == 0;
        commit(
            kernel,
            {.table = table.id,
             .ops = {DeleteElements{
                         .set = "blocks", .spec = tree4(), .elements = split ? whole : halves},
                     AddElements{
                         .set = "blocks", .spec = tree4(), .elements = split ? halves : whole}}});
    }
    check_holds(kernel, table);
}

CONTRACT_TEST("a table is deleted and made anew in one batch") {
    make(kernel, small_table());
    Table other = small_table();
    other.sets["pods"].spec = {.key = {FieldType::ipv4_addr}, .interval = true};
    other.sets["pods"].elements = {range(1, 100)};
    other.chains.at("deny").rules.clear();
    Batch batch = plan(std::nullopt, other);
    batch.ops.insert(batch.ops.begin(), DeleteTable{});
    const std::uint32_t before = dump(kernel).generation;
    commit(kernel, batch, before);
    CHECK(dump(kernel).generation == before + 1);
    check_holds(kernel, other);
}

CONTRACT_TEST("a chain is flushed and refilled in one batch") {
    Table table = small_table();
    make(kernel, table);
    Chain& chain = table.chains.at("class");
    chain.rules = {{.statements = {MatchSet{{Field::ip_daddr}, "pods"}, Verdict{}}}};
    commit(kernel, {.table = table.id,
                    .ops = {FlushChain{.name = "class"},
                            AddRules{.chain = "class", .rules = chain.rules}}});
    check_holds(kernel, table);
}

CONTRACT_TEST("a chain goes with its rules") {
    Table table = small_table();
    make(kernel, table);
    commit(kernel, {.table = table.id,
                    .ops = {DeleteEntries{.map = "dispatch",
                                          .spec = hash4(),
                                          .entries = table.maps["dispatch"].entries},
                            DeleteChain{.name = "class"}, DeleteSet{.name = "pods"}}});
    table.maps["dispatch"].entries.clear();
    table.chains.erase("class");
    table.sets.erase("pods");
    check_holds(kernel, table);
}

CONTRACT_TEST("tables of two families with one name do not meet") {
    const TableId netdev{.family = TableFamily::netdev};
    make(kernel, small_table());
    Table other{.id = netdev};
    other.chains["class"] = {.comment = "of netdev"};
    make(kernel, other);
    check_holds(kernel, small_table());
    check_holds(kernel, other);
    commit(kernel, plan_removal(other, netdev));
    CHECK_FALSE(dump(kernel, netdev).table.has_value());
    check_holds(kernel, small_table());
}
