#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <sys/socket.h>

#include "nft/addr.hpp"
#include "test/support/lab_fd.hpp"

/// Sockets of the calling thread's network namespace, never blocking.
namespace podfence::lab {

using nft::Address;
using nft::Family;

/// A socket address of the family's kind, or for `mapped` an IPv6 one that may hold IPv4.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
SocketAddress socket_address(const Address& address, std::uint16_t port, bool mapped = false);

enum class Dialect : std::uint8_t { udp, icmp, sctp };

/// Sends and receives with a chosen local address. Buffers are large, since tests send many packets
/// before they look at the answers. ICMP and SCTP are raw sockets; UDP serves both families when
/// opened for IPv6.
class DatagramSocket {
  public:
    /// `port` 0: any; only for UDP.
    DatagramSocket(Dialect dialect, Family family, std::uint16_t port);

    int fd() const { return fd_.get(); }

    struct Received {
        Address source;
        std::uint16_t source_port = 0;  ///< UDP's
        Address local;
        std::span<const std::uint8_t> payload;  ///< Valid until the next call.
    };
    /// False when there is nothing.
    bool receive(Received& into);
    /// Of UDP: gives back the payload of a datagram that the other end had no listener for. False
    /// when there is none.
    bool receive_refused(std::span<const std::uint8_t>& payload);
    /// Throws Failure when the kernel does not take it.
    void send(const Address& from, const Address& to, std::uint16_t port,
              std::span<const std::uint8_t> payload);

  private:
    Dialect dialect_;
    Family family_;
    UniqueFd fd_;
    std::array<std::uint8_t, 2048> buffer_{};
};

/// A TCP socket that listens on the port of all addresses in both families.
UniqueFd listen_on(std::uint16_t port);
/// An SCTP socket (one-to-one) that listens on the port of one address.
UniqueFd listen_on_sctp(const Address& address, std::uint16_t port);
/// Starts to connect; the socket resets the connection when it is closed.
UniqueFd start_connect(int protocol, const Address& from, const Address& to, std::uint16_t port);
/// 0 once connected, EINPROGRESS never; else the errno the attempt ended with.
int connect_error(int fd);

/// Does this kernel have SCTP sockets?
bool kernel_has_sctp();

}  // namespace podfence::lab
