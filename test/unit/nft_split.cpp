#include <catch2/catch.hpp>

#include "nft/netlink_split.hpp"
#include "nft/plan.hpp"
#include "nft/wire_encode.hpp"
#include "test/support/random_table.hpp"

// Which parts of a batch may take effect before the rest without anyone noticing.

using namespace podfence;
using namespace podfence::nft;

namespace {

const SetSpec kHash{.key = {FieldType::ipv4_addr}};
const Verdict kToNew{.kind = VerdictKind::jump, .chain = "new"};

using Indices = std::vector<std::size_t>;

MapEntry entry_to(const std::string& chain) {
    return {.key = {}, .verdict = {.kind = VerdictKind::go_to, .chain = chain}};
}

}  // namespace

TEST_CASE("split: new sets and chains go early, with what fills them") {
    const Batch batch{.table = {},
                      .ops = {AddTable{}, AddSet{"set", kHash}, AddMap{"map", kHash},
                              AddChain{"new", {}, {}}, AddElements{"set", kHash, {Element{}}},
                              AddRules{"new", {{.statements = {Verdict{}}}}},
                              AddEntries{"map", kHash, {entry_to("new")}}}};
    CHECK(early_operations(batch) == Indices{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("split: what packets meet at once goes late") {
    const Batch batch{
        .table = {},
        .ops = {AddChain{"base", BaseChain{}, {}}, AddElements{"live", kHash, {Element{}}},
                AddEntries{"live-map", kHash, {entry_to("live")}},
                AddRules{"base", {{.statements = {kToNew}}}},
                AddRules{"live", {{.statements = {kToNew}}}}, FlushChain{"live"},
                DeleteElements{"live", kHash, {Element{}}}}};
    CHECK(early_operations(batch).empty());
}

TEST_CASE("split: a name that the batch also deletes is the old one until the end") {
    const Batch batch{
        .table = {},
        .ops = {AddChain{"new", {}, {}}, AddMap{"map", kHash},
                AddRules{"new", {{.statements = {MatchSet{{Field::ip_saddr}, "changed"}}}}},
                AddEntries{"map", kHash, {entry_to("gone")}}, DeleteSet{"changed"},
                DeleteChain{"gone"}, AddSet{"changed", kHash},
                AddElements{"changed", kHash, {Element{}}}}};
    CHECK(early_operations(batch) == Indices{0, 1});
}

TEST_CASE("split: nothing goes early into a table that is deleted first") {
    Batch batch = plan(std::nullopt, test::random_table(1));
    batch.ops.insert(batch.ops.begin(), DeleteTable{});
    CHECK(early_operations(batch).empty());
}

TEST_CASE("split: undoing takes back what was made, references first") {
    const Batch batch{.table = {},
                      .ops = {AddSet{"set", kHash}, AddMap{"map", kHash}, AddChain{"new", {}, {}},
                              AddElements{"set", kHash, {Element{}}}}};
    CHECK(
        undo_of(batch, Indices{0, 1, 2, 3}) ==
        Batch{.table = {},
              .ops = {FlushChain{"new"}, DeleteSet{"set"}, DeleteSet{"map"}, DeleteChain{"new"}}});
    const Batch with_table{.table = {}, .ops = {AddTable{}, AddSet{"set", kHash}}};
    CHECK(undo_of(with_table, Indices{0, 1}) == Batch{.table = {}, .ops = {DeleteTable{}}});
}

TEST_CASE("split: parts hold every message once, in order, within the limit") {
    for (std::uint64_t seed = 1; seed < 30; ++seed) {
        INFO("seed " << seed);
        constexpr std::uint32_t kSequence = 1000;
        const Batch batch = plan(std::nullopt, test::random_table(seed));
        wire::WireBuffer buffer;
        REQUIRE(wire::encode(batch, std::nullopt, kSequence, buffer).has_value());
        const std::size_t frame = 20;
        const wire::Bytes messages =
            buffer.bytes().subspan(frame, buffer.bytes().size() - 2 * frame);
        constexpr std::size_t kLimit = 12'000;
        const auto parts = split(batch, messages, kSequence, kLimit);
        REQUIRE(parts);
        const Indices early = early_operations(batch);
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < parts->size(); ++i) {
            const Part& part = (*parts)[i];
            CHECK(part.bytes <= kLimit);
            std::uint32_t previous = 0;
            for (const wire::Bytes& message : part.messages) {
                const auto header = wire::read_object<nlmsghdr>(message);
                CHECK(header.nlmsg_seq >= previous);
                previous = header.nlmsg_seq;
                const bool is_early =
                    std::ranges::binary_search(early, header.nlmsg_seq - kSequence - 1);
                CHECK(is_early == (i + 1 < parts->size()));
                bytes += message.size();
            }
        }
        CHECK(bytes == messages.size());
        CHECK_FALSE(split(batch, messages, kSequence, 64).has_value());
    }
}
