#include "controller/link_facts.hpp"

#include <algorithm>

#include <linux/rtnetlink.h>

#include "controller/prefixes.hpp"

namespace podfence {

namespace {

/// MAC addresses of bridges that are kept: far more than a node has pods.
constexpr std::size_t kMacsMax = 16'384;

}  // namespace

const Link* LinkFacts::link(LinkIndex index) const {
    const auto found = links_.find(index);
    return found == links_.end() ? nullptr : &found->second;
}

std::vector<LinkIndex> LinkFacts::routed(const Address& address) const {
    std::vector<LinkIndex> links;
    if (const auto routes = routes_.find(address); routes != routes_.end()) {
        for (const auto& [key, link] : routes->second) links.push_back(link);
    }
    return links;
}

std::vector<LinkIndex> LinkFacts::learned(const Address& address) const {
    std::vector<LinkIndex> found;
    const auto neighbours = neighbours_.find(address);
    if (neighbours == neighbours_.end()) return found;
    for (const auto& [bridge, mac] : neighbours->second) {
        const auto ports = ports_.find(mac);
        if (ports == ports_.end()) continue;
        for (const LinkIndex port : ports->second) {
            const Link* known = link(port);
            if (known != nullptr && known->master == bridge) found.push_back(port);
        }
    }
    return found;
}

LinkFacts::Leading LinkFacts::leading_into(std::span<const Prefix> ranges) const {
    const auto inside = [&](const Address& address) { return is_in_any(ranges, address); };
    Leading leading;
    for (const OwnAddress& own : own_) {
        if (inside(own.address)) leading[own.link];
    }
    for (const auto& [address, routes] : routes_) {
        if (!inside(address)) continue;
        for (const auto& [key, link] : routes) leading[link].push_back(address);
    }
    return leading;
}

void LinkFacts::apply(const LinkEvent& event, Touched& touched) {
    std::visit([&](const auto& fact) { put(fact, event.gone, touched); }, event.fact);
}

void LinkFacts::put(const Link& link, bool gone, Touched& touched) {
    touched.links.insert(link.index);
    if (gone) {
        links_.erase(link.index);
        forget_routes(link.index, false, touched);
        std::erase_if(own_, [&](const OwnAddress& own) { return own.link == link.index; });
        return;
    }
    // With an interface that goes down IPv4 drops the routes by it and tells nobody
    // (fib_sync_down_dev() in net/ipv4/fib_semantics.c); IPv6 tells.
    if (!link.up) forget_routes(link.index, true, touched);
    links_.insert_or_assign(link.index, link);
}

void LinkFacts::forget_routes(LinkIndex link, bool v4_only, Touched& touched) {
    for (auto routes = routes_.begin(); routes != routes_.end();) {
        const bool concerned = !v4_only || routes->first.family() == nft::Family::ipv4;
        const auto dropped =
            concerned ? std::erase_if(routes->second,
                                      [&](const auto& route) { return route.second == link; })
                      : 0;
        if (dropped > 0) touched.addresses.insert(routes->first);
        routes = routes->second.empty() ? routes_.erase(routes) : std::next(routes);
    }
}

void LinkFacts::put(const HostRoute& route, bool gone, Touched& touched) {
    const RouteKey key{
        .other_table = route.table != RT_TABLE_MAIN, .table = route.table, .metric = route.metric};
    auto& routes = routes_[route.address];
    if (!gone) {
        routes.insert_or_assign(key, route.link);  // `ip route replace` tells no removal.
    } else if (const auto known = routes.find(key);
               known != routes.end() && (route.link == 0 || known->second == route.link)) {
        routes.erase(known);  // And not the one that replaced it.
    }
    if (routes.empty()) routes_.erase(route.address);
    touched.addresses.insert(route.address);
}

void LinkFacts::put(const OwnAddress& own, bool gone, Touched& touched) {
    const Link* at = link(own.link);
    if (gone) {
        own_.erase(own);
    } else if (at != nullptr && (at->kind == "bridge" || at->peer_netns)) {
        own_.insert(own);  // And not all addresses of Services that IPVS has at an interface.
    } else {
        return;
    }
    touched.links.insert(own.link);
}

void LinkFacts::put(const Neighbour& neighbour, bool gone, Touched& touched) {
    auto& here = neighbours_[neighbour.address];
    if (const auto known = here.find(neighbour.link); known != here.end()) {
        const MacAddress before = known->second;
        if (!gone && before == neighbour.mac) return;
        here.erase(known);
        auto& answered = answered_by_[before];
        answered.erase(neighbour.address);
        if (answered.empty()) answered_by_.erase(before);
    }
    if (!gone) {
        here.insert_or_assign(neighbour.link, neighbour.mac);
        answered_by_[neighbour.mac].insert(neighbour.address);
    }
    if (here.empty()) neighbours_.erase(neighbour.address);
    touched.addresses.insert(neighbour.address);
}

void LinkFacts::put(const Forwarding& forwarding, bool gone, Touched& touched) {
    // The other end of these can be asked, and a flood of made-up addresses need not be kept.
    const Link* port = link(forwarding.port);
    const bool of_use = port != nullptr && port->master != 0 && !port->peer_netns;
    if (!gone && (!of_use || ports_.size() >= kMacsMax)) return;
    auto& ports = ports_[forwarding.mac];
    if (gone) {
        ports.erase(forwarding.port);
    } else {
        ports.insert(forwarding.port);
    }
    if (ports.empty()) ports_.erase(forwarding.mac);
    touch_mac(forwarding.mac, touched);
}

void LinkFacts::touch_mac(const MacAddress& mac, Touched& touched) const {
    const auto answered = answered_by_.find(mac);
    if (answered == answered_by_.end()) return;
    touched.addresses.insert(answered->second.begin(), answered->second.end());
}

}  // namespace podfence
