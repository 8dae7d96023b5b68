#include "controller/pod_links.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "test/support/link_world.hpp"

// Whose interface is which, whatever happens to interfaces, routes and addresses, and whatever pods
// claim.

using namespace podfence;
using test::ip;
using test::kBridge;
using test::kMainTable;
using test::LinkWorld;
using test::mac;

namespace {

ObjectName pod(const char* name) {
    return {"ns", name};
}

using World = LinkWorld;
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("A host route says whose interface it is") {
    World w;
    w.veth(7, {});
    w.route("10.0.0.7", 7);
    w.route("fd00::7", 7);
    CHECK(w.settle().empty());
    w.links.set_pod(pod("a"), {ip("10.0.0.7"), ip("fd00::7")});
    CHECK(w.settle() == std::set<LinkIndex>{7});
    CHECK(w.bound() == Texts{"veth7=a(route)"});
    CHECK(w.links.links().at(7).addresses == std::vector{ip("10.0.0.7"), ip("fd00::7")});
    CHECK(w.ends.asked.empty());
    // What it may use besides says nothing about where it is.
    w.links.set_pod(pod("a"), {ip("10.0.0.7")}, {*Prefix::parse("10.0.0.8/32")});
    w.route("10.0.0.8", 8);
    CHECK(w.settle() == std::set<LinkIndex>{7});
    CHECK(w.links.links().at(7).extra.size() == 1);
}

TEST_CASE("A route in another table counts, the main table's first") {
    World w;  // As the AWS VPC plugin does with branch interfaces.
    w.veth(7, {});
    w.veth(8, {});
    w.route("10.0.0.7", 8, 101);
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    w.settle();
    CHECK(w.bound() == Texts{"veth8=a(route)"});
    w.route("10.0.0.7", 7);
    CHECK(w.settle() == std::set<LinkIndex>{7, 8});
    CHECK(w.bound() == Texts{"veth7=a(route)"});
}

TEST_CASE("An address that moves is the new interface's at once") {
    World w;
    w.veth(7, {});
    w.route("10.0.0.7", 7);
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    w.settle();
    SECTION("by a route that is replaced, of which no removal is told") {
        w.veth(9, {});
        w.route("10.0.0.7", 9);
        w.unroute("10.0.0.7", 7);  // Late, and of what is gone already.
        CHECK(w.settle() == std::set<LinkIndex>{7, 9});
        CHECK(w.bound() == Texts{"veth9=a(route)"});
    }
    SECTION("by an interface that goes and one that comes, between two looks") {
        w.remove(7);
        w.veth(9, {});
        w.route("10.0.0.7", 9);
        CHECK(w.settle() == std::set<LinkIndex>{7, 9});
        CHECK(w.bound() == Texts{"veth9=a(route)"});
    }
    SECTION("by another pod that has the address now") {
        w.veth(9, {});
        w.route("10.0.0.7", 9);
        w.links.set_pod(pod("a"), {});
        w.links.set_pod(pod("b"), {ip("10.0.0.7")});
        w.settle();
        CHECK(w.bound() == Texts{"veth9=b(route)"});
    }
}

TEST_CASE("An interface that goes down loses its IPv4 routes without a word") {
    World w;
    w.veth(7, {});
    w.route("10.0.0.7", 7);
    w.links.apply({.fact = Link{.index = 7, .name = "veth7", .kind = "veth", .hardware = 1}});
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    w.settle();
    CHECK(w.bound().empty());
    CHECK(w.unbound() == Texts{"a: no-interface"});
}

TEST_CASE("A new name is told, and nothing else changes") {
    World w;
    w.veth(7, {});
    w.route("10.0.0.7", 7);
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    w.settle();
    Link renamed = *w.links.facts().link(7);
    renamed.name = "pod-a";
    w.add(renamed);
    CHECK(w.settle() == std::set<LinkIndex>{7});
    CHECK(w.bound() == Texts{"pod-a=a(route)"});
    w.add(renamed);
    CHECK(w.settle().empty());
}

TEST_CASE("On a bridge the other end is asked, newest interface first") {
    World w;
    w.bridge();
    for (const LinkIndex index : {5U, 6U, 7U}) w.veth(index, {}, kBridge);
    w.ends.addresses[7] = {ip("10.0.0.7"), ip("fe80::7")};
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    CHECK(w.settle() == std::set<LinkIndex>{7});
    CHECK(w.bound() == Texts{"veth7=a(peer)"});
    CHECK(w.ends.asked == std::vector<LinkIndex>{7});
    // Bound interfaces are not asked again.
    w.ends.addresses[6] = {ip("10.0.0.6")};
    w.links.set_pod(pod("b"), {ip("10.0.0.6")});
    w.settle();
    CHECK(w.ends.asked == std::vector<LinkIndex>{7, 6});
    CHECK(w.bound() == Texts{"veth6=b(peer)", "veth7=a(peer)"});
}

TEST_CASE("A pod that comes before its interface is bound when that comes") {
    World w;
    w.bridge();
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    w.settle();
    CHECK(w.unbound() == Texts{"a: no-interface"});
    w.veth(7, {ip("10.0.0.7")}, kBridge);
    CHECK(w.settle() == std::set<LinkIndex>{7});
    CHECK(w.unbound().empty());
}

TEST_CASE("No pod gains another's address by having it") {
    World w;
    w.bridge();
    w.veth(7, {ip("10.0.0.7")}, kBridge);
    w.links.set_pod(pod("victim"), {ip("10.0.0.7")});
    w.settle();
    SECTION("a bound pod's") {
        w.veth(8, {ip("10.0.0.8"), ip("10.0.0.7")}, kBridge);
        w.links.set_pod(pod("thief"), {ip("10.0.0.8")});
        w.settle();
        CHECK(w.bound() == Texts{"veth7=victim(peer)", "veth8=thief(peer)"});
        CHECK(w.links.links().at(8).addresses == std::vector{ip("10.0.0.8")});
        // Not even when the victim gives it up.
        w.links.set_pod(pod("victim"), {});
        w.settle();
        CHECK(w.bound() == Texts{"veth8=thief(peer)"});
    }
    SECTION("one that is still to come") {
        w.veth(8, {ip("10.0.0.8"), ip("10.0.0.9")}, kBridge);
        w.links.set_pod(pod("thief"), {ip("10.0.0.8")});
        w.settle();
        w.veth(9, {ip("10.0.0.9")}, kBridge);
        w.links.set_pod(pod("next"), {ip("10.0.0.9")});
        w.settle();
        CHECK(w.bound() == Texts{"veth7=victim(peer)", "veth8=thief(peer)", "veth9=next(peer)"});
    }
    SECTION("by poisoned neighbour and forwarding tables") {
        w.tap(10);
        w.seen("10.0.0.7", 10, 10);
        w.settle();
        CHECK(w.bound() == Texts{"veth7=victim(peer)"});
    }
}

TEST_CASE("A restart is no occasion to take another's address") {
    World w;
    w.bridge();
    w.veth(7, {ip("10.0.0.7")}, kBridge);
    w.links.set_pod(pod("victim"), {ip("10.0.0.7")});
    SECTION("for who has it beside its own") {
        w.veth(8, {ip("10.0.0.7"), ip("10.0.0.8")}, kBridge);
        w.links.set_pod(pod("thief"), {ip("10.0.0.8")});
        w.settle();
        CHECK(w.bound() == Texts{"veth7=victim(peer)", "veth8=thief(peer)"});
    }
    SECTION("for who gave up its own, as long as the kernel has what the last run wrote") {
        w.links.remember(7, ip("10.0.0.7"));
        w.links.remember(8, ip("10.0.0.8"));
        w.veth(8, {ip("10.0.0.7")}, kBridge);
        w.links.set_pod(pod("thief"), {ip("10.0.0.8")});
        w.settle();
        REQUIRE(w.links.links().size() == 2);
        CHECK(w.links.links().at(7).pod == pod("victim"));
        CHECK(w.links.links().at(8).pod == pod("thief"));
    }
    SECTION("and what was bound to an interface that is gone is not remembered") {
        w.links.remember(6, ip("10.0.0.7"));
        w.settle();
        CHECK(w.bound() == Texts{"veth7=victim(peer)"});
    }
}

TEST_CASE("A port that cannot be asked is known by what was seen there, if that is certain") {
    World w;
    w.bridge();
    w.tap(10);
    w.tap(11);
    w.links.set_pod(pod("vm"), {ip("10.0.0.10")});
    SECTION("seen at one port") {
        w.seen("10.0.0.10", 10, 10);
        w.settle();
        CHECK(w.bound() == Texts{"tap10=vm(learned)"});
        // It stays there, whatever is seen later.
        w.seen("10.0.0.10", 11, 11);
        CHECK(w.settle().empty());
        // And a port that is somebody's is not given to another.
        w.links.set_pod(pod("other"), {ip("10.0.0.11")});
        w.seen("10.0.0.11", 10, 10);
        w.settle();
        CHECK(w.bound() == Texts{"tap10=vm(learned)"});
    }
    SECTION("seen at two") {
        w.seen("10.0.0.10", 10, 10);
        w.seen("10.0.0.10", 10, 11);
        w.settle();
        CHECK(w.bound().empty());
    }
    SECTION("the plugin knows better") {
        w.seen("10.0.0.10", 10, 10);
        w.settle();
        w.links.told(11, {ip("10.0.0.10")});
        w.settle();
        CHECK(w.bound() == Texts{"tap11=vm(cni)"});
    }
}

TEST_CASE("Of a pod made anew the new interface counts, though the old one lingers") {
    World w;
    w.bridge();
    w.veth(7, {ip("10.0.0.7")}, kBridge);
    w.links.set_pod(pod("old"), {ip("10.0.0.7")});
    w.settle();
    w.veth(8, {ip("10.0.0.7")}, kBridge);
    w.links.set_pod(pod("old"), {});
    w.links.set_pod(pod("new"), {ip("10.0.0.7")});
    w.settle();
    CHECK(w.bound() == Texts{"veth8=new(peer)"});
    // The same pod in a new sandbox has another address.
    w.links.set_pod(pod("new"), {ip("10.0.0.9")});
    w.veth(9, {ip("10.0.0.9")}, kBridge);
    w.settle();
    CHECK(w.bound() == Texts{"veth9=new(peer)"});
}

TEST_CASE("What the plugin tells holds until the link goes, whoever has the address") {
    World w;
    w.bridge();
    w.links.told(7, {ip("10.0.0.7"), ip("fd00::7")});
    w.links.set_pod(pod("a.sandbox"), {ip("10.0.0.7"), ip("fd00::7")});
    CHECK(w.settle().empty());  // rtnetlink has not told of it yet.
    w.veth(7, {}, kBridge);
    CHECK(w.settle() == std::set<LinkIndex>{7});
    CHECK(w.bound() == Texts{"veth7=a.sandbox(cni)"});
    CHECK(w.unbound().empty());
    // The API knows it by its name now.
    w.links.set_pod(pod("a"), {ip("10.0.0.7"), ip("fd00::7")});
    w.links.set_pod(pod("a.sandbox"), {});
    w.settle();
    CHECK(w.bound() == Texts{"veth7=a(cni)"});
    CHECK(w.links.links().at(7).addresses == std::vector{ip("10.0.0.7"), ip("fd00::7")});
    // Its address goes to a later sandbox, and comes back.
    w.veth(8, {}, kBridge);
    w.links.told(8, {ip("10.0.0.7")});
    w.links.set_pod(pod("a"), {ip("fd00::7")});
    w.links.set_pod(pod("b"), {ip("10.0.0.7")});
    w.settle();
    CHECK(w.bound() == Texts{"veth7=a(cni)", "veth8=b(cni)"});
    w.links.untold(8);
    w.links.set_pod(pod("b"), {});
    w.links.set_pod(pod("a"), {ip("10.0.0.7"), ip("fd00::7")});
    w.settle();
    CHECK(w.bound() == Texts{"veth7=a(cni)"});
    w.remove(7);
    w.settle();
    CHECK(w.bound().empty());
    // Another interface of that index is not meant.
    w.veth(7, {}, kBridge);
    w.settle();
    CHECK(w.bound().empty());
}

TEST_CASE("What cannot be held against one interface is said, with the reason") {
    World w;
    w.add({.index = 4, .name = "shim", .kind = "macvlan", .hardware = 1, .up = true});
    w.veth(7, {});
    w.route("10.0.0.4", 4);
    w.route("10.0.0.7", 7);
    w.route("10.0.0.8", 7);
    for (const auto& [name, address] :
         {std::pair("macvlan", "10.0.0.4"), std::pair("sriov", "10.0.0.5"),
          std::pair("x", "10.0.0.7"), std::pair("y", "10.0.0.8")}) {
        w.links.set_pod(pod(name), {ip(address)});
    }
    w.settle();
    CHECK(w.bound().empty());
    CHECK(w.unbound() == Texts{"macvlan: interface-kind", "sriov: no-interface",
                               "x: interface-shared", "y: interface-shared"});
    w.links.set_pod(pod("y"), {});
    w.settle();
    CHECK(w.bound() == Texts{"veth7=x(route)"});
}

TEST_CASE("A dump replaces what was believed") {
    World w;
    w.veth(7, {});
    w.veth(8, {});
    w.route("10.0.0.7", 7);
    w.route("10.0.0.8", 8);
    w.links.set_pod(pod("a"), {ip("10.0.0.7")});
    w.links.set_pod(pod("b"), {ip("10.0.0.8")});
    w.settle();
    LinkFacts facts;
    LinkFacts::Touched touched;
    facts.apply({.fact = *w.links.facts().link(8)}, touched);
    facts.apply({.fact = HostRoute{.address = ip("10.0.0.7"), .table = kMainTable, .link = 8}},
                touched);
    w.links.replace(facts);
    CHECK(w.settle() == std::set<LinkIndex>{7, 8});
    CHECK(w.bound() == Texts{"veth8=a(route)"});
    CHECK(w.unbound() == Texts{"b: no-interface"});
}
