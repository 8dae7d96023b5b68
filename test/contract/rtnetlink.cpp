#include "controller/rtnetlink.hpp"

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include "controller/pod_links.hpp"
#include "test/support/lab_netns.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

// What rtnetlink says of real interfaces, and whose they turn out to be.

using namespace podfence;
using namespace podfence::test;

namespace {

Address ip(const char* text) {
    return Address::parse(text).value();
}

/// A node in the calling thread's namespace, with pods in namespaces of their own.
class Node {
  public:
    Node() {
        run_shell("ip link add cni0 type bridge && ip link set cni0 up");
        monitor = RouteMonitor::open().value();
    }

    /// A pod's cable: `host` here, eth0 there, with these addresses.
    void cable(const std::string& host, const std::vector<std::string>& addresses) {
        const lab::NetNs& pod = pods_.emplace_back(lab::NetNs::create(claim_.name(host)));
        run_shell("ip link add " + host + " type veth peer name eth0 netns " + pod.name() +
                  " && ip link set " + host + " up && ip -n " + pod.name() + " link set eth0 up");
        for (const std::string& address : addresses) {
            run_shell("ip -n " + pod.name() + " address add " + address + " dev eth0");
        }
    }

    void list() { links.replace(monitor->dump().value()); }
    void follow() {
        const LinkNews news = monitor->read().value();
        CHECK_FALSE(news.lost);
        for (const LinkEvent& event : news.events) links.apply(event);
    }
    /// "host=pod(route)"
    std::vector<std::string> settled() {
        links.settle(*monitor);
        std::vector<std::string> all;
        for (const auto& [index, link] : links.links()) {
            all.push_back(link.name + "=" + link.pod.name + "(" +
                          std::string(to_string(link.evidence)) + ")");
        }
        return all;
    }

    std::unique_ptr<RouteMonitor> monitor{};
    PodLinks links{};

  private:
    lab::Claim claim_;
    std::vector<lab::NetNs> pods_;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("Interfaces are found on a bridge, by their other ends") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    const PrivateNetns netns;
    Node node;
    node.cable("va", {"10.0.0.7/24", "fd00::7/64"});
    node.cable("vb", {"10.0.0.8/24"});
    run_shell("ip link set va master cni0 && ip link set vb master cni0");
    node.list();
    node.links.set_pod({"ns", "a"}, {ip("10.0.0.7"), ip("fd00::7")});
    node.links.set_pod({"ns", "b"}, {ip("10.0.0.8")});
    CHECK(node.settled() == Texts{"va=a(peer)", "vb=b(peer)"});
    const Link* link = node.links.facts().link(node.links.links_of({"ns", "a"}).at(0).index);
    REQUIRE(link != nullptr);
    CHECK(link->kind == "veth");
    CHECK(link->up);
    const auto behind = node.monitor->addresses_behind(*link);
    CHECK(std::ranges::count(behind, ip("10.0.0.7")) == 1);
    CHECK(std::ranges::count(behind, ip("fd00::7")) == 1);
}

TEST_CASE("Interfaces, names and routes are followed as they change") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    const PrivateNetns netns;
    Node node;
    node.list();
    node.links.set_pod({"ns", "a"}, {ip("10.0.0.7"), ip("fd00::7")});
    CHECK(node.settled().empty());
    node.cable("va", {});
    run_shell("ip route add 10.0.0.7/32 dev va && ip route add fd00::7/128 dev va table 100");
    node.follow();
    CHECK(node.settled() == Texts{"va=a(route)"});
    run_shell("ip link set va down && ip link set va name vx && ip link set vx up");
    node.follow();
    CHECK(node.settled() == Texts{"vx=a(route)"});
    node.cable("vb", {});
    run_shell(
        "ip route replace 10.0.0.7/32 dev vb && ip route replace fd00::7/128 dev vb table 100");
    node.follow();
    CHECK(node.settled() == Texts{"vb=a(route)"});
    // Nobody tells of routes that go with their interface.
    run_shell("ip link delete vb");
    node.follow();
    CHECK(node.settled().empty());
    // Gateways lead elsewhere.
    run_shell("ip address add 10.1.0.1/24 dev vx; ip route add 10.0.0.7/32 via 10.1.0.2 dev vx");
    node.follow();
    CHECK(node.settled().empty());
}

TEST_CASE("What a bridge has learned names the port of who cannot be asked") {
    if (const auto why = PrivateNetns::missing()) PODFENCE_SKIP(*why);
    const PrivateNetns netns;
    Node node;
    // A cable whose both ends are here: nobody's namespace can be asked.
    run_shell(
        "ip link add port type veth peer name inner && ip link set port master cni0 && "
        "ip link set port up && ip link set inner up");
    node.list();
    node.links.set_pod({"ns", "vm"}, {ip("10.0.0.7")});
    CHECK(node.settled().empty());
    run_shell(
        "bridge fdb add 02:00:00:00:00:07 dev port master static && "
        "ip neighbour add 10.0.0.7 lladdr 02:00:00:00:00:07 dev cni0");
    node.follow();
    CHECK(node.settled() == Texts{"port=vm(learned)"});
    // A list says the same as the news did.
    PodLinks listed;
    listed.replace(node.monitor->dump().value());
    listed.set_pod({"ns", "vm"}, {ip("10.0.0.7")});
    listed.settle(*node.monitor);
    CHECK(listed.links() == node.links.links());
}
