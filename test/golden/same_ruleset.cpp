#include "test/golden/same_ruleset.hpp"

#include <algorithm>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "nft/netlink_kernel.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "test/support/netns.hpp"

namespace podfence::test {

using namespace nft;

namespace {

struct Made {
    std::string listing;  ///< What `nft list ruleset` prints.
    std::vector<Table> dumped;
    friend bool operator==(const Made&, const Made&) = default;
};

Made look(Kernel& kernel, const std::vector<Table>& tables) {
    Made made{.listing = run_shell("nft list ruleset"), .dumped = {}};
    for (const Table& table : tables) {
        auto snapshot = kernel.dump(table.id);
        if (!snapshot) throw std::runtime_error(to_string(snapshot.error()));
        if (!snapshot->table) throw std::runtime_error("no table after it was made");
        made.dumped.push_back(*std::move(snapshot->table));
    }
    return made;
}

Made make_by_nft(const std::vector<Table>& tables) {
    const PrivateNetns netns;
    std::string text;
    for (const Table& table : tables) text += to_text(table);
    nft_load(text);
    return look(**NetlinkKernel::open(), tables);
}

Made make_by_us(const std::vector<Table>& tables) {
    const PrivateNetns netns;
    const auto kernel = NetlinkKernel::open();
    for (const Table& table : tables) {
        const auto committed = (*kernel)->commit(plan(std::nullopt, table), std::nullopt);
        if (!committed) throw std::runtime_error(to_string(committed.error()));
    }
    return look(**kernel, tables);
}

/// Tables for one run of nft, which reads the whole ruleset once for every table it lists.
constexpr std::size_t kTablesAtOnce = 24;

std::vector<std::vector<Table>> in_groups(const std::vector<Table>& tables) {
    std::vector<std::vector<Table>> groups;
    for (const Table& table : tables) {
        if (groups.empty() || groups.back().size() == kTablesAtOnce) groups.emplace_back();
        groups.back().push_back(table);
    }
    return groups;
}

bool all_the_same(const std::vector<Table>& tables) {
    try {
        const Made by_us = make_by_us(tables);
        return by_us.dumped == tables && by_us == make_by_nft(tables);
    } catch (const std::runtime_error&) {
        return false;  // Who is to blame shows when each goes alone.
    }
}

void check_one(const Table& table) {
    INFO(to_text(table));
    const Made by_nft = make_by_nft({table});
    const Made by_us = make_by_us({table});
    CHECK(by_us.listing == by_nft.listing);
    CHECK(to_text(by_us.dumped.front()) == to_text(table));
    CHECK((by_us.dumped.front() == table));
    CHECK(to_text(by_nft.dumped.front()) == to_text(table));
    CHECK((by_nft.dumped.front() == table));
}

bool has_ranges_with_protocol(const SetSpec& spec) {
    return spec.interval && spec.key.size() > 1 &&
           std::ranges::find(spec.key, FieldType::inet_proto) != spec.key.end();
}

/// For `meta l4proto` in a concatenation with ranges nft 1.0.6 swaps the bytes of one byte
/// ("byteorder reg 9 = hton(reg 9, 2, 1)"), which kernels since late 6.12 refuse. Ours does not.
bool refuses_nft_on_protocols() {
    const PrivateNetns netns;
    nft_load(
        "table inet probe {\n set s { type inet_proto . inet_service; flags interval; }\n"
        " chain c { }\n}\n");
    try {
        run_shell("nft add rule inet probe c meta l4proto . th dport @s drop");
        return false;
    } catch (const std::runtime_error& error) {
        if (std::string(error.what()).find("not supported") == std::string::npos) throw;
        return true;
    }
}

/// The table without ranges where nft cannot have them.
Table without_ranges(Table table) {
    for (auto& [name, set] : table.sets) {
        if (!has_ranges_with_protocol(set.spec)) continue;
        set.spec.interval = false;
        std::erase_if(set.elements, [](const Element& e) { return e.first != e.last; });
    }
    for (auto& [name, map] : table.maps) {
        if (!has_ranges_with_protocol(map.spec)) continue;
        map.spec.interval = false;
        std::erase_if(map.entries, [](const MapEntry& e) { return e.key.first != e.key.last; });
    }
    return table;
}

}  // namespace

std::optional<std::string> golden_missing() {
    const auto netns = PrivateNetns::missing();
    return netns ? netns : nft_missing();
}

void check_same_rulesets(const std::vector<Table>& tables) {
    REQUIRE_FALSE(tables.empty());
    std::vector<Table> comparable = tables;
    if (refuses_nft_on_protocols()) {
        WARN(
            "SKIPPED on this kernel: ranges in concatenations with a protocol, which nft's own "
            "program for them is refused");
        std::ranges::transform(tables, comparable.begin(), without_ranges);
    }
    for (const std::vector<Table>& group : in_groups(comparable)) {
        const bool same = all_the_same(group);
        if (!same) {
            for (const Table& table : group) {
                INFO("table " << table.id.name);
                check_one(table);
            }
        }
        CHECK(same);
    }
}

}  // namespace podfence::test
