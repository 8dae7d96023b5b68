#include <algorithm>
#include <cstring>

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "controller/rtnetlink.hpp"

namespace podfence {

namespace {

using nft::wire::Attrs;
using nft::wire::Bytes;
using nft::wire::Message;
using nft::wire::read_object;

/// The fixed part of a message, and the attributes behind it; nullopt when it is too short.
template <class Head>
std::optional<Head> head_of(const Message& message, Bytes& attributes) {
    if (message.body.size() < sizeof(Head)) return std::nullopt;
    attributes =
        message.body.subspan(std::min(nft::wire::aligned(sizeof(Head)), message.body.size()));
    return read_object<Head>(message.body);
}

/// nullopt where the size is another.
template <class T>
std::optional<T> value_of(Bytes bytes) {
    if (bytes.size() != sizeof(T)) return std::nullopt;
    return read_object<T>(bytes);
}

std::optional<Address> address_of(int family, Bytes bytes) {
    if (family == AF_INET && bytes.size() == 4) {
        return Address::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                           std::uint32_t{bytes[2]} << 8 | bytes[3]);
    }
    if (family == AF_INET6 && bytes.size() == 16) {
        std::array<std::uint8_t, 16> address{};
        std::ranges::copy(bytes, address.begin());
        return Address::v6(address);
    }
    return std::nullopt;
}

std::optional<LinkEvent> parse_link(const Message& message) {
    Bytes attributes;
    const auto head = head_of<ifinfomsg>(message, attributes);
    // A bridge tells of its ports by the same messages; RTM_DELLINK is of the port, not the link.
    if (!head || head->ifi_family == AF_BRIDGE || head->ifi_index <= 0) return std::nullopt;
    const Attrs<IFLA_LINK_NETNSID> attrs(attributes);
    const Attrs<IFLA_INFO_KIND> info(attrs.bytes(IFLA_LINKINFO));
    return LinkEvent{
        .fact = Link{.index = static_cast<LinkIndex>(head->ifi_index),
                     .name = attrs.string(IFLA_IFNAME),
                     .kind = info.string(IFLA_INFO_KIND),
                     .hardware = head->ifi_type,
                     .up = (head->ifi_flags & IFF_UP) != 0,
                     .carrier = (head->ifi_flags & IFF_LOWER_UP) != 0,
                     .master = value_of<std::uint32_t>(attrs.bytes(IFLA_MASTER)).value_or(0),
                     .peer = value_of<std::uint32_t>(attrs.bytes(IFLA_LINK)).value_or(0),
                     .peer_netns = value_of<std::int32_t>(attrs.bytes(IFLA_LINK_NETNSID))},
        .gone = message.header.nlmsg_type == RTM_DELLINK};
}

std::optional<LinkEvent> parse_route(const Message& message) {
    Bytes attributes;
    const auto head = head_of<rtmsg>(message, attributes);
    if (!head || (head->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
    const Attrs<RTA_TTL_PROPAGATE> attrs(attributes);
    const auto address = address_of(head->rtm_family, attrs.bytes(RTA_DST));
    const auto link = value_of<std::uint32_t>(attrs.bytes(RTA_OIF));
    const bool gone = message.header.nlmsg_type == RTM_DELROUTE;
    if (head->rtm_type == RTN_LOCAL && address && head->rtm_dst_len == 8 * address->size() &&
        link) {
        return LinkEvent{.fact = OwnAddress{.link = *link, .address = *address}, .gone = gone};
    }
    if (head->rtm_type != RTN_UNICAST || !address || head->rtm_dst_len != 8 * address->size() ||
        attrs.has(RTA_GATEWAY) || attrs.has(RTA_VIA) || attrs.has(RTA_ENCAP) || (!link && !gone)) {
        return std::nullopt;
    }
    return LinkEvent{
        .fact =
            HostRoute{
                .address = *address,
                .table = value_of<std::uint32_t>(attrs.bytes(RTA_TABLE)).value_or(head->rtm_table),
                .metric = value_of<std::uint32_t>(attrs.bytes(RTA_PRIORITY)).value_or(0),
                .link = link.value_or(0)},
        .gone = gone};
}

std::optional<LinkEvent> parse_neighbour(const Message& message) {
    Bytes attributes;
    const auto head = head_of<ndmsg>(message, attributes);
    if (!head || head->ndm_ifindex <= 0) return std::nullopt;
    const auto link = static_cast<LinkIndex>(head->ndm_ifindex);
    const Attrs<NDA_MASTER> attrs(attributes);
    const auto mac = value_of<MacAddress>(attrs.bytes(NDA_LLADDR));
    const bool deleted = message.header.nlmsg_type == RTM_DELNEIGH;
    if (head->ndm_family == AF_BRIDGE) {
        // NUD_PERMANENT: the port's own. NTF_SELF alone: not the bridge's but the device's list.
        if (!mac || !attrs.has(NDA_MASTER) || (head->ndm_state & NUD_PERMANENT) != 0) {
            return std::nullopt;
        }
        return LinkEvent{.fact = Forwarding{.port = link, .mac = *mac}, .gone = deleted};
    }
    const auto address = address_of(head->ndm_family, attrs.bytes(NDA_DST));
    if (!address) return std::nullopt;
    constexpr std::uint16_t kUnknown = NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP;
    const bool gone = deleted || !mac || (head->ndm_state & kUnknown) != 0;
    return LinkEvent{
        .fact = Neighbour{.link = link, .address = *address, .mac = mac.value_or(MacAddress{})},
        .gone = gone};
}

}  // namespace

std::optional<LinkEvent> parse_link_event(const Message& message) {
    switch (message.header.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return parse_link(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return parse_route(message);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return parse_neighbour(message);
        default:
            return std::nullopt;
    }
}

std::optional<Address> parse_address_of(const Message& message, LinkIndex link) {
    Bytes attributes;
    const auto head = head_of<ifaddrmsg>(message, attributes);
    if (message.header.nlmsg_type != RTM_NEWADDR || !head || head->ifa_index != link) {
        return std::nullopt;
    }
    const Attrs<IFA_LOCAL> attrs(attributes);
    return address_of(head->ifa_family,
                      attrs.bytes(attrs.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS));
}

}  // namespace podfence
