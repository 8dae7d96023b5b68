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

    World() {
        held.hold({test::cidr("10.244.1.0/24"), test::cidr("fd00:10:244:1::/64")});
        bridge();
        own("10.244.1.1", kBridge);
    }
    void own(const char* address, LinkIndex link) {
        links.apply({.fact = OwnAddress{.link = link, .address = ip(address)}});
    }
    bool settle_held(bool all_bound = true) {
        settle();
        return held.settle(links, all_bound, ends, [this](const Address& address) {
            return std::ranges::find(taken, address) != taken.end();
        });
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

TEST_CASE("held: the other end is asked when the interface changes, and only then") {
    World w;
    w.veth(8, {}, kBridge);
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8:"});
    w.ends.asked.clear();
    w.ends.addresses[8] = {ip("10.244.1.8")};
    CHECK_FALSE(w.settle_held());
    CHECK(w.ends.asked.empty());
    Link up = *w.links.facts().link(8);
    up.carrier = true;
    w.add(up);
    CHECK(w.settle_held());
    CHECK(w.texts() == Texts{"veth8: 10.244.1.8"});
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

TEST_CASE("held: nothing while a known pod is without an interface: one of these may be its") {
    World w;
    w.veth(8, {ip("10.244.1.8")}, kBridge);
    CHECK_FALSE(w.settle_held(false));
    CHECK(w.settle_held(true));
    CHECK(w.settle_held(false));
    CHECK(w.texts().empty());
}

TEST_CASE("held: nothing where no ranges are known") {
    World w;
    w.veth(8, {ip("10.244.1.8")}, kBridge);
    w.held.hold({});
    CHECK_FALSE(w.held.holds_any());
    CHECK_FALSE(w.settle_held());
}
