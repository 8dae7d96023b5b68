#include <catch2/catch.hpp>

#include "nft/batch.hpp"
#include "nft/ruleset.hpp"
#include "nft/table_counts.hpp"
#include "nft/words.hpp"

namespace podfence::nft {
namespace {

std::vector<std::uint8_t> bytes_of(const Key& key) {
    return {key.bytes().begin(), key.bytes().end()};
}

TEST_CASE("the key of a single field is not padded, fields of a concatenation are") {
    const std::vector<FieldType> port{FieldType::inet_service};
    CHECK(bytes_of(make_key(port, std::vector<FieldValue>{std::uint16_t{0x1f90}})) ==
          std::vector<std::uint8_t>{0x1f, 0x90});

    const std::vector<FieldType> types{FieldType::ipv4_addr, FieldType::inet_proto,
                                       FieldType::inet_service};
    const std::vector<FieldValue> values{Address::v4(0x0a000001), std::uint8_t{6},
                                         std::uint16_t{443}};
    const Key key = make_key(types, values);
    CHECK(bytes_of(key) == std::vector<std::uint8_t>{10, 0, 0, 1, 6, 0, 0, 0, 1, 187, 0, 0});
    CHECK(split_key(types, key) == values);
}

TEST_CASE("keys of every field type survive building and splitting") {
    std::array<std::uint8_t, 16> v6{};
    for (std::uint8_t i = 0; i < v6.size(); ++i) v6[i] = static_cast<std::uint8_t>(255 - i);
    const std::vector<std::pair<FieldType, FieldValue>> fields{
        {FieldType::ipv4_addr, Address::v4(0xffffffff)},
        {FieldType::ipv6_addr, Address::v6(v6)},
        {FieldType::inet_proto, std::uint8_t{255}},
        {FieldType::inet_service, std::uint16_t{65535}},
        {FieldType::icmpv6_type, std::uint8_t{135}}};
    for (const auto& [type, value] : fields) {
        const std::vector<FieldType> one{type};
        const Key key = make_key(one, std::vector<FieldValue>{value});
        CHECK(key.bytes().size() == size_of(type));
        CHECK(split_key(one, key) == std::vector<FieldValue>{value});
        for (const auto& [type2, value2] : fields) {
            const std::vector<FieldType> two{type, type2};
            const Key pair = make_key(two, std::vector<FieldValue>{value, value2});
            CHECK(pair.bytes().size() == padded_size_of(type) + padded_size_of(type2));
            CHECK(split_key(two, pair) == std::vector<FieldValue>{value, value2});
        }
    }
}

TEST_CASE("keys order as numbers in network byte order") {
    const std::vector<FieldType> types{FieldType::inet_service};
    const auto port = [&](std::uint16_t number) {
        return make_key(types, std::vector<FieldValue>{number});
    };
    CHECK(port(255) < port(256));
    CHECK(port(0) < port(65535));
}

TEST_CASE("every field has the type that nft gives it") {
    CHECK(type_of(Field::ip_saddr) == FieldType::ipv4_addr);
    CHECK(type_of(Field::ip_daddr) == FieldType::ipv4_addr);
    CHECK(type_of(Field::ip6_saddr) == FieldType::ipv6_addr);
    CHECK(type_of(Field::ip6_daddr) == FieldType::ipv6_addr);
    CHECK(type_of(Field::l4proto) == FieldType::inet_proto);
    CHECK(type_of(Field::th_dport) == FieldType::inet_service);
    CHECK(type_of(Field::icmpv6_type) == FieldType::icmpv6_type);
}

TEST_CASE("the summary counts a flush before a deletion as the deletion only") {
    Batch batch;
    batch.ops.emplace_back(AddTable{});
    batch.ops.emplace_back(AddSet{.name = "s", .spec = {}});
    batch.ops.emplace_back(AddMap{.name = "m", .spec = {}});
    batch.ops.emplace_back(AddElements{.set = "s", .elements = {{}, {}}});
    batch.ops.emplace_back(DeleteEntries{.map = "m", .entries = {{}}});
    batch.ops.emplace_back(FlushChain{.name = "gone"});
    batch.ops.emplace_back(FlushChain{.name = "kept"});
    batch.ops.emplace_back(AddRules{.chain = "kept", .rules = {{}, {}, {}}});
    batch.ops.emplace_back(DeleteChain{.name = "gone"});
    BatchSummary expected;
    expected.table_added = true;
    expected.sets_added = 2;
    expected.elements_added = 2;
    expected.elements_deleted = 1;
    expected.chains_replaced = 1;
    expected.chains_deleted = 1;
    expected.rules_added = 3;
    CHECK(summarize(batch) == expected);
    CHECK(describe(expected) ==
          "table created, -1 chain, ~1 chain refilled, +3 rules, +2 sets, +2 elements, -1 element");
}

TEST_CASE("figures are put in words as a person reads them") {
    CHECK(describe({}) == "nothing to change");
    CHECK(describe({.table_added = true, .table_deleted = true}) == "table rebuilt");
    CHECK(describe({.table_deleted = true}) == "table removed");
    CHECK(describe({.elements_added = 1'234'567}) == "+1,234,567 elements");
    CHECK(count_of(1, "policy") == "1 policy");
    CHECK(count_of(0, "policy") == "0 policies");
    CHECK(count_of(999, "pod") == "999 pods");
    CHECK(count_of(1'000, "pod") == "1,000 pods");
}

TEST_CASE("the counts of a table are those of its parts") {
    Table table;
    table.chains["a"].rules.resize(3);
    table.chains["b"].rules.resize(1);
    table.sets["s"].elements.resize(5);
    table.maps["m"].entries.resize(2);
    CHECK(count(table) == TableCounts{.chains = 2, .rules = 4, .sets = 2, .elements = 7});
}

}  // namespace
}  // namespace podfence::nft
