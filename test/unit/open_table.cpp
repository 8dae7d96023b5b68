#include "controller/open_table.hpp"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/fingerprint.hpp"
#include "test/support/random.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

struct Entry {
    std::uint32_t key = 0;  ///< 0: free.
    std::uint32_t hash = 0;
    std::uint32_t value = 0;

    bool used() const { return key != 0; }
};
using Table = OpenTable<Entry>;
using Model = std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>;

/// Badly on purpose: of keys in a row many share a hash, and many hashes the last slots, so that
/// rows of used slots are long, cross each other and go around the table's end.
std::uint32_t bad_hash(std::uint32_t key) {
    return key % 7 == 0 ? 0xffffffffU : key / 3 * 0x10U - key % 2;
}

Entry* find(Table& table, std::uint32_t key, std::uint32_t value) {
    return table.find(bad_hash(key),
                      [&](const Entry& entry) { return entry.key == key && entry.value == value; });
}

std::vector<std::uint32_t> values_of(const Table& table, std::uint32_t key) {
    std::vector<std::uint32_t> values;
    table.each_of(bad_hash(key), [&](const Entry& entry) {
        if (entry.key == key) values.push_back(entry.value);
    });
    std::ranges::sort(values);
    return values;
}

std::vector<std::uint32_t> expected_of(const Model& model, std::uint32_t key) {
    const auto known = model.find(key);
    auto values = known == model.end() ? std::vector<std::uint32_t>() : known->second;
    std::ranges::sort(values);
    return values;
}

/// Everything in the table is in the model, and the other way round.
void require_equal(const Table& table, const Model& model, std::uint32_t keys) {
    std::size_t size = 0;
    for (std::uint32_t key = 1; key <= keys; ++key) {
        const auto expected = expected_of(model, key);
        REQUIRE(values_of(table, key) == expected);
        size += expected.size();
    }
    REQUIRE(table.size() == size);
    std::size_t visited = 0;
    table.each([&](const Entry& entry) {
        ++visited;
        const auto values = expected_of(model, entry.key);
        REQUIRE(std::ranges::binary_search(values, entry.value));
    });
    REQUIRE(visited == size);
}

}  // namespace

TEST_CASE("open table: after any additions and erasures it holds what a map holds") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        // From a few slots to many, and from few of the same key to many.
        const auto keys = static_cast<std::uint32_t>(random.between(1, 400));
        const auto values = static_cast<std::uint32_t>(random.between(1, 8));
        Table table;
        Model model;
        // Mostly growing, then mostly shrinking.
        for (const unsigned additions : {70U, 30U, 60U, 5U}) {
            for (int step = 0; step < 300; ++step) {
                const auto key = static_cast<std::uint32_t>(random.between(1, keys));
                auto& known = model[key];
                if (random.percent(additions)) {
                    const auto value = static_cast<std::uint32_t>(random.below(values));
                    table.add({.key = key, .hash = bad_hash(key), .value = value});
                    known.push_back(value);
                } else if (known.empty()) {
                    REQUIRE(find(table, key, 0) == nullptr);
                } else {
                    const std::uint32_t value = random.pick(known);
                    Entry* found = find(table, key, value);
                    REQUIRE(found != nullptr);
                    table.erase(found);
                    known.erase(std::ranges::find(known, value));
                }
                REQUIRE(values_of(table, key) == expected_of(model, key));
            }
            require_equal(table, model, keys);
        }
    }
}

TEST_CASE("open table: what stands behind an erased slot is still found, around the end too") {
    // Sixteen slots at first. Three want the last one, so that two of them stand at the start,
    // and push aside the one that belongs there.
    const std::vector<Entry> entries{{.key = 1, .hash = 15, .value = 0},
                                     {.key = 2, .hash = 31, .value = 0},
                                     {.key = 3, .hash = 47, .value = 0},
                                     {.key = 4, .hash = 0, .value = 0}};
    for (const Entry& gone : entries) {
        Table table;
        for (const Entry& entry : entries) table.add(entry);
        const auto find_key = [&](const Entry& wanted) {
            return table.find(wanted.hash,
                              [&](const Entry& entry) { return entry.key == wanted.key; });
        };
        table.erase(find_key(gone));
        for (const Entry& entry : entries) {
            INFO("without " << gone.key << ", looking for " << entry.key);
            CHECK((find_key(entry) != nullptr) == (entry.key != gone.key));
        }
    }
}

TEST_CASE("open table: an empty one has nothing, before and after it had something") {
    Table table;
    CHECK(find(table, 1, 0) == nullptr);
    CHECK(table.size() == 0);
    for (std::uint32_t key = 1; key <= 1000; ++key) {
        table.add({.key = key, .hash = bad_hash(key), .value = key});
    }
    for (std::uint32_t key = 1; key <= 1000; ++key) table.erase(find(table, key, key));
    CHECK(table.size() == 0);
    CHECK(find(table, 1, 1) == nullptr);
    table.each([](const Entry& entry) { FAIL("there is still " << entry.key); });
}

TEST_CASE("open table: addresses hash to one number in one process, families apart") {
    const auto ip = [](const char* text) { return *nft::Address::parse(text); };
    CHECK(hash_of(ip("10.0.0.1")) == hash_of(ip("10.0.0.1")));
    CHECK(hash_of(ip("0.0.0.0")) != hash_of(ip("::")));
    // Of 4,096 addresses in a row no more share one of 4,096 slots than chance would have it: with
    // more than 20 a slot it would be wrong once in some 10^16 runs.
    std::vector<unsigned> slots(4096);
    for (std::uint32_t i = 0; i < 4096; ++i) {
        ++slots[hash_of(nft::Address::v4(0x0a000000U + i)) % slots.size()];
    }
    CHECK(*std::ranges::max_element(slots) <= 20);
}
