#include "controller/held_links.hpp"

#include <catch2/catch.hpp>

#include "test/support/link_world.hpp"

// Which interfaces are of pods that nobody knows, and what may be said there.

using namespace podfence;
using test::ip;
using test::kBridge;

namespace {

struct World : test::LinkWorld {
    HeldLinks held{};
    std::vector<Address> taken{};
    std::set<Address> loose{};

    World() {
        held.hold({test::cidr("10.244.1.0/24"), test::cidr("fd00:10:244:1::/64")});
        bridge();
        own("10.244.1.1", kBridge);
    }
    void own(const char* address, LinkIndex link) {
        links.apply({.fact = OwnAddress{.link = link, .address = ip(address)}});
    }
    bool settle_held(bool any_local = true) {
        settle();
        return held.settle(links, ends,
                           {.is_taken =
                                [this](const Address& address) {
                                    return std::ranges::find(taken, address) != taken.end() ||
                                           loose.contains(address);
                                },
                            .loose = loose,
                            .any_local = any_local});
    }
    /// "veth7: 10.244.1.7"
    std::vector<std::string> texts() const {
        std::vector<std::string> all;
        for (const auto& [index, link] : held.links()) {
            CHECK(link.pod == ObjectName{});
            std::string text = link.name + ":";
            for (const Address& address : link.addresses) text += " " + to_string(address);
            all.push_back(text);
        }
        return all;
    }
};
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "held: an interface that a route into the pods' ranges leads to speaks for that address") {
    World w;
    w.veth(7, {});
    CHECK_FALSE(w.settle_held());
    w.route("10.244.1.7", 7);
    w.route("fd00:10:244:1::7", 7);
    w.route("10.9.0.7", 7);
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth7: 10.244.1.7 fd00:10:244:1::7"});
    CHECK_FALSE(w.settle_held());
    w.remove(7);
    CHECK(w.settle_held());
    CHECK(w.texts().empty());
}

TEST_CASE("held: a port of the pods' bridge speaks for what its other end was given") {
    World w;
    w.veth(8, {ip("10.244.1.8"), ip("192.0.2.1"), ip("10.244.1.9"), ip("fe80::8")}, kBridge);
    w.taken = {ip("10.244.1.9")};
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8"});
    // As soon as somebody has it, it is that one's.
    w.taken.push_back(ip("10.244.1.8"));
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8:"});
}

TEST_CASE("held: the other end is asked until it tells, and then when the interface changes") {
    World w;
    w.veth(8, {}, kBridge);
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8:"});
    w.ends.addresses[8] = {ip("10.244.1.8")};
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8"});
    w.ends.asked.clear();
    w.ends.addresses[8] = {ip("10.244.1.9")};
    CHECK_FALSE(w.settle_held());
    CHECK(w.ends.asked.empty());
    Link up = *w.links.facts().link(8);
    up.carrier = true;
    w.add(up);
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.9"});
}

TEST_CASE("held: nothing outside the pods' network, and nothing that is not a cable") {
    World w;
    w.add({.index = 4, .name = "docker0", .kind = "bridge", .hardware = 1, .up = true});
    w.own("172.17.0.1", 4);
    w.veth(9, {ip("172.17.0.9")}, 4);
    w.veth(10, {ip("10.244.1.10")});
    w.tap(11);
    Link here{.index = 12, .name = "veth12", .kind = "veth", .hardware = 1, .master = kBridge};
    w.add(here);  // Its other end is in the node's own namespace.
    CHECK_FALSE(w.settle_held());
    CHECK(w.texts().empty());
}

TEST_CASE("held: an interface is let go when its pod is known, and held when the pod is gone") {
    World w;
    w.veth(8, {ip("10.244.1.8")}, kBridge);
    CHECK(w.settle_held());
    w.links.set_pod({"ns", "a"}, {ip("10.244.1.8")});
    CHECK(w.settle_held());
    CHECK(w.texts().empty());
    CHECK(w.bound() == Texts{"veth8=a(peer)"});
    w.links.set_pod({"ns", "a"}, {});
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8"});
}

TEST_CASE("held: a known pod whose interface was not found loses nothing") {
    World w;
    w.veth(8, {ip("10.244.1.8")}, kBridge);
    w.veth(9, {ip("10.244.1.9"), ip("192.0.2.9")}, kBridge);
    w.veth(10, {}, kBridge);
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8", "veth9: 10.244.1.9", "veth10:"});
    // Of one that tells nothing nobody can say whose it is not.
    w.loose = {ip("10.244.1.9"), ip("192.0.2.9")};
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8", "veth9: 10.244.1.9 192.0.2.9"});
    w.loose.clear();
    w.taken = {ip("10.244.1.9")};
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8", "veth9:", "veth10:"});
}

TEST_CASE("held: an agent that does not know its node's name takes nobody's address away") {
    World w;
    w.veth(8, {ip("10.244.1.8")}, kBridge);
    w.taken = {ip("10.244.1.8")};
    CHECK_FALSE(w.settle_held(false));
    CHECK(w.settle_held(true));
    CHECK(w.texts() == Texts{"veth8:"});
}

TEST_CASE("held: of the node's own addresses only those at bridges and cables are kept") {
    World w;
    w.add({.index = 20, .name = "kube-ipvs0", .kind = "dummy", .hardware = 1});
    w.own("10.244.1.200", 20);
    const std::vector<Prefix> all{test::cidr("0.0.0.0/0")};
    CHECK(w.links.facts().leading_into(all).size() == 1);
    w.settle();
}

TEST_CASE("held: nothing where no ranges are known") {
    World w;
    w.veth(8, {ip("10.244.1.8")}, kBridge);
    w.held.hold({});
    CHECK_FALSE(w.held.holds_any());
    CHECK_FALSE(w.settle_held());
}
