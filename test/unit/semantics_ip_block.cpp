// Blocks of addresses: semantics N30-N36, D6.
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// a/db is the subject of both directions; its peers are these, on any port.
Cluster guarded(std::initializer_list<Peer> peers) {
    RuleBuilder r = rule().no_peer();
    for (const Peer& peer : peers) r.peer(peer);
    return cluster(ns("a"), ns("b"), pod("a/db", "10.0.0.1", "fd00::1").labels("app=db"),
                   pod("b/web", "10.1.2.3", "fd00:1::2:3").node("n2"),
                   policy("a/p").pods("app=db").ingress(r).egress(r));
}

/// The verdict for this other end, in both directions.
void expect_peer(const Cluster& c, std::string_view address, bool allowed) {
    const std::string_view db = ip(address).family() == nft::Family::ipv4 ? "10.0.0.1" : "fd00::1";
    expect(c, flow(address, db), allowed);
    expect(c, flow(db, address), allowed);
}

}  // namespace

TEST_CASE("N30: inside the block and outside every except, to the address", "[semantics]") {
    const Cluster c = guarded({block("172.16.0.0/12", {"172.16.5.0/24", "172.31.255.255/32"})});
    expect_peer(c, "172.15.255.255", false);
    expect_peer(c, "172.16.0.0", true);
    expect_peer(c, "172.16.4.255", true);
    expect_peer(c, "172.16.5.0", false);
    expect_peer(c, "172.16.5.255", false);
    expect_peer(c, "172.16.6.0", true);
    expect_peer(c, "172.31.255.254", true);
    expect_peer(c, "172.31.255.255", false);
    expect_peer(c, "172.32.0.0", false);
}

TEST_CASE("N30: overlapping and repeated excepts", "[semantics]") {
    const Cluster c =
        guarded({block("172.16.0.0/12", {"172.16.0.0/16", "172.16.5.0/24", "172.16.5.0/24"})});
    expect_peer(c, "172.16.5.1", false);
    expect_peer(c, "172.16.255.255", false);
    expect_peer(c, "172.17.0.0", true);
}

TEST_CASE("N30: IPv6 blocks, to the address", "[semantics]") {
    const Cluster c = guarded({block("2001:db8::/32", {"2001:db8:0:5::/64"})});
    expect_peer(c, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", false);
    expect_peer(c, "2001:db8::", true);
    expect_peer(c, "2001:db8:0:4:ffff:ffff:ffff:ffff", true);
    expect_peer(c, "2001:db8:0:5::", false);
    expect_peer(c, "2001:db8:0:5:ffff:ffff:ffff:ffff", false);
    expect_peer(c, "2001:db8:0:6::", true);
    expect_peer(c, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true);
    expect_peer(c, "2001:db9::", false);
}

TEST_CASE("N30: the first and last addresses of all", "[semantics]") {
    const Cluster all = guarded({block("0.0.0.0/0", {"255.255.255.254/32"}), block("::/0")});
    expect_peer(all, "0.0.0.0", true);
    expect_peer(all, "255.255.255.253", true);
    expect_peer(all, "255.255.255.254", false);
    expect_peer(all, "255.255.255.255", true);
    expect_peer(all, "::", true);
    expect_peer(all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true);
    const Cluster last = guarded(
        {block("255.255.255.255/32"), block("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")});
    expect_peer(last, "255.255.255.254", false);
    expect_peer(last, "255.255.255.255", true);
    expect_peer(last, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", false);
    expect_peer(last, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true);
}

TEST_CASE("N31: except is no deny, another peer may allow what it leaves out", "[semantics]") {
    const Cluster c = guarded({block("172.16.0.0/12", {"172.16.5.0/24"}), block("172.16.5.0/28")});
    expect_peer(c, "172.16.5.15", true);
    expect_peer(c, "172.16.5.16", false);
}

TEST_CASE("N31: nor does it deny what another rule allows on another port", "[semantics]") {
    const Cluster c =
        cluster(pod("a/db", "10.0.0.1"),
                policy("a/p")
                    .ingress(rule().peer(block("172.16.0.0/12", {"172.16.5.0/24"})).port(80))
                    .ingress(rule().peer(block("172.16.5.0/24")).port(81)));
    expect(c, flow("172.16.5.1", "10.0.0.1", 80), false);
    expect(c, flow("172.16.5.1", "10.0.0.1", 81), true);
    expect(c, flow("172.16.6.1", "10.0.0.1", 80), true);
    expect(c, flow("172.16.6.1", "10.0.0.1", 81), false);
}

TEST_CASE("N32 D6: blocks match pods by their address", "[semantics]") {
    expect_peer(guarded({block("10.1.2.0/24")}), "10.1.2.3", true);
    expect_peer(guarded({block("10.1.2.0/24", {"10.1.2.3/32"})}), "10.1.2.3", false);
    expect_peer(guarded({block("fd00:1::/64")}), "fd00:1::2:3", true);
}

TEST_CASE("N33: blocks match nodes by their address", "[semantics]") {
    const Cluster c = guarded({block("192.168.0.2/32")});
    expect_peer(c, "192.168.0.2", true);
    expect_peer(c, "192.168.0.3", false);
}

TEST_CASE("N34: families are separate", "[semantics]") {
    const Cluster v4 = guarded({block("0.0.0.0/0")});
    expect_peer(v4, "8.8.8.8", true);
    expect_peer(v4, "2001:db8::1", false);
    expect_peer(v4, "::ffff:8.8.8.8", false);
    const Cluster v6 = guarded({block("::/0")});
    expect_peer(v6, "8.8.8.8", false);
    expect_peer(v6, "2001:db8::1", true);
}

TEST_CASE("N35 D7: what is compared is the address the forward hook sees", "[semantics]") {
    // After a Service's address was rewritten: the backend counts, the Service's address does not.
    const Cluster c = guarded({block("10.96.0.0/16")});
    expect_peer(c, "10.96.0.10", true);
    expect_peer(c, "10.1.2.3", false);
}

TEST_CASE("N36: a block with host bits means its network", "[semantics]") {
    const Cluster c = guarded({block("172.16.5.77/24", {"172.16.5.200/26"})});
    expect_peer(c, "172.16.5.0", true);
    expect_peer(c, "172.16.5.191", true);
    expect_peer(c, "172.16.5.192", false);
    expect_peer(c, "172.16.5.255", false);
}
