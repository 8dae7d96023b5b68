#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "nft/error.hpp"
#include "nft/wire_attr.hpp"

namespace podfence::nft {

/// A NETLINK_NETFILTER socket: bytes out, datagrams in. Of the network namespace that the calling
/// thread was in at open().
class NetlinkSocket {
  public:
    /// Asked of SO_SNDBUFFORCE; the kernel doubles it. A batch is one datagram, and 100k elements
    /// with comments are below 16 MiB.
    static constexpr int kSendBufferBytes = 64 * 1024 * 1024;
    /// Asked of SO_RCVBUFFORCE: every refused operation of a batch is an answer of its own, some
    /// 800 bytes of kernel memory each, and all come before we read the first.
    static constexpr int kReceiveBufferBytes = 16 * 1024 * 1024;

    enum class Wait : std::uint8_t { no, yes };

    /// Errors: not_supported, io.
    static Result<NetlinkSocket> open();
    /// Takes over a NETLINK_NETFILTER socket that was opened in whatever network namespace and is
    /// not bound yet. Errors: io.
    static Result<NetlinkSocket> adopt(int fd);
    NetlinkSocket(NetlinkSocket&& other) noexcept;
    NetlinkSocket& operator=(NetlinkSocket&& other) = delete;
    ~NetlinkSocket();

    /// The number by which the kernel tells who sent something; unique in the network namespace.
    std::uint32_t port() const { return port_; }
    int fd() const { return fd_; }  ///< Owned by the socket.

    /// From now on notifications about what this netlink port did are dropped by the kernel, as far
    /// as it can: whoever reads must be ready for them all the same.
    void ignore_notices_of(std::uint32_t port);
    /// Joins the group of nf_tables' notifications.
    Result<void> subscribe();

    /// The longest datagram that send() may pass on.
    std::size_t datagram_bytes_max() const { return datagram_bytes_max_; }
    /// Numbers for `count` messages; never 0, which is the kernel's own.
    std::uint32_t take_sequence(std::uint32_t count);

    /// One datagram to the kernel, which has worked it off when this returns. Errors: too_big and
    /// no_memory (nothing was sent), io.
    Result<void> send(wire::Bytes datagram);
    /// The next datagram from the kernel, valid until the next call; nullopt when there is none
    /// (Wait::no), or none came for kAnswerTimeoutMs. Errors: overrun (datagrams were lost, others
    /// may follow), malformed (longer than any the kernel makes), io.
    Result<std::optional<wire::Bytes>> receive(Wait wait);

  private:
    explicit NetlinkSocket(int fd);
    void size_buffers();

    int fd_;
    std::uint32_t port_ = 0;
    std::size_t datagram_bytes_max_ = 0;
    std::uint32_t sequence_ = 0;
    std::unique_ptr<std::uint8_t[]> received_;
};

}  // namespace podfence::nft
