#include "test/support/lab_socket.hpp"

#include <cerrno>
#include <cstring>

// netinet before linux, whose headers else define the same types again.
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
// The one thing of <linux/icmp.h> that glibc lacks; both cannot be included.
#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

#include "test/support/lab_packets.hpp"

namespace podfence::lab {
namespace {

constexpr int kBufferBytes = 16 << 20;
constexpr int kBacklog = 4096;

template <class T>
void set_option(int fd, int level, int name, const T& value) {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0) fail_errno("setsockopt");
}

UniqueFd open_socket(int domain, int type, int protocol) {
    UniqueFd fd(::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (!fd) fail_errno("socket");
    return fd;
}

Address address_of(const in_addr& raw) {
    return Address::v4(ntohl(raw.s_addr));
}

Address address_of(const in6_addr& raw) {
    if (IN6_IS_ADDR_V4MAPPED(&raw)) {
        in_addr v4{};
        std::memcpy(&v4, raw.s6_addr + 12, 4);
        return address_of(v4);
    }
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), raw.s6_addr, bytes.size());
    return Address::v6(bytes);
}

in_addr raw4(const Address& address) {
    in_addr raw{};
    std::memcpy(&raw, address.bytes().data(), 4);
    return raw;
}

in6_addr raw6(const Address& address) {
    in6_addr raw{};
    if (address.family() == Family::ipv6) {
        std::memcpy(&raw, address.bytes().data(), 16);
    } else {
        raw.s6_addr[10] = raw.s6_addr[11] = 0xff;
        std::memcpy(raw.s6_addr + 12, address.bytes().data(), 4);
    }
    return raw;
}

int protocol_number(Dialect dialect, Family family) {
    if (dialect == Dialect::sctp) return IPPROTO_SCTP;
    if (dialect == Dialect::udp) return IPPROTO_UDP;
    return family == Family::ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
}

/// Else a raw ICMP socket gets a copy of every ICMP message of the namespace.
void only_echo_replies(int fd, Family family) {
    if (family == Family::ipv4) {
        const std::uint32_t blocked = ~(1U << ICMP_ECHOREPLY);
        set_option(fd, SOL_RAW, ICMP_FILTER, blocked);
    } else {
        icmp6_filter filter{};
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        set_option(fd, IPPROTO_ICMPV6, ICMP6_FILTER, filter);
    }
}

/// The local address that a control message names, if any.
void read_local(msghdr& message, Address& local) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(c), sizeof info);
            local = address_of(info.ipi6_addr);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(c), sizeof info);
            local = address_of(info.ipi_addr);
        }
    }
}

template <class Info>
void write_control(msghdr& message, int level, int type, const Info& info) {
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(c), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
}

}  // namespace

SocketAddress socket_address(const Address& address, std::uint16_t port, bool mapped) {
    SocketAddress result;
    if (address.family() == Family::ipv4 && !mapped) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port);
        a.sin_addr = raw4(address);
        result.length = sizeof a;
        std::memcpy(&result.storage, &a, sizeof a);
    } else {
        sockaddr_in6 a{};
        a.sin6_family = AF_INET6;
        a.sin6_port = htons(port);
        a.sin6_addr = raw6(address);
        result.length = sizeof a;
        std::memcpy(&result.storage, &a, sizeof a);
    }
    return result;
}

DatagramSocket::DatagramSocket(Dialect dialect, Family family, std::uint16_t port)
    : dialect_(dialect),
      family_(family),
      fd_(open_socket(family == Family::ipv4 ? AF_INET : AF_INET6,
                      dialect == Dialect::udp ? SOCK_DGRAM : SOCK_RAW,
                      protocol_number(dialect, family))) {
    set_option(fd(), SOL_SOCKET, SO_RCVBUFFORCE, kBufferBytes);
    set_option(fd(), SOL_SOCKET, SO_SNDBUFFORCE, kBufferBytes);
    if (dialect == Dialect::icmp) only_echo_replies(fd(), family);
    if (family == Family::ipv4) {
        set_option(fd(), IPPROTO_IP, IP_PKTINFO, 1);
    } else {
        set_option(fd(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    if (port == 0) {
        if (dialect == Dialect::udp && family == Family::ipv4)
            set_option(fd(), IPPROTO_IP, IP_RECVERR, 1);
        if (dialect == Dialect::udp && family == Family::ipv6)
            set_option(fd(), IPPROTO_IPV6, IPV6_RECVERR, 1);
        return;
    }
    set_option(fd(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    const auto any = socket_address(Address::v6({}), port);
    if (::bind(fd(), any.get(), any.length) != 0) fail_errno("bind to UDP port");
}

bool DatagramSocket::receive(Received& into) {
    iovec data{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    alignas(cmsghdr) std::array<char, 128> control{};
    sockaddr_storage from{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(fd(), &message, 0);
    if (n < 0) {
        // ECONNREFUSED belongs to what receive_refused tells.
        if (errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED) return false;
        fail_errno("receive");
    }
    read_local(message, into.local);
    into.payload = {buffer_.data(), static_cast<std::size_t>(n)};
    if (from.ss_family == AF_INET) {
        const auto& a = reinterpret_cast<const sockaddr_in&>(from);
        into.source = address_of(a.sin_addr);
        into.source_port = ntohs(a.sin_port);
        if (dialect_ != Dialect::udp) into.payload = skip_ipv4_header(into.payload);
    } else {
        const auto& a = reinterpret_cast<const sockaddr_in6&>(from);
        into.source = address_of(a.sin6_addr);
        into.source_port = ntohs(a.sin6_port);
    }
    return true;
}

bool DatagramSocket::receive_refused(std::span<const std::uint8_t>& payload) {
    iovec data{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    alignas(cmsghdr) std::array<char, 512> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(fd(), &message, MSG_ERRQUEUE);
    if (n < 0) return false;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6) continue;
        sock_extended_err error{};
        std::memcpy(&error, CMSG_DATA(c), sizeof error);
        if (error.ee_errno != ECONNREFUSED)
            fail(std::string("a datagram came back with ") +
                 std::strerror(static_cast<int>(error.ee_errno)));
    }
    payload = {buffer_.data(), static_cast<std::size_t>(n)};
    return true;
}

void DatagramSocket::send(const Address& from, const Address& to, std::uint16_t port,
                          std::span<const std::uint8_t> payload) {
    // Raw sockets take no port; IPv6 ones even refuse any but 0 and their protocol's number.
    const auto address =
        socket_address(to, dialect_ == Dialect::udp ? port : 0, family_ == Family::ipv6);
    iovec data{.iov_base = const_cast<std::uint8_t*>(payload.data()), .iov_len = payload.size()};
    alignas(cmsghdr) std::array<char, 128> control{};
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(address.get());
    message.msg_namelen = address.length;
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (family_ == Family::ipv4) {
        in_pktinfo info{};
        info.ipi_spec_dst = raw4(from);
        write_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        in6_pktinfo info{};
        info.ipi6_addr = raw6(from);
        write_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
    // The first call after an ICMP error reports that error instead of sending.
    if (::sendmsg(fd(), &message, 0) < 0 &&
        (errno != ECONNREFUSED || ::sendmsg(fd(), &message, 0) < 0))
        fail_errno("send from " + to_string(from) + " to " + to_string(to));
}

namespace {

UniqueFd listen(UniqueFd fd, const Address& address, std::uint16_t port) {
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    const auto local = socket_address(address, port);
    if (::bind(fd.get(), local.get(), local.length) != 0 || ::listen(fd.get(), kBacklog) != 0)
        fail_errno("listen on " + to_string(address) + " port " + std::to_string(port));
    return fd;
}

}  // namespace

UniqueFd listen_on(std::uint16_t port) {
    UniqueFd fd = open_socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    return listen(std::move(fd), Address::v6({}), port);
}

UniqueFd listen_on_sctp(const Address& address, std::uint16_t port) {
    const bool v4 = address.family() == Family::ipv4;
    return listen(open_socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM, IPPROTO_SCTP), address, port);
}

UniqueFd start_connect(int protocol, const Address& from, const Address& to, std::uint16_t port) {
    UniqueFd fd =
        open_socket(to.family() == Family::ipv4 ? AF_INET : AF_INET6, SOCK_STREAM, protocol);
    set_option(fd.get(), SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
    if (protocol == IPPROTO_TCP) set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    // An SCTP server tells of its addresses of all families that the client knows, and those are
    // tried at once, by packets that are judged like any others.
    if (protocol == IPPROTO_SCTP && to.family() == Family::ipv6)
        set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    const auto local = socket_address(from, 0);
    const auto remote = socket_address(to, port);
    if (::bind(fd.get(), local.get(), local.length) != 0) fail_errno("bind to " + to_string(from));
    if (::connect(fd.get(), remote.get(), remote.length) != 0 && errno != EINPROGRESS)
        fail_errno("connect from " + to_string(from) + " to " + to_string(to));
    return fd;
}

int connect_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) fail_errno("getsockopt");
    return error;
}

bool kernel_has_sctp() {
    return static_cast<bool>(
        UniqueFd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP)));
}

}  // namespace podfence::lab
