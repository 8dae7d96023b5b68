#include <poll.h>
#include <unistd.h>

#include "nft/monitor.hpp"
#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"
#include "test/support/random_table.hpp"

// Who changes our table is told, by the real kernel, with nft as the stranger.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

std::optional<std::string> missing() {
    const auto netns = PrivateNetns::missing();
    return netns ? netns : nft_missing();
}

bool readable(const Monitor& monitor) {
    pollfd waiting{.fd = monitor.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 0) == 1;
}

Notices read_all(Monitor& monitor) {
    Notices all;
    do {
        auto notices = monitor.read();
        if (!notices) FAIL(to_string(notices.error()));
        all.foreign.insert(all.foreign.end(), notices->foreign.begin(), notices->foreign.end());
        all.stirred = all.stirred || notices->stirred;
        all.lost = all.lost || notices->lost;
        all.more = notices->more;
    } while (all.more);
    return all;
}

}  // namespace

TEST_CASE("the monitor tells what strangers do to our table, and who they are") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    const std::string command = GENERATE(
        as<std::string>{}, "flush ruleset", "delete table inet podfence",
        "flush chain inet podfence forward-in", "add element inet podfence pods { 192.0.2.7 }",
        "delete element inet podfence dispatch { 10.0.0.5 }", "add rule inet podfence class accept",
        "add table inet podfence { flags dormant; }",
        "add chain inet podfence x { type filter hook input priority 5; }");
    Real real;
    make(real.kernel(), small_table());
    auto monitor = Monitor::open({}, real.kernel().port());
    REQUIRE(monitor.has_value());
    CHECK_FALSE(readable(*monitor));
    INFO(command);
    run_shell("nft '" + command + "'");
    CHECK(readable(*monitor));
    const Notices notices = read_all(*monitor);
    CHECK(notices.stirred);
    REQUIRE(notices.foreign.size() == 1);
    CHECK(notices.foreign[0].process == "nft");
    CHECK(notices.foreign[0].pid > 0);
    CHECK_FALSE(notices.lost);
    CHECK_FALSE(readable(*monitor));
}

TEST_CASE("that a large table is being deleted is told before all of the notices are read") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    Real real;
    Table table = small_table();
    for (int i = 0; i < 1000; ++i)
        table.chains["chain-" + std::to_string(i)].comment = "one of many";
    make(real.kernel(), table);
    auto monitor = Monitor::open({}, real.kernel().port());
    REQUIRE(monitor.has_value());
    run_shell("nft 'delete table inet podfence'");
    const auto first = monitor->read();
    REQUIRE(first.has_value());
    CHECK(first->stirred);
    CHECK(first->more);
    CHECK(first->foreign.empty());
    const auto rest = monitor->read();
    REQUIRE(rest.has_value());
    CHECK_FALSE(rest->stirred);
    REQUIRE(rest->foreign.size() == 1);
    CHECK(rest->foreign[0].process == "nft");
}

TEST_CASE("our own commits do not even wake who watches for others'") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    Real real;
    auto monitor = Monitor::open({}, real.kernel().port());
    REQUIRE(monitor.has_value());
    make(real.kernel(), small_table());
    CHECK_FALSE(readable(*monitor));
}

TEST_CASE("the monitor tells nothing of our own commits and of other tables") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    Real real;
    make(real.kernel(), small_table());
    auto monitor = Monitor::open({}, real.kernel().port());
    REQUIRE(monitor.has_value());
    for (std::uint64_t seed = 1; seed < 10; ++seed) {
        REQUIRE(converge(real.kernel(), random_table(seed)).has_value());
        run_shell("nft 'add table ip podfence; add table inet other; add table netdev podfence'");
        run_shell("nft 'delete table ip podfence; delete table inet other'");
    }
    CHECK(readable(*monitor));
    const Notices notices = read_all(*monitor);
    CHECK(notices.foreign.empty());
    CHECK_FALSE(notices.stirred);
    CHECK_FALSE(notices.lost);
}

TEST_CASE("another podfence in the namespace is a stranger too") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    Real real;
    make(real.kernel(), small_table());
    auto monitor = Monitor::open({}, real.kernel().port());
    REQUIRE(monitor.has_value());
    const auto second = NetlinkKernel::open();
    REQUIRE(second.has_value());
    REQUIRE((*second)->port() != real.kernel().port());
    REQUIRE(nft::remove(**second, {}).has_value());
    const Notices notices = read_all(*monitor);
    REQUIRE(notices.foreign.size() == 1);
    CHECK(notices.foreign[0].pid == static_cast<std::uint32_t>(::getpid()));
}
