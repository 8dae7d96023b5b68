#include "nft/netlink_socket.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace podfence::nft {

namespace {

/// The kernel fills dumps into 32 KiB, and answers and notifications are shorter but for one: a
/// notification carries a set's elements in up to 64 KiB.
constexpr std::size_t kReceiveBytesMax = std::size_t{128} * 1024;
/// The kernel answers before sendmsg returns; only notifications are waited for.
constexpr int kAnswerTimeoutMs = 1000;
/// netlink_sendmsg() refuses what is longer than sk_sndbuf less this.
constexpr std::size_t kSendBufferOverhead = 32;

Error failure(const char* doing, int os_error) {
    // ENOENT of a socket call means nothing to a caller who thinks of rules.
    const Errc code =
        os_error == EPROTONOSUPPORT || os_error == EAFNOSUPPORT ? Errc::not_supported : Errc::io;
    return {.code = code, .os_error = os_error, .doing = doing};
}

/// With CAP_NET_ADMIN of the initial user namespace any size, else up to net.core.*mem_max.
void set_buffer(int fd, int force, int option, int bytes) {
    if (::setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0) {
        ::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
    }
}

}  // namespace

Result<NetlinkSocket> NetlinkSocket::open() {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) {
        return failure("open a netlink socket", errno);
    }
    return adopt(fd);
}

Result<NetlinkSocket> NetlinkSocket::adopt(int fd) {
    NetlinkSocket socket(fd);
    const sockaddr_nl any{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
        return failure("bind a netlink socket", errno);
    }
    sockaddr_nl own{};
    socklen_t length = sizeof own;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &length) != 0) {
        return failure("name a netlink socket", errno);
    }
    socket.port_ = own.nl_pid;
    return socket;
}

NetlinkSocket::NetlinkSocket(int fd)
    : fd_(fd), received_(std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveBytesMax)) {
    // An answer need not carry the message it answers: the receive buffer holds more of them.
    const int on = 1;
    ::setsockopt(fd_, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    const timeval timeout{.tv_sec = kAnswerTimeoutMs / 1000, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    size_buffers();
}

NetlinkSocket::NetlinkSocket(NetlinkSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      port_(other.port_),
      datagram_bytes_max_(other.datagram_bytes_max_),
      sequence_(other.sequence_),
      received_(std::move(other.received_)) {}

NetlinkSocket::~NetlinkSocket() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void NetlinkSocket::size_buffers() {
    set_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, kSendBufferBytes);
    set_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBufferBytes);
    int bytes = 0;
    socklen_t length = sizeof bytes;
    if (::getsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, &length) == 0 && bytes > 0) {
        datagram_bytes_max_ = static_cast<std::size_t>(bytes) - kSendBufferOverhead;
    }
}

/// All messages of a notification are of one commit and carry the port it came from.
void NetlinkSocket::ignore_notices_of(std::uint32_t port) {
    std::array<sock_filter, 4> program{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
        // Loaded as if it were in network byte order.
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
        sock_filter BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const sock_fprog filter{.len = program.size(), .filter = program.data()};
    ::setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

Result<void> NetlinkSocket::subscribe() {
    const int group = NFNLGRP_NFTABLES;
    if (::setsockopt(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
        return failure("subscribe to nf_tables", errno);
    }
    return {};
}

std::uint32_t NetlinkSocket::take_sequence(std::uint32_t count) {
    if (UINT32_MAX - sequence_ <= count) {
        sequence_ = 0;
    }
    const std::uint32_t first = sequence_ + 1;
    sequence_ += count;
    return first;
}

Result<void> NetlinkSocket::send(wire::Bytes datagram) {
    if (::send(fd_, datagram.data(), datagram.size(), 0) >= 0) {
        return {};
    }
    Error error = failure("send to nf_tables", errno);
    if (errno == EMSGSIZE) {
        error.code = Errc::too_big;
    } else if (errno == ENOBUFS || errno == ENOMEM) {
        error.code = Errc::no_memory;  // No memory for the datagram itself.
    }
    return error;
}

Result<std::optional<wire::Bytes>> NetlinkSocket::receive(Wait wait) {
    for (;;) {
        sockaddr_nl sender{};
        socklen_t length = sizeof sender;
        const int flags = MSG_TRUNC | (wait == Wait::no ? MSG_DONTWAIT : 0);
        const ssize_t size = ::recvfrom(fd_, received_.get(), kReceiveBytesMax, flags,
                                        reinterpret_cast<sockaddr*>(&sender), &length);
        if (size < 0) {
            const int os_error = errno;
            if (os_error == EINTR) {
                continue;
            }
            if (os_error == EAGAIN || os_error == EWOULDBLOCK) {
                return std::optional<wire::Bytes>();
            }
            Error error = failure("receive from nf_tables", os_error);
            if (os_error == ENOBUFS) {
                error.code = Errc::overrun;
            }
            return error;
        }
        if (sender.nl_pid != 0) {
            continue;  // Not from the kernel.
        }
        if (static_cast<std::size_t>(size) > kReceiveBytesMax) {
            return Error{.code = Errc::malformed, .doing = "receive from nf_tables"};
        }
        return std::optional(wire::Bytes(received_.get(), static_cast<std::size_t>(size)));
    }
}

}  // namespace podfence::nft
