#include "nft/conntrack_wire.hpp"

#include <algorithm>
#include <array>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

namespace podfence::nft::wire {

namespace {

/// CTA_FILTER_F_CTA_IP_SRC (net/netfilter/nf_internals.h): the tuple's source must be equal.
constexpr std::uint32_t kFilterSource = 1;

constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolIcmpv6 = 58;

constexpr std::uint16_t type_of(unsigned message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

std::uint8_t family_of(const Address& address) {
    return address.family() == Family::ipv4 ? AF_INET : AF_INET6;
}

void put_address(nlmsghdr* message, const Address& address, bool source) {
    const bool ipv4 = address.family() == Family::ipv4;
    const auto type =
        ipv4 ? (source ? CTA_IP_V4_SRC : CTA_IP_V4_DST) : (source ? CTA_IP_V6_SRC : CTA_IP_V6_DST);
    mnl_attr_put(message, type, address.size(), address.bytes().data());
}

void put_protocol(nlmsghdr* message, const Tuple& tuple) {
    nlattr* const nest = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(message, CTA_PROTO_NUM, tuple.protocol);
    const auto icmp = [&](std::uint16_t id, std::uint16_t type, std::uint16_t code) {
        mnl_attr_put_u16(message, id, htons(tuple.source_port));
        mnl_attr_put_u8(message, type, static_cast<std::uint8_t>(tuple.destination_port >> 8U));
        mnl_attr_put_u8(message, code, static_cast<std::uint8_t>(tuple.destination_port));
    };
    if (tuple.protocol == kProtocolIcmp) {
        icmp(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE);
    } else if (tuple.protocol == kProtocolIcmpv6) {
        icmp(CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE);
    } else {
        mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple.source_port));
        mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple.destination_port));
    }
    mnl_attr_nest_end(message, nest);
}

void put_tuple(nlmsghdr* message, const Tuple& tuple) {
    nlattr* const nest = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
    nlattr* const addresses = mnl_attr_nest_start(message, CTA_TUPLE_IP);
    put_address(message, tuple.source, true);
    put_address(message, tuple.destination, false);
    mnl_attr_nest_end(message, addresses);
    put_protocol(message, tuple);
    if (tuple.zone != 0) mnl_attr_put_u16(message, CTA_TUPLE_ZONE, htons(tuple.zone));
    mnl_attr_nest_end(message, nest);
}

nlmsghdr* begin(WireBuffer& out, unsigned type, std::uint16_t flags, std::uint8_t family,
                std::uint32_t sequence) {
    return out.begin(type_of(type), flags, family, sequence);
}

std::optional<Address> address_from(const Attrs<CTA_IP_MAX>& attrs, unsigned v4, unsigned v6) {
    if (const auto number = attrs.u32(v4)) return Address::v4(*number);
    const Bytes bytes = attrs.bytes(v6);
    std::array<std::uint8_t, 16> value{};
    if (bytes.size() != value.size()) return std::nullopt;
    std::ranges::copy(bytes, value.begin());
    return Address::v6(value);
}

std::uint16_t port_of(const Attrs<CTA_PROTO_MAX>& attrs, unsigned type) {
    return attrs.u16(type).value_or(0);
}

std::uint16_t byte_of(const Attrs<CTA_PROTO_MAX>& attrs, unsigned type) {
    const Bytes bytes = attrs.bytes(type);
    return bytes.size() == 1 ? bytes.front() : 0;
}

std::optional<Tuple> decode_tuple(Bytes nest) {
    const Attrs<CTA_TUPLE_MAX> attrs(nest);
    const Attrs<CTA_IP_MAX> addresses(attrs.bytes(CTA_TUPLE_IP));
    const Attrs<CTA_PROTO_MAX> protocol(attrs.bytes(CTA_TUPLE_PROTO));
    const auto source = address_from(addresses, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
    const auto destination = address_from(addresses, CTA_IP_V4_DST, CTA_IP_V6_DST);
    const Bytes number = protocol.bytes(CTA_PROTO_NUM);
    if (!source || !destination || number.size() != 1) return std::nullopt;
    Tuple tuple{.source = *source, .destination = *destination, .protocol = number.front()};
    const auto icmp = [&](unsigned id, unsigned type, unsigned code) {
        tuple.source_port = port_of(protocol, id);
        tuple.destination_port =
            static_cast<std::uint16_t>(byte_of(protocol, type) << 8U | byte_of(protocol, code));
    };
    if (tuple.protocol == kProtocolIcmp) {
        icmp(CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE);
    } else if (tuple.protocol == kProtocolIcmpv6) {
        icmp(CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE);
    } else {
        tuple.source_port = port_of(protocol, CTA_PROTO_SRC_PORT);
        tuple.destination_port = port_of(protocol, CTA_PROTO_DST_PORT);
    }
    tuple.zone = attrs.u16(CTA_TUPLE_ZONE).value_or(0);
    return tuple;
}

}  // namespace

void put_list_request(const ConnectionFilter& filter, std::uint32_t sequence, WireBuffer& out) {
    const auto& address = filter.source ? filter.source : filter.answerer;
    nlmsghdr* const message = begin(out, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
                                    address ? family_of(*address) : AF_UNSPEC, sequence);
    // Of IPv6 the kernel compares addresses the wrong way round (ctnetlink_filter_match_tuple() up
    // to 6.18 at least): it tells of all IPv6 connections instead.
    if (address && address->family() == Family::ipv4) {
        nlattr* const tuple =
            mnl_attr_nest_start(message, filter.source ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY);
        nlattr* const addresses = mnl_attr_nest_start(message, CTA_TUPLE_IP);
        put_address(message, *address, true);
        mnl_attr_nest_end(message, addresses);
        mnl_attr_nest_end(message, tuple);
        nlattr* const flags = mnl_attr_nest_start(message, CTA_FILTER);
        mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, filter.source ? kFilterSource : 0);
        mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, filter.source ? 0 : kFilterSource);
        mnl_attr_nest_end(message, flags);
    }
    if (filter.mark_mask != 0) {
        mnl_attr_put_u32(message, CTA_MARK, htonl(filter.mark));
        mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(filter.mark_mask));
    }
    out.end();
}

void put_count_request(std::uint32_t sequence, WireBuffer& out) {
    begin(out, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC, sequence);
    out.end();
}

std::optional<std::uint32_t> decode_count(const Message& message) {
    if (message.subsystem() != NFNL_SUBSYS_CTNETLINK || message.type() != IPCTNL_MSG_CT_GET_STATS) {
        return std::nullopt;
    }
    return Attrs<CTA_STATS_GLOBAL_MAX>(attributes_of(message)).u32(CTA_STATS_GLOBAL_ENTRIES);
}

void put_find_request(const Tuple& original, std::uint16_t zone, std::uint32_t sequence,
                      WireBuffer& out) {
    // One answer claims to be a part of many; only the ack ends it.
    nlmsghdr* const message =
        begin(out, IPCTNL_MSG_CT_GET, NLM_F_ACK, family_of(original.source), sequence);
    put_tuple(message, original);
    if (zone != 0) mnl_attr_put_u16(message, CTA_ZONE, htons(zone));
    out.end();
}

void put_mark(const Connection& connection, std::uint32_t mask, std::uint32_t mark,
              std::uint32_t sequence, WireBuffer& out) {
    // Without NLM_F_CREATE: what is gone stays gone.
    nlmsghdr* const message =
        begin(out, IPCTNL_MSG_CT_NEW, 0, family_of(connection.original.source), sequence);
    put_tuple(message, connection.original);
    if (connection.zone != 0) mnl_attr_put_u16(message, CTA_ZONE, htons(connection.zone));
    mnl_attr_put_u32(message, CTA_MARK, htonl(mark));
    mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mask));
    out.end();
}

std::optional<Connection> decode_connection(const Message& message) {
    if (message.subsystem() != NFNL_SUBSYS_CTNETLINK || message.type() != IPCTNL_MSG_CT_NEW) {
        return std::nullopt;
    }
    const Attrs<CTA_MAX> attrs(attributes_of(message));
    const auto original = decode_tuple(attrs.bytes(CTA_TUPLE_ORIG));
    const auto reply = decode_tuple(attrs.bytes(CTA_TUPLE_REPLY));
    if (!original || !reply) return std::nullopt;
    Connection connection{.original = *original, .reply = *reply};
    connection.mark = attrs.u32(CTA_MARK).value_or(0);
    connection.zone = attrs.u16(CTA_ZONE).value_or(0);
    if (attrs.has(CTA_TUPLE_MASTER)) {
        connection.announced_by = decode_tuple(attrs.bytes(CTA_TUPLE_MASTER));
    }
    return connection;
}

}  // namespace podfence::nft::wire
