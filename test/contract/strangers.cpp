#include <atomic>
#include <thread>

#include "test/contract/subject.hpp"
#include "test/contract/values.hpp"
#include "test/support/random_table.hpp"

// Others in the same network namespace: their tables stay as they are, their work in our table is
// seen and repaired, and their commits do not hold us up. Only on the real kernel, with nft as the
// stranger.

using namespace podfence;
using namespace podfence::nft;
using namespace podfence::test;

namespace {

std::optional<std::string> missing() {
    const auto netns = PrivateNetns::missing();
    return netns ? netns : nft_missing();
}

constexpr const char* kForeignRuleset = R"(
table ip kube-proxy {
    comment "rules for kube-proxy"
    map service-ips {
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = { 10.96.0.1 . tcp . 443 : goto endpoint }
    }
    set affinity { type ipv4_addr; flags dynamic,timeout; timeout 3h; }
    chain endpoint {
        update @affinity { ip saddr }
        meta l4proto tcp dnat to 10.0.0.1:6443
    }
    chain nat-prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr . meta l4proto . th dport vmap @service-ips
    }
}
table ip6 filter {
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        ct state vmap { established : accept, invalid : drop }
        counter packets 7 bytes 700
    }
}
table inet firewall {
    counter named { packets 3 bytes 4; }
    quota half { 25 mbytes used 1 mbytes; }
    set blocked { type ipv4_addr; flags interval; auto-merge; elements = { 192.0.2.0/24 }; }
    chain forward-in {
        type filter hook forward priority -5; policy accept;
        ip saddr @blocked counter name named drop
        ip daddr { 198.51.100.1, 198.51.100.2 } quota name "half" reject
    }
}
table bridge br {
    chain x {
        ether type arp accept
    }
}
table netdev dev {
    set macs { type ether_addr; elements = { 00:11:22:33:44:55 }; }
}
)";

/// Runs one nft command. False, and a warning, where the kernel is built without what it needs.
bool run_nft(const std::string& command) {
    try {
        run_shell("nft '" + command + "'");
        return true;
    } catch (const std::runtime_error& error) {
        if (std::string(error.what()).find("No such file or directory") == std::string::npos) throw;
        WARN("SKIPPED on this kernel: nft '" << command << "'");
        return false;
    }
}

}  // namespace

TEST_CASE("tables of others stay byte-identical under everything we do") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    Real real;
    nft_load(kForeignRuleset);
    const std::string before = run_shell("nft -a -s list ruleset");
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
        REQUIRE(converge(real.kernel(), random_table(seed)).has_value());
        REQUIRE(converge(real.kernel(), random_table(seed, {.family = TableFamily::netdev}))
                    .has_value());
    }
    const auto refused = real.kernel().commit(
        {.table = {}, .ops = {AddSet{"x", hash4()}, DeleteChain{"gone"}}}, std::nullopt);
    CHECK_FALSE(refused.has_value());
    REQUIRE(nft::remove(real.kernel(), {}).has_value());
    REQUIRE(nft::remove(real.kernel(), {.family = TableFamily::netdev}).has_value());
    CHECK(run_shell("nft -a -s list ruleset") == before);
}

TEST_CASE("tables of others with our table's name in other families are not ours") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    Real real;
    nft_load("table ip podfence {\nset pods { type ipv4_addr; }\nchain c {\ndrop\n}\n}\n");
    const std::string before = run_shell("nft -a list ruleset");
    CHECK_FALSE(dump(real.kernel()).table.has_value());
    REQUIRE(converge(real.kernel(), small_table()).has_value());
    check_holds(real.kernel(), small_table());
    REQUIRE(nft::remove(real.kernel(), {}).has_value());
    CHECK(run_shell("nft -a list ruleset") == before);
}

TEST_CASE("what strangers put into our table is seen, and gone after converging") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    const std::string command = GENERATE(
        as<std::string>{},  // nft commands
        "add rule inet podfence class ip saddr 192.0.2.1 accept",
        "insert rule inet podfence forward-in accept",
        "add rule inet podfence class ip saddr != @pods accept",
        "add rule inet podfence class ip saddr { 192.0.2.1, 192.0.2.2 } accept",
        "add rule inet podfence class meta nfproto ipv4 accept",
        "add rule inet podfence class meta mark 1 accept",
        "add rule inet podfence class ct mark and 1 == 1 accept",
        "add rule inet podfence class limit rate 5/minute accept",
        "add rule inet podfence class limit rate over 5/second drop",
        "add rule inet podfence class log level info",
        "add rule inet podfence class log group 3 snaplen 50",
        "add rule inet podfence class reject", "add rule inet podfence class queue to 1",
        "add rule inet podfence class continue",
        "add rule inet podfence class ip saddr & 255.0.0.0 == 10.0.0.0 accept",
        "add rule inet podfence class ct direction reply accept",
        "add rule inet podfence class th sport 53 accept",
        "add rule inet podfence class meta mark set 1",
        "add rule inet podfence class ip saddr @pods ip saddr set 10.0.0.9",
        "add rule inet podfence class jump { accept; }",
        "add rule inet podfence class meta l4proto tcp tcp option maxseg size set 1000",
        "flush ruleset", "delete table inet podfence", "flush chain inet podfence forward-in",
        "flush set inet podfence pods", "add element inet podfence pods { 192.0.2.7 }",
        "add element inet podfence dispatch { 192.0.2.7 : accept }",
        "delete element inet podfence dispatch { 10.0.0.5 }",
        "add chain inet podfence forward-in { policy drop; }",
        "add chain inet podfence x { type nat hook prerouting priority 0; }",
        "add chain inet podfence x { type filter hook input priority 5; }",
        "add chain inet podfence x { type route hook output priority 5; }",
        "add table inet podfence { flags dormant; }", "add counter inet podfence named",
        "add quota inet podfence half { 25 mbytes }",
        "add flowtable inet podfence fast { hook ingress priority 0; }",
        "add set inet podfence x { type mark; elements = { 1 } }",
        "add set inet podfence x { type ipv4_addr; timeout 1h; elements = { 192.0.2.1 } }",
        "add set inet podfence x { type ipv4_addr; flags dynamic; }",
        "add set inet podfence x { typeof ip saddr . tcp dport; counter; }",
        "add map inet podfence x { type ipv4_addr : mark; elements = { 192.0.2.1 : 1 } }",
        "add map inet podfence x { type ipv4_addr : counter; }",
        "add set inet podfence x { type ipv4_addr; elements = { 192.0.2.1 } }");
    Real real;
    const Table want = small_table();
    make(real.kernel(), want);
    INFO(command);
    if (!run_nft(command)) return;
    const Snapshot seen = dump(real.kernel());
    CHECK_FALSE((seen.table == want));
    REQUIRE(converge(real.kernel(), want).has_value());
    check_holds(real.kernel(), want);
}

TEST_CASE("commits of others in their own tables do not starve us") {
    if (const auto why = missing()) PODFENCE_SKIP(*why);
    Real real;
    Table want = random_table(77);
    Set& large = want.sets["large"];
    large.spec = hash4(20'000);
    for (std::uint32_t i = 0; i < 20'000; ++i) large.elements.push_back(one(i));

    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> commits = 0;
    std::thread busy([&] {  // In the same namespace: threads inherit it.
        const auto kernel = NetlinkKernel::open();
        const TableId other{.name = "other"};
        (*kernel)->commit({.table = other, .ops = {AddTable{}, AddSet{"s", hash4()}}}, {}).value();
        while (!stop) {
            const std::vector<Element> element{one(1)};
            (*kernel)
                ->commit({.table = other, .ops = {AddElements{"s", hash4(), element}}}, {})
                .value();
            (*kernel)
                ->commit({.table = other, .ops = {DeleteElements{"s", hash4(), element}}}, {})
                .value();
            commits += 2;
            commits.notify_one();
        }
    });
    commits.wait(0);
    const auto first = converge(real.kernel(), want);
    const std::uint64_t between = commits;
    const auto seen = real.kernel().dump(want.id);
    const std::uint64_t after = commits;
    const auto second = converge(real.kernel(), want);
    stop = true;
    busy.join();
    if (!first) FAIL(to_string(first.error()));
    if (!seen) FAIL(to_string(seen.error()));
    if (!second) FAIL(to_string(second.error()));
    CHECK(after > between);  // The dump was indeed disturbed.
    CHECK((seen->table == want));
    CHECK(second->batch.empty());
    check_holds(real.kernel(), want);
}
