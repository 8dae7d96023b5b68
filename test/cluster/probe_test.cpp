// What the pods of a trial tell of their packets: whether some were lost, on a machine that may
// have much else to do.
#include <filesystem>
#include <string>

#include <catch2/catch.hpp>

#include "test/support/lab_process.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

/// Has a connection held to a server while `meanwhile` runs, in which $server is the server's
/// process; its last line is the holder's exit status.
std::string hold(const std::string& meanwhile) {
    const auto probe =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "podfence_probe";
    return test::run_shell(
        "{ set -e; probe=" + probe.string() +
        "; dir=$(mktemp -d); trap 'kill -KILL $server $holder; rm -r $dir' EXIT; "
        "$probe serve 8080 & server=$!; "
        "until $probe reach all 8080 127.0.0.1; do :; done; "
        "mkfifo $dir/until; $probe hold 8080 127.0.0.1 <$dir/until >$dir/held & holder=$!; "
        "exec 9>$dir/until; until grep -q holding $dir/held; do :; done; " +
        meanwhile +
        "; exec 9>&-; status=0; wait $holder || status=$?; cat $dir/held; echo status $status; "
        "kill -KILL $server; rm -r $dir; trap - EXIT; }");
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TEST_CASE("a held connection suffers from lost packets, and not from a server that must wait") {
    if (const auto missing = test::PrivateNetns::missing()) PODFENCE_SKIP(*missing);
    if (const auto missing = test::nft_missing()) PODFENCE_SKIP(*missing);
    const test::PrivateNetns ns;
    test::run_shell("ip link set lo up");
    // More than the second of silence that is a finding when packets were lost.
    const std::string waited = hold("kill -STOP $server; sleep 1.5; kill -CONT $server");
    INFO(waited);
    CHECK(ends_with(waited, "status 0\n"));
    CHECK(waited.find("sent again 0 times") != std::string::npos);
    for (const char* lost : {"tcp dport 8080", "tcp sport 8080"}) {
        const std::string told = hold(
            "nft \"table inet x { chain c { type filter hook input "
            "priority 0; " +
            std::string(lost) + " drop; }; }\"; sleep 1.5; nft delete table inet x");
        INFO(lost << '\n' << told);
        CHECK(ends_with(told, "status 1\n"));
    }
}

}  // namespace podfence::lab
