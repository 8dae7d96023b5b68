#include "test/support/conntrack_entries.hpp"

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

namespace podfence::test {

namespace {

constexpr std::size_t kEntryBytesMax = 512;
constexpr std::size_t kEntriesAtOnce = 128;
constexpr std::uint32_t kTimeoutS = 3600;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolIcmpv6 = 58;

void put_tuple(nlmsghdr* message, std::uint16_t type, const nft::Tuple& tuple) {
    const bool ipv4 = tuple.source.family() == nft::Family::ipv4;
    nlattr* const nest = mnl_attr_nest_start(message, type);
    nlattr* const addresses = mnl_attr_nest_start(message, CTA_TUPLE_IP);
    mnl_attr_put(message, ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple.source.size(),
                 tuple.source.bytes().data());
    mnl_attr_put(message, ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple.destination.size(),
                 tuple.destination.bytes().data());
    mnl_attr_nest_end(message, addresses);
    nlattr* const protocol = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(message, CTA_PROTO_NUM, tuple.protocol);
    if (tuple.protocol == kProtocolIcmp || tuple.protocol == kProtocolIcmpv6) {
        const bool v4 = tuple.protocol == kProtocolIcmp;
        mnl_attr_put_u16(message, v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID,
                         htons(tuple.source_port));
        mnl_attr_put_u8(message, v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE,
                        static_cast<std::uint8_t>(tuple.destination_port >> 8U));
        mnl_attr_put_u8(message, v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE,
                        static_cast<std::uint8_t>(tuple.destination_port));
    } else {
        mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple.source_port));
        mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple.destination_port));
    }
    mnl_attr_nest_end(message, protocol);
    mnl_attr_nest_end(message, nest);
}

std::size_t put_entry(char* at, const nft::Connection& connection) {
    nlmsghdr* const message = mnl_nlmsg_put_header(at);
    message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
    auto* const extra =
        static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    extra->nfgen_family =
        connection.original.source.family() == nft::Family::ipv4 ? AF_INET : AF_INET6;
    put_tuple(message, CTA_TUPLE_ORIG, connection.original);
    put_tuple(message, CTA_TUPLE_REPLY, connection.reply);
    if (connection.zone != 0) mnl_attr_put_u16(message, CTA_ZONE, htons(connection.zone));
    mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(kTimeoutS));
    mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
    if (connection.mark != 0) mnl_attr_put_u32(message, CTA_MARK, htonl(connection.mark));
    if (connection.original.protocol == kProtocolTcp) {
        nlattr* const info = mnl_attr_nest_start(message, CTA_PROTOINFO);
        nlattr* const tcp = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);
        mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
        mnl_attr_nest_end(message, tcp);
        mnl_attr_nest_end(message, info);
    }
    return MNL_ALIGN(message->nlmsg_len);
}

[[noreturn]] void fail(const std::string& what, int os_error) {
    throw std::runtime_error(what + ": " + std::strerror(os_error));
}

}  // namespace

void add_connections(std::span<const nft::Connection> connections) {
    const std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)> socket(
        mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC), mnl_socket_close);
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
        fail("a netlink socket", errno);
    }
    std::vector<char> buffer(kEntryBytesMax * kEntriesAtOnce);
    while (!connections.empty()) {
        const auto now = connections.first(std::min(connections.size(), kEntriesAtOnce));
        connections = connections.subspan(now.size());
        std::size_t size = 0;
        for (const auto& connection : now) size += put_entry(buffer.data() + size, connection);
        if (mnl_socket_sendto(socket.get(), buffer.data(), size) < 0) fail("send entries", errno);
        // Only refusals are answered, before the send is over.
        nlmsgerr error{};
        const auto got =
            ::recv(mnl_socket_get_fd(socket.get()), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got <= 0) continue;
        std::memcpy(&error, buffer.data() + sizeof(nlmsghdr), sizeof error);
        fail("a connection's entry", -error.error);
    }
}

}  // namespace podfence::test
