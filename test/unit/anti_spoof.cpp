#include "controller/anti_spoof.hpp"

#include <catch2/catch.hpp>

#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "nft/walk.hpp"

// What a pod's interface lets in, by walking frames through the table.

using namespace podfence;
using nft::Hook;
using nft::Packet;

namespace {

constexpr std::uint16_t kArp = 0x0806;
constexpr std::uint8_t kIcmpV6 = 58;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kTcp = 6;

Address ip(const char* text) {
    return Address::parse(text).value();
}

std::map<LinkIndex, PodLink> two_pods() {
    return {{7,
             {.index = 7,
              .name = "veth7",
              .pod = {"ns", "a"},
              .addresses = {ip("10.0.0.7"), ip("fd00::7")}}},
            {8,
             {.index = 8,
              .name = "veth8",
              .pod = {"ns", "b"},
              .addresses = {ip("10.0.0.8"), ip("fd00::8")}}}};
}

struct Door {
    nft::Table table = compile_anti_spoof(two_pods(), {});

    bool lets_in(Packet packet, LinkIndex link = 7) const {
        packet.iif = link;
        packet.device = "veth" + std::to_string(link);
        return walk(table, Hook::ingress, packet).accepted;
    }
    bool lets_in_ip(const char* source, const char* destination, std::uint8_t protocol = kTcp,
                    std::uint16_t from = 0, std::uint16_t to = 0) const {
        return lets_in({.source = ip(source),
                        .destination = ip(destination),
                        .protocol = protocol,
                        .destination_port = to,
                        .source_port = from});
    }
    bool lets_in_arp(const char* sender, const char* target) const {
        return lets_in({.source = ip(sender), .destination = ip(target), .ether_type = kArp});
    }
    bool lets_in_nd(std::uint8_t type, const char* source, const char* target) const {
        return lets_in({.source = ip(source),
                        .destination = ip("ff02::1"),
                        .protocol = kIcmpV6,
                        .icmp_type = type,
                        .nd_target = ip(target)});
    }
};

}  // namespace

TEST_CASE("N73: a pod's IP packets come from its own addresses") {
    const Door door;
    CHECK(door.lets_in_ip("10.0.0.7", "1.1.1.1"));
    CHECK(door.lets_in_ip("fd00::7", "2001:db8::1"));
    CHECK_FALSE(door.lets_in_ip("10.0.0.8", "1.1.1.1"));
    CHECK_FALSE(door.lets_in_ip("fd00::8", "2001:db8::1"));
    CHECK_FALSE(door.lets_in_ip("192.168.0.1", "1.1.1.1"));
    CHECK_FALSE(door.lets_in_ip("127.0.0.1", "10.0.0.8"));
    CHECK_FALSE(door.lets_in_ip("::1", "fd00::8"));
    // The other pod's door has the other pod's addresses.
    CHECK(door.lets_in({.source = ip("10.0.0.8"), .destination = ip("1.1.1.1")}, 8));
    CHECK_FALSE(door.lets_in({.source = ip("10.0.0.7"), .destination = ip("1.1.1.1")}, 8));
}

TEST_CASE("N73: what works without an address goes on working") {
    const Door door;
    CHECK(door.lets_in_ip("0.0.0.0", "255.255.255.255", kUdp, 68, 67));
    CHECK_FALSE(door.lets_in_ip("0.0.0.0", "255.255.255.255", kUdp, 67, 68));
    CHECK_FALSE(door.lets_in_ip("0.0.0.0", "10.0.0.8", kUdp, 68, 53));
    CHECK_FALSE(door.lets_in_ip("0.0.0.0", "10.0.0.8", kTcp, 68, 67));
    CHECK(door.lets_in_ip("0.0.0.0", "224.0.0.22", 2));
    CHECK(door.lets_in_ip("fe80::1234", "ff02::1:2", kUdp, 546, 547));
    for (const std::uint8_t type : {131, 132, 133, 143}) {
        CHECK(door.lets_in({.source = ip("::"),
                            .destination = ip("ff02::16"),
                            .protocol = kIcmpV6,
                            .icmp_type = type}));
    }
    CHECK_FALSE(door.lets_in(
        {.source = ip("::"), .destination = ip("fd00::8"), .protocol = kIcmpV6, .icmp_type = 128}));
    CHECK_FALSE(door.lets_in_ip("::", "fd00::8", kUdp, 68, 67));
}

TEST_CASE("N73: ARP speaks for the pod's own address") {
    const Door door;
    CHECK(door.lets_in_arp("10.0.0.7", "10.0.0.1"));
    CHECK(door.lets_in_arp("10.0.0.7", "10.0.0.7"));  // gratuitous
    CHECK_FALSE(door.lets_in_arp("10.0.0.1", "10.0.0.8"));
    CHECK_FALSE(door.lets_in_arp("10.0.0.8", "10.0.0.8"));
    CHECK(door.lets_in_arp("0.0.0.0", "10.0.0.7"));
    CHECK_FALSE(door.lets_in_arp("0.0.0.0", "10.0.0.8"));
}

TEST_CASE("N73: neighbour discovery speaks for the pod's own addresses") {
    const Door door;
    CHECK(door.lets_in_nd(136, "fd00::7", "fd00::7"));
    CHECK(door.lets_in_nd(136, "fe80::7", "fd00::7"));
    CHECK(door.lets_in_nd(136, "fe80::7", "fe80::7"));
    CHECK_FALSE(door.lets_in_nd(136, "fd00::7", "fd00::8"));
    CHECK_FALSE(door.lets_in_nd(136, "fd00::8", "fd00::7"));
    CHECK_FALSE(door.lets_in_nd(136, "fd00::7", "fd00::1"));
    CHECK(door.lets_in_nd(135, "fd00::7", "fd00::8"));  // who has...
    CHECK(door.lets_in_nd(135, "fe80::7", "fd00::8"));
    CHECK_FALSE(door.lets_in_nd(135, "fd00::8", "fd00::7"));
    CHECK(door.lets_in_nd(135, "::", "fd00::7"));  // is it free?
    CHECK(door.lets_in_nd(135, "::", "fe80::7"));
    CHECK_FALSE(door.lets_in_nd(135, "::", "fd00::8"));
    // A pod is no router.
    CHECK_FALSE(door.lets_in({.source = ip("fe80::7"),
                              .destination = ip("ff02::1"),
                              .protocol = kIcmpV6,
                              .icmp_type = 134}));
    CHECK_FALSE(door.lets_in_nd(137, "fe80::7", "fd00::8"));
}

TEST_CASE("Only IP and ARP, and no tags, come from a pod") {
    const Door door;
    for (const std::uint16_t type : {0x8100, 0x88a8, 0x8864, 0x88cc, 0x0026}) {
        CHECK_FALSE(door.lets_in(
            {.source = ip("10.0.0.7"), .destination = ip("10.0.0.8"), .ether_type = type}));
    }
}

TEST_CASE("An interface that took a name is not judged by the chain it found") {
    const Door door;
    CHECK(
        walk(door.table, Hook::ingress,
             {.source = ip("1.2.3.4"), .destination = ip("10.0.0.8"), .iif = 99, .device = "veth7"})
            .accepted);
}

TEST_CASE("What the operator adds every pod may use") {
    AntiSpoofOptions options;
    options.extra = {Prefix::parse("192.0.2.0/28").value(), Prefix::parse("fd99::/64").value()};
    const Door door{compile_anti_spoof(two_pods(), options)};
    CHECK(door.lets_in_ip("192.0.2.15", "1.1.1.1"));
    CHECK_FALSE(door.lets_in_ip("192.0.2.16", "1.1.1.1"));
    CHECK(door.lets_in_arp("192.0.2.1", "192.0.2.1"));
    CHECK(door.lets_in_ip("fd99::1", "fd00::8"));
    CHECK(door.lets_in_nd(136, "fd99::1", "fd99::1"));
    CHECK(door.lets_in_ip("10.0.0.7", "1.1.1.1"));
}

TEST_CASE("What a pod's annotation lists it may use, and no other pod, where that is asked for") {
    auto links = two_pods();
    links.at(7).extra = {Prefix::parse("192.0.2.1/32").value(),
                         Prefix::parse("192.0.2.0/30").value(), Prefix::parse("fd99::/64").value()};
    const Door closed{compile_anti_spoof(links, {})};
    CHECK_FALSE(closed.lets_in_ip("192.0.2.1", "1.1.1.1"));
    CHECK(closed.table == compile_anti_spoof(two_pods(), {}));
    const Door door{compile_anti_spoof(links, {.extra_by_annotation = true})};
    CHECK(door.lets_in_ip("10.0.0.7", "1.1.1.1"));
    CHECK(door.lets_in_ip("192.0.2.0", "1.1.1.1"));
    CHECK(door.lets_in_ip("192.0.2.3", "1.1.1.1"));
    CHECK_FALSE(door.lets_in_ip("192.0.2.4", "1.1.1.1"));
    CHECK(door.lets_in_arp("192.0.2.1", "192.0.2.1"));
    CHECK(door.lets_in_arp("0.0.0.0", "192.0.2.1"));
    CHECK(door.lets_in_ip("fd99::1", "fd00::8"));
    CHECK(door.lets_in_nd(136, "fd99::1", "fd99::1"));
    CHECK(door.lets_in_nd(135, "::", "fd99::1"));
    for (const char* address : {"192.0.2.1", "10.0.0.7"}) {
        Packet packet{.source = ip(address), .destination = ip("1.1.1.1")};
        CHECK_FALSE(door.lets_in(packet, 8));
    }
    Packet claim{.source = ip("0.0.0.0"), .destination = ip("192.0.2.1"), .ether_type = kArp};
    CHECK_FALSE(door.lets_in(claim, 8));
    CHECK_FALSE(door.lets_in_ip("fd9a::1", "fd00::8"));
}

TEST_CASE("An audit refuses nothing and counts the same") {
    const Door door{compile_anti_spoof(two_pods(), {.mode = AntiSpoofMode::audit})};
    CHECK(door.lets_in_ip("10.0.0.8", "1.1.1.1"));
    const nft::Chain& chain = door.table.chains.at("if-7-veth7");
    CHECK(to_text(chain.rules.back()) == "iif @interfaces counter comment \"ns/a\"");
}

TEST_CASE("An interface costs elements and a chain of its own") {
    auto links = two_pods();
    const nft::Table before = compile_anti_spoof(links, {});
    links[9] = {.index = 9,
                .name = "v{9",
                .pod = {"ns", "c"},
                .addresses = {ip("10.0.0.9"), ip("fd00::9")}};
    const nft::Table after = compile_anti_spoof(links, {});
    CHECK(nft::to_text(nft::plan(before, after)) ==
          "add chain netdev podfence if-9-v_9 { type filter hook ingress device \"v{9\" priority "
          "filter - 10; policy accept; }\n"
          "add element netdev podfence interfaces { 9 }\n"
          "add element netdev podfence own-v4 { 9 . ip . 10.0.0.9, 9 . arp . 10.0.0.9 }\n"
          "add element netdev podfence own-v6 { 9 . ip6 . fd00::9 }\n"
          "add rule netdev podfence if-9-v_9 jump from-pod\n"
          "add rule netdev podfence if-9-v_9 iif @interfaces counter drop comment \"ns/c\"\n");
    CHECK(nft::summarize(nft::plan(after, before)).chains_replaced == 0);
}

TEST_CASE("Many interfaces are declared for, in steps") {
    std::map<LinkIndex, PodLink> links;
    for (LinkIndex index = 1; index <= 2000; ++index) {
        links[index] = {.index = index,
                        .name = "veth" + std::to_string(index),
                        .pod = {"ns", std::to_string(index)},
                        .addresses = {Address::v4(0x0a000000 + index)}};
    }
    const nft::Table table = compile_anti_spoof(links, {});
    CHECK(table.sets.contains("interfaces-x8192"));
    CHECK(table.sets.at("own-v4-x8192").elements.size() == 4000);  // IPv4 and ARP
    CHECK(table.sets.contains("own-v6"));
}
