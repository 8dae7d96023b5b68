#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "nft/conntrack_netlink.hpp"
#include "nft/fake_conntrack.hpp"
#include "test/support/conntrack_entries.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

// The contract of nft::Conntrack, on the one in memory and on the kernel's.

using namespace podfence::nft;
using namespace podfence::test;

namespace {

class FakeTable {
  public:
    static std::optional<std::string> missing() { return std::nullopt; }
    Conntrack& conntrack() { return conntrack_; }
    void add(const std::vector<Connection>& connections) {
        for (const auto& connection : connections) conntrack_.add(connection);
    }

  private:
    FakeConntrack conntrack_;
};

class RealTable {
  public:
    static std::optional<std::string> missing() { return PrivateNetns::missing(); }
    Conntrack& conntrack() { return *conntrack_; }
    static void add(const std::vector<Connection>& connections) { add_connections(connections); }

  private:
    PrivateNetns netns_;
    std::unique_ptr<NetlinkConntrack> conntrack_ = NetlinkConntrack::open().value();
};

Tuple tuple(const char* from, std::uint16_t from_port, const char* to, std::uint16_t to_port,
            std::uint8_t protocol = 6) {
    return {.source = Address::parse(from).value(),
            .destination = Address::parse(to).value(),
            .protocol = protocol,
            .source_port = from_port,
            .destination_port = to_port};
}

constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint16_t kEchoRequest = 8U << 8U;
constexpr std::uint32_t kBit = 0x10000000;

/// To a pod, to a pod through a Service, by IPv6, by UDP, a ping, and one marked by somebody else.
std::vector<Connection> some() {
    return {{.original = tuple("10.0.0.1", 1000, "10.0.0.2", 80),
             .reply = tuple("10.0.0.2", 80, "10.0.0.1", 1000)},
            {.original = tuple("10.0.0.1", 1001, "10.96.0.1", 80),
             .reply = tuple("10.0.0.3", 8080, "10.0.0.1", 1001)},
            {.original = tuple("fd00::1", 1000, "fd00::2", 80),
             .reply = tuple("fd00::2", 80, "fd00::1", 1000)},
            {.original = tuple("10.0.0.2", 53, "10.0.0.1", 53, kUdp),
             .reply = tuple("10.0.0.1", 53, "10.0.0.2", 53, kUdp)},
            {.original = tuple("10.0.0.2", 7, "10.0.0.3", kEchoRequest, kIcmp),
             .reply = tuple("10.0.0.3", 7, "10.0.0.2", 0, kIcmp)},
            {.original = tuple("10.0.0.4", 1000, "10.0.0.2", 80),
             .reply = tuple("10.0.0.2", 80, "10.0.0.4", 1000),
             .mark = 0x80}};
}

std::vector<std::string> listed(Conntrack& conntrack, const ConnectionFilter& filter = {}) {
    std::vector<std::string> found;
    const auto done = conntrack.list(filter, [&](const Connection& connection) {
        found.push_back(to_string(connection.original) + " | " + to_string(connection.reply) +
                        " | " + std::to_string(connection.mark));
        return true;
    });
    if (!done) FAIL(to_string(done.error()));
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

std::vector<std::string> expected(const std::vector<Connection>& all,
                                  const ConnectionFilter& filter = {}) {
    FakeConntrack fake;
    for (const auto& connection : all) fake.add(connection);
    return listed(fake, filter);
}

}  // namespace

TEMPLATE_TEST_CASE("connections: all are listed, with both directions", "", FakeTable, RealTable) {
    if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);
    TestType table;
    CHECK(listed(table.conntrack()).empty());
    table.add(some());
    CHECK(listed(table.conntrack()) == expected(some()));
    CHECK(listed(table.conntrack()).size() == some().size());
    CHECK(table.conntrack().count().value() == some().size());
}

TEMPLATE_TEST_CASE("connections: a filter by who opened, who answers, and by mark", "", FakeTable,
                   RealTable) {
    if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);
    TestType table;
    table.add(some());
    for (const char* text :
         {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.96.0.1", "fd00::1", "fd00::2", "10.9.9.9"}) {
        INFO(text);
        const auto address = Address::parse(text).value();
        CHECK(listed(table.conntrack(), {.source = address}) ==
              expected(some(), {.source = address}));
        CHECK(listed(table.conntrack(), {.answerer = address}) ==
              expected(some(), {.answerer = address}));
    }
    CHECK(listed(table.conntrack(), {.answerer = Address::parse("10.0.0.3").value()}).size() == 2);
    CHECK(listed(table.conntrack(), {.mark_mask = 0x80, .mark = 0x80}).size() == 1);
    CHECK(listed(table.conntrack(), {.mark_mask = kBit, .mark = kBit}).empty());
}

TEMPLATE_TEST_CASE("connections: a mark changes its own bits, and nothing that is gone", "",
                   FakeTable, RealTable) {
    if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);
    TestType table;
    const auto all = some();
    table.add(all);
    std::vector<Connection> marked = all;
    const Connection gone{.original = tuple("10.0.0.9", 1, "10.0.0.8", 1),
                          .reply = tuple("10.0.0.8", 1, "10.0.0.9", 1)};
    marked.push_back(gone);
    const auto done = table.conntrack().set_mark(marked, kBit, kBit);
    REQUIRE(done.has_value());
    CHECK(*done == all.size());
    auto want = all;
    for (auto& connection : want) connection.mark |= kBit;
    CHECK(listed(table.conntrack()) == expected(want));
    // As when a connection's entry is older than what somebody else marked since.
    REQUIRE(table.conntrack().set_mark(all, kBit, 0).has_value());
    CHECK(listed(table.conntrack()) == expected(all));
}

TEMPLATE_TEST_CASE("connections: many are marked at once", "", FakeTable, RealTable) {
    if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);
    TestType table;
    std::vector<Connection> many;
    for (std::uint16_t port = 1; port <= 1000; ++port) {
        many.push_back({.original = tuple("10.0.0.1", port, "10.0.0.2", 80),
                        .reply = tuple("10.0.0.2", 80, "10.0.0.1", port)});
    }
    table.add(many);
    const auto done = table.conntrack().set_mark(many, kBit, kBit);
    REQUIRE(done.has_value());
    CHECK(*done == many.size());
    CHECK(listed(table.conntrack(), {.mark_mask = kBit, .mark = kBit}).size() == many.size());
}

TEMPLATE_TEST_CASE("connections: one is found by its original direction", "", FakeTable,
                   RealTable) {
    if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);
    TestType table;
    table.add(some());
    for (const auto& connection : some()) {
        const auto found = table.conntrack().find(connection.original, 0);
        REQUIRE(found.has_value());
        REQUIRE(found->has_value());
        CHECK((*found)->reply == connection.reply);
    }
    const auto none = table.conntrack().find(tuple("10.0.0.9", 1, "10.0.0.8", 1), 0);
    REQUIRE(none.has_value());
    CHECK_FALSE(none->has_value());
}

TEMPLATE_TEST_CASE("connections: who has heard enough is told no more", "", FakeTable, RealTable) {
    if (const auto why = TestType::missing()) PODFENCE_SKIP(*why);
    TestType table;
    table.add(some());
    int told = 0;
    const auto listed_some =
        table.conntrack().list({}, [&](const Connection& /*any*/) { return ++told < 2; });
    CHECK(listed_some.has_value());
    CHECK(told == 2);
    CHECK(listed(table.conntrack()).size() == some().size());
}
