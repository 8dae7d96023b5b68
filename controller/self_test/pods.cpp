#include "controller/self_test/pods.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "controller/self_test/socket_address.hpp"

namespace podfence::self_test {

namespace {

constexpr const char* kBridge = "pfcanary-br";
constexpr std::array<const char*, 2> kHostEnds{"pfcanary-a", "pfcanary-b"};
constexpr const char* kPodEnd = "eth0";
constexpr std::chrono::seconds kReadyMax{10};
/// The kernel does not tell when a local route of IPv6 comes about.
constexpr std::chrono::milliseconds kLookAgain{10};

using Mac = std::array<std::uint8_t, 6>;

/// Locally administered. A bridge takes the lowest of its ports' addresses for its own: those of
/// host's ends are higher than any.
Mac mac_of(bool host_end, std::uint8_t number) {
    return {static_cast<std::uint8_t>(host_end ? 0xfe : 0x02), 'p', 'o', 'd', 0xfe, number};
}

std::uint8_t family_of(const Address& address) {
    return address.family() == nft::Family::ipv4 ? AF_INET : AF_INET6;
}

/// What is known of a link by its name; nullopt: there is none.
struct Link {
    std::uint32_t index = 0;
    std::uint32_t mtu = 0;
    bool operating = false;  ///< It is up, and so is its other end, and packets are let through.
};
nft::Result<std::optional<Link>> find_link(RouteOrders& socket, const std::string& name) {
    RouteMessage message(RTM_GETLINK, 0);
    message.header<ifinfomsg>();
    message.put(IFLA_IFNAME, name);
    std::optional<Link> link;
    const auto asked = socket.ask(message, "find " + name, [&](const RouteAnswer& answer) {
        const auto header = answer.header<ifinfomsg>();
        if (!header) return;
        link = Link{.index = static_cast<std::uint32_t>(header->ifi_index)};
        answer.each(sizeof(ifinfomsg), [&](const RouteAttribute& attribute) {
            if (attribute.type == IFLA_MTU) link->mtu = attribute.u32().value_or(0);
            if (attribute.type == IFLA_OPERSTATE) link->operating = attribute.u8() == IF_OPER_UP;
        });
    });
    if (!asked && asked.error().os_error != ENODEV) return asked.error();
    return link;
}

nft::Result<std::uint32_t> index_of(RouteOrders& socket, const std::string& name) {
    const auto link = find_link(socket, name);
    if (!link) return link.error();
    if (!*link) {
        return nft::Error{
            .code = nft::Errc::not_found, .os_error = ENODEV, .doing = "find " + name};
    }
    return (*link)->index;
}

nft::Result<void> remove_link(RouteOrders& socket, const std::string& name) {
    RouteMessage message(RTM_DELLINK, 0);
    message.header<ifinfomsg>();
    message.put(IFLA_IFNAME, name);
    auto removed = socket.order(message, "remove " + name);
    if (!removed && removed.error().os_error != ENODEV) return removed;
    return {};
}

/// No link-local address: it would come with packets of its own.
void put_no_link_local(RouteMessage& message) {
    constexpr std::uint8_t kNone = 1;  // IN6_ADDR_GEN_MODE_NONE
    message.nest(IFLA_AF_SPEC, [](RouteMessage& families) {
        families.nest(AF_INET6,
                      [](RouteMessage& v6) { v6.put_u8(IFLA_INET6_ADDR_GEN_MODE, kNone); });
    });
}

nft::Result<void> raise(RouteOrders& socket, std::uint32_t index) {
    RouteMessage message(RTM_NEWLINK, 0);
    auto& header = message.header<ifinfomsg>();
    header.ifi_index = static_cast<int>(index);
    header.ifi_flags = header.ifi_change = IFF_UP;
    return socket.order(message, "raise an interface");
}

nft::Result<void> quieten(RouteOrders& socket, std::uint32_t index) {
    RouteMessage message(RTM_NEWLINK, 0);
    message.header<ifinfomsg>().ifi_index = static_cast<int>(index);
    put_no_link_local(message);
    auto done = socket.order(message, "configure an interface");
    // A kernel without IPv6 makes no link-local addresses either.
    if (!done && done.error().code == nft::Errc::not_supported) return {};
    return done;
}

nft::Result<void> make_bridge(RouteOrders& socket) {
    RouteMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.header<ifinfomsg>();
    message.put(IFLA_IFNAME, std::string(kBridge));
    message.nest(IFLA_LINKINFO,
                 [](RouteMessage& info) { info.put(IFLA_INFO_KIND, std::string("bridge")); });
    if (auto made = socket.order(message, std::string("make the bridge ") + kBridge); !made) {
        return made;
    }
    const auto index = index_of(socket, kBridge);
    if (!index) return index.error();
    if (auto quiet = quieten(socket, *index); !quiet) return quiet;
    return raise(socket, *index);
}

/// One pod's cable.
struct Cable {
    std::size_t number = 0;  ///< 0: of the first pod.
    const ThrowawayNetns* pod = nullptr;
    std::optional<Link> bridge{};  ///< To be a port of.
};

nft::Result<void> make_cable(RouteOrders& node, const Cable& cable) {
    RouteMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.header<ifinfomsg>();
    const std::string name = kHostEnds.at(cable.number);
    const auto number = static_cast<std::uint8_t>(cable.number);
    message.put(IFLA_IFNAME, name).put(IFLA_ADDRESS, mac_of(true, number));
    if (cable.bridge) {
        // A bridge takes the smallest MTU of its ports' for its own.
        message.put_u32(IFLA_MASTER, cable.bridge->index).put_u32(IFLA_MTU, cable.bridge->mtu);
    }
    message.nest(IFLA_LINKINFO, [&](RouteMessage& info) {
        info.put(IFLA_INFO_KIND, std::string("veth"));
        info.nest(IFLA_INFO_DATA, [&](RouteMessage& data) {
            data.nest_behind<ifinfomsg>(VETH_INFO_PEER, [&](RouteMessage& peer) {
                peer.put(IFLA_IFNAME, std::string(kPodEnd))
                    .put(IFLA_ADDRESS, mac_of(false, number))
                    .put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(cable.pod->ns.get()));
                if (cable.bridge) peer.put_u32(IFLA_MTU, cable.bridge->mtu);
            });
        });
    });
    return node.order(message, "make the interface " + name);
}

nft::Result<void> add_address(RouteOrders& socket, std::uint32_t index, const Address& address) {
    RouteMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    auto& header = message.header<ifaddrmsg>();
    header.ifa_family = family_of(address);
    header.ifa_prefixlen = static_cast<std::uint8_t>(nft::address_bits(address.family()));
    header.ifa_flags = address.family() == nft::Family::ipv6 ? IFA_F_NODAD : 0;
    header.ifa_index = index;
    message.put(IFA_LOCAL, address).put(IFA_ADDRESS, address);
    return socket.order(message, "add address " + to_string(address));
}

/// A route to one address, whose owner is known without asking the link.
nft::Result<void> add_neighbour(RouteOrders& socket, std::uint32_t index, const Address& address,
                                const Mac& mac) {
    RouteMessage neighbour(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    auto& entry = neighbour.header<ndmsg>();
    entry.ndm_family = family_of(address);
    entry.ndm_ifindex = static_cast<int>(index);
    entry.ndm_state = NUD_PERMANENT;
    neighbour.put(NDA_DST, address).put(NDA_LLADDR, mac);
    if (auto added = socket.order(neighbour, "add neighbour " + to_string(address)); !added) {
        return added;
    }
    RouteMessage route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    auto& header = route.header<rtmsg>();
    header.rtm_family = family_of(address);
    header.rtm_dst_len = static_cast<std::uint8_t>(nft::address_bits(address.family()));
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = RT_SCOPE_LINK;
    header.rtm_type = RTN_UNICAST;
    route.put(RTA_DST, address).put_u32(RTA_OIF, index);
    return socket.order(route, "add a route to " + to_string(address));
}

using Condition = std::function<nft::Result<bool>()>;

/// Until the condition holds; it is asked for whenever the network namespace of `listener`, which
/// must have listened since before, tells of a change.
nft::Result<void> await(RouteOrders& listener, const std::string& what, const Condition& holds) {
    using Steady = std::chrono::steady_clock;
    const auto end = Steady::now() + kReadyMax;
    for (;;) {
        const auto now = holds();
        if (!now) return now.error();
        if (*now) return {};
        if (Steady::now() >= end) {
            return nft::Error{
                .code = nft::Errc::io, .os_error = ETIMEDOUT, .doing = "wait for " + what};
        }
        listener.await(kLookAgain);
    }
}

/// The kernel lets packets through some time after both ends of a cable were raised; before that it
/// throws them away.
nft::Result<void> await_operation(RouteOrders& socket, RouteOrders& listener,
                                  const std::string& name) {
    return await(listener, "the interface " + name, [&]() -> nft::Result<bool> {
        const auto link = find_link(socket, name);
        if (!link) return link.error();
        return *link && (*link)->operating;
    });
}

/// An IPv6 address receives some time after it was added (addrconf_dad_work() in
/// net/ipv6/addrconf.c), even when nobody is asked whether it is taken.
nft::Result<void> await_receiving(RouteOrders& socket, RouteOrders& listener,
                                  const Address& address) {
    return await(listener, "address " + to_string(address), [&]() -> nft::Result<bool> {
        RouteMessage message(RTM_GETROUTE, 0);
        auto& header = message.header<rtmsg>();
        header.rtm_family = family_of(address);
        header.rtm_dst_len = static_cast<std::uint8_t>(nft::address_bits(address.family()));
        message.put(RTA_DST, address);
        bool local = false;
        const auto asked = socket.ask(message, "ask for a route", [&](const RouteAnswer& answer) {
            const auto route = answer.header<rtmsg>();
            local = route && route->rtm_type == RTN_LOCAL;
        });
        if (!asked && asked.error().os_error != ENETUNREACH) return asked.error();
        return local;
    });
}

/// The pod's side: its own addresses, and where its peer's are.
nft::Result<void> set_up_pod(RouteOrders& socket, const std::vector<Address>& own,
                             const std::vector<Address>& peers, const Mac& next) {
    const auto index = index_of(socket, kPodEnd);
    if (!index) return index.error();
    if (auto done = quieten(socket, *index); !done) return done;
    if (auto done = raise(socket, *index); !done) return done;
    for (const Address& address : own) {
        if (auto done = add_address(socket, *index, address); !done) return done;
    }
    for (const Address& address : peers) {
        if (auto done = add_neighbour(socket, *index, address, next); !done) return done;
    }
    return {};
}

/// The node's side of one pod.
nft::Result<void> set_up_node(RouteOrders& node, const Connection& connection, std::size_t number,
                              const std::vector<Address>& addresses) {
    const auto index = index_of(node, kHostEnds.at(number));
    if (!index) return index.error();
    if (auto done = quieten(node, *index); !done) return done;
    if (auto done = raise(node, *index); !done) return done;
    if (connection.wiring == Wiring::bridged) return {};
    for (const Address& address : addresses) {
        const Mac mac = mac_of(false, static_cast<std::uint8_t>(number));
        if (auto done = add_neighbour(node, *index, address, mac); !done) return done;
    }
    return {};
}

/// Two for rtnetlink, then one for each flow.
std::vector<SocketSpec> socket_specs(const std::vector<Flow>& flows) {
    const SocketSpec route{AF_NETLINK, SOCK_RAW, NETLINK_ROUTE};
    std::vector<SocketSpec> specs{route, route};
    for (const Flow& flow : flows) {
        specs.push_back(
            {flow.family == nft::Family::ipv4 ? AF_INET : AF_INET6,
             (flow.protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0});
    }
    return specs;
}

nft::Result<void> serve(const Pods& pods, const PodAddresses& addresses,
                        const std::vector<Flow>& flows) {
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const SocketAddress at = address_of(addresses.second, flows[i]);
        const int socket = pods.destination(i);
        const bool stream = flows[i].protocol == Protocol::tcp;
        if (::bind(socket, at.get(), at.size()) != 0 || (stream && ::listen(socket, 1) != 0)) {
            return nft::Error{.code = nft::classify(errno),
                              .os_error = errno,
                              .doing = "listen in a pod of the self-test"};
        }
    }
    return {};
}

}  // namespace

namespace {

/// The bridge to be a port of, made where it is to be one of our own.
nft::Result<Link> bridge_for(RouteOrders& node, const Connection& connection) {
    if (connection.bridge.empty()) {
        if (auto made = make_bridge(node); !made) return made.error();
    }
    const std::string name = connection.bridge.empty() ? kBridge : connection.bridge;
    const auto found = find_link(node, name);
    if (!found) return found.error();
    if (*found) return **found;
    return nft::Error{
        .code = nft::Errc::not_found, .os_error = ENODEV, .doing = "find the bridge " + name};
}

/// Both ends of one pod's cable, until packets pass.
nft::Result<void> connect_pod(RouteOrders& node, ThrowawayNetns& pod, const Connection& connection,
                              const Cable& cable, const PodAddresses& addresses) {
    const bool first = cable.number == 0;
    const auto& own = first ? addresses.first : addresses.second;
    const auto& peers = first ? addresses.second : addresses.first;
    const auto number = static_cast<std::uint8_t>(cable.number);
    const Mac next =
        cable.bridge ? mac_of(false, static_cast<std::uint8_t>(1 - number)) : mac_of(true, number);
    auto node_listener = RouteOrders::open();
    if (!node_listener) return node_listener.error();
    RouteOrders inside(pod.sockets[0].release());
    RouteOrders pod_listener(pod.sockets[1].release());
    auto done = node_listener->subscribe(RTNLGRP_LINK);
    if (done) done = pod_listener.subscribe(RTNLGRP_LINK);
    if (done) done = pod_listener.subscribe(RTNLGRP_IPV6_IFADDR);
    if (done) done = make_cable(node, cable);
    if (done) done = set_up_pod(inside, own, peers, next);
    if (done) done = set_up_node(node, connection, cable.number, own);
    if (done) done = await_operation(inside, pod_listener, kPodEnd);
    if (done) done = await_operation(node, *node_listener, kHostEnds.at(cable.number));
    for (const Address& address : own) {
        if (done) done = await_receiving(inside, pod_listener, address);
    }
    return done;
}

}  // namespace

nft::Result<Pods> Pods::connect(const Connection& connection, const PodAddresses& addresses,
                                const std::vector<Flow>& flows) {
    const auto specs = socket_specs(flows);
    auto first = ThrowawayNetns::make(specs);
    if (!first) return first.error();
    auto second = ThrowawayNetns::make(specs);
    if (!second) return second.error();
    auto node = RouteOrders::open();
    if (!node) return node.error();
    Pods pods(*std::move(first), *std::move(second), *std::move(node));
    pods.connected_ = true;  // From here on there is something to take away.
    std::optional<Link> bridge;
    if (connection.wiring == Wiring::bridged) {
        const auto found = bridge_for(pods.node_, connection);
        if (!found) return found.error();
        bridge = *found;
    }
    for (const std::size_t number : {0U, 1U}) {
        ThrowawayNetns& pod = number == 0 ? pods.first_ : pods.second_;
        const Cable cable{.number = number, .pod = &pod, .bridge = bridge};
        auto done = connect_pod(pods.node_, pod, connection, cable, addresses);
        if (!done) return done.error();
    }
    if (auto listening = serve(pods, addresses, flows); !listening) return listening.error();
    return pods;
}

Pods::~Pods() {
    if (!connected_ || !first_.ns) return;  // Moved from.
    for (const char* name : kHostEnds) static_cast<void>(remove_link(node_, name));
    static_cast<void>(remove_link(node_, kBridge));
}

nft::Result<void> Pods::clear_leftovers() {
    auto node = RouteOrders::open();
    if (!node) return node.error();
    for (const char* name : {kHostEnds[0], kHostEnds[1], kBridge}) {
        if (auto removed = remove_link(*node, name); !removed) return removed;
    }
    return {};
}

}  // namespace podfence::self_test
