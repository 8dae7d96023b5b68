#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "controller/objects.hpp"

/// What rtnetlink says of this node's interfaces and of where addresses are behind them, as plain
/// values. Nothing here knows of pods.
namespace podfence {

/// An interface's index in the node's network namespace: given once and not again for as long as
/// anyone would notice, whatever becomes of the name. 0: none.
using LinkIndex = std::uint32_t;
using MacAddress = std::array<std::uint8_t, 6>;

struct Link {
    LinkIndex index = 0;
    std::string name{};
    std::string kind{};          ///< IFLA_INFO_KIND: "veth", "bridge"...; empty: hardware.
    std::uint16_t hardware = 0;  ///< ARPHRD_*: 1 is Ethernet.
    bool up = false;             ///< IFF_UP
    bool carrier = false;        ///< IFF_LOWER_UP: of a veth, the other end is up, too.
    LinkIndex master = 0;        ///< The bridge that it is a port of.
    LinkIndex peer = 0;          ///< IFLA_LINK: of a veth the other end, in that end's namespace.
    /// Our number for the namespace of the other end (IFLA_LINK_NETNSID); nullopt: it is in ours,
    /// or there is none.
    std::optional<std::int32_t> peer_netns{};
    friend bool operator==(const Link&, const Link&) = default;
};

/// A route to one address by an interface and not by a gateway (/32, /128), in any table.
struct HostRoute {
    Address address;
    std::uint32_t table = 0;
    std::uint32_t metric = 0;
    LinkIndex link = 0;
    friend auto operator<=>(const HostRoute&, const HostRoute&) = default;
};

/// An address of the node itself, by its route of type local, at a bridge or a cable into another
/// namespace: others are not kept.
struct OwnAddress {
    LinkIndex link = 0;
    Address address;
    friend auto operator<=>(const OwnAddress&, const OwnAddress&) = default;
};

/// An address and the MAC address that answers for it on an interface: on a bridge, of a port's
/// other end. Learned from what comes in, so that whoever is connected can forge it.
struct Neighbour {
    LinkIndex link = 0;
    Address address;
    MacAddress mac{};
    friend auto operator<=>(const Neighbour&, const Neighbour&) = default;
};

/// A MAC address and the port of a bridge that it was last seen at; as easily forged.
struct Forwarding {
    LinkIndex port = 0;
    MacAddress mac{};
    friend auto operator<=>(const Forwarding&, const Forwarding&) = default;
};

using LinkFact = std::variant<Link, HostRoute, OwnAddress, Neighbour, Forwarding>;

/// A fact that holds now, or no more. What is given of one that is gone identifies it: the index of
/// a link; address, table and metric of a route; link and address; port and MAC.
struct LinkEvent {
    LinkFact fact;
    bool gone = false;
};

/// What is known at a moment, and where addresses are by it.
class LinkFacts {
  public:
    /// Addresses and links about which something may be another now.
    struct Touched {
        std::set<LinkIndex> links{};
        std::set<Address> addresses{};
    };

    void apply(const LinkEvent& event, Touched& touched);

    const std::map<LinkIndex, Link>& links() const { return links_; }
    const Link* link(LinkIndex index) const;

    /// Where routes to the address lead, the main table's first, then by table and metric.
    std::vector<LinkIndex> routed(const Address& address) const;
    /// The ports of bridges at which the MAC address was seen that answers for the address there.
    std::vector<LinkIndex> learned(const Address& address) const;
    /// Links at which the node has an address in these ranges, or to which a host route into them
    /// leads; the addresses that such routes are to.
    using Leading = std::map<LinkIndex, std::vector<Address>>;
    Leading leading_into(std::span<const Prefix> ranges) const;

  private:
    struct RouteKey {
        bool other_table = false;  ///< Than RT_TABLE_MAIN.
        std::uint32_t table = 0;
        std::uint32_t metric = 0;
        friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
    };

    void put(const Link& link, bool gone, Touched& touched);
    void put(const HostRoute& route, bool gone, Touched& touched);
    void put(const OwnAddress& own, bool gone, Touched& touched);
    void put(const Neighbour& neighbour, bool gone, Touched& touched);
    void put(const Forwarding& forwarding, bool gone, Touched& touched);
    void forget_routes(LinkIndex link, bool v4_only, Touched& touched);
    void touch_mac(const MacAddress& mac, Touched& touched) const;

    std::map<LinkIndex, Link> links_;
    std::map<Address, std::map<RouteKey, LinkIndex>> routes_;
    std::set<OwnAddress> own_;
    std::map<Address, std::map<LinkIndex, MacAddress>> neighbours_;
    std::map<MacAddress, std::set<LinkIndex>> ports_;
    std::map<MacAddress, std::set<Address>> answered_by_;  ///< Of neighbours_, turned round.
};

}  // namespace podfence
