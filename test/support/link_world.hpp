#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/pod_links.hpp"
#include "test/support/builders.hpp"

/// Interfaces, routes and neighbours of a node in memory, as rtnetlink would tell of them.
namespace podfence::test {

inline constexpr std::uint32_t kMainTable = 254;
inline constexpr LinkIndex kBridge = 3;

inline MacAddress mac(std::uint8_t last) {
    return {2, 0, 0, 0, 0, last};
}

/// What the other ends of links have, as a test says.
class LinkEnds final : public PeerLook {
  public:
    std::map<LinkIndex, std::vector<Address>> addresses{};
    std::vector<LinkIndex> asked{};

    std::vector<Address> addresses_behind(const Link& link) override {
        asked.push_back(link.index);
        const auto known = addresses.find(link.index);
        return known == addresses.end() ? std::vector<Address>() : known->second;
    }
};

/// To be told of what happens, and asked whose interface is which.
struct LinkWorld {
    PodLinks links{};
    LinkEnds ends{};

    std::set<LinkIndex> settle() { return links.settle(ends); }
    void add(const Link& link) { links.apply({.fact = link}); }
    void remove(LinkIndex index) { links.apply({.fact = Link{.index = index}, .gone = true}); }
    void route(const char* address, LinkIndex link, std::uint32_t table = kMainTable) {
        links.apply({.fact = HostRoute{.address = ip(address), .table = table, .link = link}});
    }
    void unroute(const char* address, LinkIndex link) {
        links.apply({.fact = HostRoute{.address = ip(address), .table = kMainTable, .link = link},
                     .gone = true});
    }
    void bridge() {
        add({.index = kBridge, .name = "cni0", .kind = "bridge", .hardware = 1, .up = true});
    }
    /// A cable to a namespace in which the other end has these addresses.
    void veth(LinkIndex index, std::vector<Address> behind, LinkIndex master = 0) {
        add({.index = index,
             .name = "veth" + std::to_string(index),
             .kind = "veth",
             .hardware = 1,
             .up = true,
             .master = master,
             .peer = 2,
             .peer_netns = static_cast<std::int32_t>(index)});
        ends.addresses[index] = std::move(behind);
    }
    /// A port of the bridge whose other end nobody can look at: of a virtual machine.
    void tap(LinkIndex index) {
        add({.index = index,
             .name = "tap" + std::to_string(index),
             .kind = "tun",
             .hardware = 1,
             .up = true,
             .master = kBridge});
    }
    void seen(const char* address, std::uint8_t last, LinkIndex port) {
        links.apply({.fact = Forwarding{.port = port, .mac = mac(last)}});
        links.apply({.fact = Neighbour{.link = kBridge, .address = ip(address), .mac = mac(last)}});
    }
    /// "veth7=a(route)" for each bound link.
    std::vector<std::string> bound() const {
        std::vector<std::string> all;
        for (const auto& [index, link] : links.links()) {
            all.push_back(link.name + "=" + link.pod.name + "(" +
                          std::string(to_string(link.evidence)) + ")");
        }
        return all;
    }
    std::vector<std::string> unbound() const {
        std::vector<std::string> all;
        for (const auto& one : links.unbound()) {
            all.push_back(one.pod.name + ": " + std::string(to_string(one.reason)));
        }
        return all;
    }
};

}  // namespace podfence::test
