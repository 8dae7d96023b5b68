// Interfaces, and what is attached to them, by rtnetlink and bpf(2).
#include <algorithm>
#include <array>
#include <set>

#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/doctor/gather.hpp"
#include "controller/route_orders.hpp"

namespace podfence::doctor {

namespace {

/// Routes are asked for one by one.
constexpr std::size_t kPodsMax = 1000;

void read_link_info(Interface& link, const RouteAttribute& info) {
    info.each([&](const RouteAttribute& part) {
        if (part.type == IFLA_INFO_KIND) link.kind = part.text();
        if (part.type != IFLA_INFO_DATA) return;
        part.each([&](const RouteAttribute& setting) {
            const bool on = setting.u8().value_or(0) != 0;
            if (setting.type == IFLA_BR_STP_STATE) {
                link.spanning_tree = setting.u32().value_or(0) != 0;
            }
            if (setting.type == IFLA_BR_NF_CALL_IPTABLES) link.calls_iptables = on;
            if (setting.type == IFLA_BR_NF_CALL_IP6TABLES) link.calls_ip6tables = on;
        });
    });
}

Interface read_link(const RouteAnswer& answer, const ifinfomsg& header) {
    Interface link{.index = static_cast<std::uint32_t>(header.ifi_index),
                   .up = (header.ifi_flags & unsigned{IFF_UP}) != 0};
    answer.each(sizeof header, [&](const RouteAttribute& attribute) {
        if (attribute.type == IFLA_IFNAME) link.name = attribute.text();
        if (attribute.type == IFLA_MASTER) link.bridge = attribute.u32().value_or(0);
        if (attribute.type == IFLA_LINKINFO) read_link_info(link, attribute);
        if (attribute.type != IFLA_XDP) return;
        attribute.each([&](const RouteAttribute& xdp) {
            if (xdp.type == IFLA_XDP_ATTACHED) link.xdp = xdp.u8().value_or(0) != 0;
        });
    });
    // Only a bridge has these settings; other kinds use the numbers for other things.
    if (link.kind != "bridge") {
        link.calls_iptables = link.calls_ip6tables = link.spanning_tree = false;
    }
    return link;
}

/// The interface that packets to the address leave by without another router; 0: none is known.
std::uint32_t interface_to(RouteOrders& socket, const nft::Address& address) {
    RouteMessage message(RTM_GETROUTE, 0);
    auto& header = message.header<rtmsg>();
    header.rtm_family = address.family() == nft::Family::ipv4 ? AF_INET : AF_INET6;
    header.rtm_dst_len = static_cast<std::uint8_t>(nft::address_bits(address.family()));
    message.put(RTA_DST, address);
    std::uint32_t interface = 0;
    bool routed_on = false;
    const auto asked = socket.ask(message, "ask for a pod's route", [&](const RouteAnswer& answer) {
        answer.each(sizeof(rtmsg), [&](const RouteAttribute& attribute) {
            if (attribute.type == RTA_OIF) interface = attribute.u32().value_or(0);
            if (attribute.type == RTA_GATEWAY || attribute.type == RTA_VIA) routed_on = true;
        });
    });
    return asked && !routed_on ? interface : 0;
}

void count_pods(RouteOrders& socket, const std::vector<nft::Address>& pods,
                std::vector<Interface>& links) {
    for (std::size_t i = 0; i < std::min(pods.size(), kPodsMax); ++i) {
        const std::uint32_t index = interface_to(socket, pods[i]);
        const auto link = std::ranges::find(links, index, &Interface::index);
        if (index != 0 && link != links.end()) ++link->pods;
    }
}

struct Attached {
    std::uint32_t index = 0;
    bool ingress = true;
    std::string kind{};
    std::string name{};
    friend auto operator<=>(const Attached&, const Attached&) = default;
};

/// The filters of one direction of an interface that has a qdisc for them.
void read_filters(RouteOrders& socket, std::uint32_t index, bool ingress,
                  std::set<Attached>& found) {
    RouteMessage message(RTM_GETTFILTER, NLM_F_DUMP);
    auto& header = message.header<tcmsg>();
    header.tcm_ifindex = static_cast<int>(index);
    header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
    static_cast<void>(socket.ask(message, "list filters", [&](const RouteAnswer& answer) {
        Attached one{.index = index, .ingress = ingress};
        bool real = false;  // Else it only stands for a priority.
        answer.each(sizeof(tcmsg), [&](const RouteAttribute& attribute) {
            if (attribute.type == TCA_KIND) one.kind = attribute.text();
            if (attribute.type != TCA_OPTIONS) return;
            real = true;
            attribute.each([&](const RouteAttribute& option) {
                if (option.type == TCA_BPF_NAME && one.kind == "bpf") one.name = option.text();
            });
        });
        if (real) found.insert(one);
    }));
}

/// BPF programs that are attached without a qdisc (tcx, kernel 6.6). The numbers are those of enum
/// bpf_attach_type there, which headers of older kernels lack.
void read_tcx(std::uint32_t index, bool ingress, std::set<Attached>& found) {
    constexpr std::uint32_t kTcxIngress = 46;
    constexpr std::uint32_t kTcxEgress = 47;
    bpf_attr query{};
    query.query.target_fd = index;  // There it is the interface's index.
    query.query.attach_type = ingress ? kTcxIngress : kTcxEgress;
    if (::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) != 0) return;
    if (query.query.prog_cnt > 0) found.insert({.index = index, .ingress = ingress, .kind = "tcx"});
}

}  // namespace

std::optional<std::vector<Interface>> gather_interfaces(const std::vector<nft::Address>& pods) {
    auto socket = RouteOrders::open();
    if (!socket) return std::nullopt;
    RouteMessage message(RTM_GETLINK, NLM_F_DUMP);
    message.header<ifinfomsg>();
    std::vector<Interface> links;
    const auto asked = socket->ask(message, "list interfaces", [&](const RouteAnswer& answer) {
        const auto header = answer.header<ifinfomsg>();
        if (answer.type == RTM_NEWLINK && header) links.push_back(read_link(answer, *header));
    });
    if (!asked) return std::nullopt;
    // Ports of other things than bridges (bonds, VRFs) are no ports to us.
    std::set<std::uint32_t> bridges;
    for (const Interface& link : links) {
        if (link.kind == "bridge") bridges.insert(link.index);
    }
    for (Interface& link : links) {
        if (!bridges.contains(link.bridge)) link.bridge = 0;
    }
    count_pods(*socket, pods, links);
    return links;
}

std::optional<std::vector<TcHook>> gather_tc(const std::vector<Interface>& interfaces) {
    auto socket = RouteOrders::open();
    if (!socket) return std::nullopt;
    std::set<std::uint32_t> with_hooks;
    RouteMessage message(RTM_GETQDISC, NLM_F_DUMP);
    message.header<tcmsg>();
    const auto asked = socket->ask(message, "list qdiscs", [&](const RouteAnswer& answer) {
        const auto header = answer.header<tcmsg>();
        answer.each(sizeof(tcmsg), [&](const RouteAttribute& attribute) {
            const bool hooks = attribute.type == TCA_KIND &&
                               (attribute.text() == "clsact" || attribute.text() == "ingress");
            if (header && hooks) with_hooks.insert(static_cast<std::uint32_t>(header->tcm_ifindex));
        });
    });
    if (!asked) return std::nullopt;
    std::set<Attached> found;
    for (const Interface& one : interfaces) {
        for (const bool ingress : {true, false}) {
            if (with_hooks.contains(one.index)) read_filters(*socket, one.index, ingress, found);
            read_tcx(one.index, ingress, found);
        }
    }
    std::vector<TcHook> hooks;
    for (const Attached& one : found) {
        const auto link = std::ranges::find(interfaces, one.index, &Interface::index);
        hooks.push_back(
            {.interface = link->name, .ingress = one.ingress, .kind = one.kind, .name = one.name});
    }
    return hooks;
}

}  // namespace podfence::doctor
