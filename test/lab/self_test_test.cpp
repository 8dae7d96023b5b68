// The self-test on nodes where the rules are loaded and packets pass by them all the same, by real
// packets: each is a way that no look at our own table shows.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/self_test/probe.hpp"
#include "controller/self_test/verdict.hpp"
#include "nft/netlink_kernel.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

namespace podfence::self_test {
namespace {

const std::vector<nft::Family> kBoth{nft::Family::ipv4, nft::Family::ipv6};

template <class T>
T must(nft::Result<T> result) {
    if (!result) throw std::runtime_error(to_string(result.error()));
    return *std::move(result);
}

bool has_br_netfilter() {
    return test::run_shell("ls /proc/sys/net").find("bridge") != std::string::npos;
}

/// Loads a ruleset of other people. false: the kernel has not got what that takes.
bool is_loaded(const std::string& ruleset) {
    try {
        test::nft_load(ruleset);
        return true;
    } catch (const std::runtime_error& error) {
        if (std::string(error.what()).find("Could not process rule") == std::string::npos) throw;
        return false;
    }
}

/// A self-test on a node of its own, in two steps: whatever is to be between its pods is there
/// before its first packet.
class Trial {
  public:
    explicit Trial(Wiring wiring) : connection_{.wiring = wiring} {
        test::run_shell(
            "ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward; "
            "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        kernel_ = must(nft::NetlinkKernel::open());
        addresses_ = must(free_addresses(kBoth));
        rules_ = std::make_unique<Rules>(must(Rules::load(*kernel_, addresses_, {})));
        pods_ = std::make_unique<Pods>(must(Pods::connect(connection_, addresses_, flows_)));
    }

    Outcome run() {
        const auto fates = must(try_flows(*pods_, addresses_, flows_, *rules_));
        std::vector<FlowResult> results;
        for (std::size_t i = 0; i < flows_.size(); ++i) {
            results.push_back({.wiring = connection_.wiring, .flow = flows_[i], .fate = fates[i]});
        }
        return judge(std::move(results));
    }

  private:
    test::PrivateNetns node_;
    Connection connection_;
    std::vector<Flow> flows_ = flows_of(kBoth, true);
    std::unique_ptr<nft::NetlinkKernel> kernel_{};
    PodAddresses addresses_{};
    std::unique_ptr<Rules> rules_{};
    std::unique_ptr<Pods> pods_{};
};

bool has(const Outcome& outcome, const std::string& id) {
    return std::ranges::find(outcome.findings, id, &doctor::Finding::id) != outcome.findings.end();
}

/// What became of the flows with this expectation, each fate once.
std::vector<Fate> fates_of(const Outcome& outcome, Expected expected) {
    std::vector<Fate> fates;
    for (const FlowResult& result : outcome.results) {
        const bool known = std::ranges::find(fates, result.fate) != fates.end();
        if (result.flow.expected == expected && !known) fates.push_back(result.fate);
    }
    return fates;
}

}  // namespace

TEST_CASE("packets prove a node that enforces, and that what is cut stays cut", "[self-test]") {
    if (const auto why_not = test::PrivateNetns::missing()) PODFENCE_SKIP(*why_not);
    Trial trial(Wiring::routed);
    const Outcome outcome = trial.run();
    CAPTURE(outcome.reason);
    CHECK(outcome.proof == Proof::enforced);
    CHECK(fates_of(outcome, Expected::allowed) == std::vector{Fate::passed});
    CHECK(fates_of(outcome, Expected::denied_for_source) == std::vector{Fate::dropped});
    CHECK(fates_of(outcome, Expected::denied_for_destination) == std::vector{Fate::dropped});
    // A reset comes before anybody looks at the counter, or after.
    for (const Fate fate : fates_of(outcome, Expected::cut)) {
        CHECK((fate == Fate::dropped || fate == Fate::answered));
    }
}

TEST_CASE("packets prove bridged pods with br_netfilter, and a bypass without it", "[self-test]") {
    if (const auto why_not = test::PrivateNetns::missing()) PODFENCE_SKIP(*why_not);
    if (!has_br_netfilter()) PODFENCE_SKIP("the kernel has no br_netfilter");
    Trial good(Wiring::bridged);
    CHECK(good.run().proof == Proof::enforced);
    Trial bad(Wiring::bridged);
    test::run_shell(
        "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables; "
        "echo 0 > /proc/sys/net/bridge/bridge-nf-call-ip6tables");
    const Outcome outcome = bad.run();
    CHECK(outcome.proof == Proof::bypassed);
    CHECK(has(outcome, "self-test-bypassed"));
    CHECK(fates_of(outcome, Expected::denied_for_source) == std::vector{Fate::passed});
}

TEST_CASE("a flowtable that carries open connections past the rules is a bypass", "[self-test]") {
    if (const auto why_not = test::PrivateNetns::missing()) PODFENCE_SKIP(*why_not);
    Trial trial(Wiring::routed);
    const bool loaded = is_loaded(
        "table inet fast { flowtable f { hook ingress priority 0; "
        "devices = { \"pfcanary-a\", \"pfcanary-b\" }; }\n"
        "chain c { type filter hook forward priority 0; "
        "meta l4proto { tcp, udp } flow add @f; }; }");
    if (!loaded) {
        PODFENCE_SKIP(
            "the kernel has no flowtables: what passes by the rules once it is open is not tried");
    }
    const Outcome outcome = trial.run();
    CHECK(outcome.proof == Proof::bypassed);
    CHECK(has(outcome, "self-test-uncut"));
    CHECK(fates_of(outcome, Expected::cut) == std::vector{Fate::passed});
    // New connections are judged all the same.
    CHECK(fates_of(outcome, Expected::denied_for_source) == std::vector{Fate::dropped});
}

TEST_CASE("somebody's chain on a pod's port that sends frames on by itself is a bypass",
          "[self-test]") {
    if (const auto why_not = test::PrivateNetns::missing()) PODFENCE_SKIP(*why_not);
    Trial trial(Wiring::bridged);
    const bool loaded = is_loaded(
        "table netdev thief { chain c { type filter hook ingress device \"pfcanary-a\" "
        "priority 0; fwd to \"pfcanary-b\"; }; }");
    if (!loaded) PODFENCE_SKIP("the kernel has no fwd on ingress (nft_fwd_netdev)");
    const Outcome outcome = trial.run();
    CHECK(outcome.proof == Proof::bypassed);
    CHECK(fates_of(outcome, Expected::denied_for_source) == std::vector{Fate::passed});
}

TEST_CASE("somebody's chain that takes packets before the rules leaves nothing proven",
          "[self-test]") {
    if (const auto why_not = test::PrivateNetns::missing()) PODFENCE_SKIP(*why_not);
    Trial trial(Wiring::routed);
    test::nft_load(
        "table inet thief { chain c { type filter hook prerouting priority -300; "
        "iifname \"pfcanary-a\" drop; }; }");
    const Outcome outcome = trial.run();
    CHECK(outcome.proof == Proof::unproven);
    CHECK(has(outcome, "self-test-lost"));
    CHECK(fates_of(outcome, Expected::cut) == std::vector{Fate::lost});
}

}  // namespace podfence::self_test
