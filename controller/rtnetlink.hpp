#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "controller/link_facts.hpp"
#include "controller/pod_links.hpp"
#include "nft/error.hpp"
#include "nft/wire_attr.hpp"

/// rtnetlink: messages to values, and the two sockets that they come by.
namespace podfence {

/// What a message of rtnetlink says, if it is of use: RTM_NEWLINK, RTM_NEWROUTE, RTM_NEWNEIGH and
/// their opposites. Trusts no length in it. Attributes are in host byte order.
std::optional<LinkEvent> parse_link_event(const nft::wire::Message& message);
/// The address of an RTM_NEWADDR, of this interface only.
std::optional<Address> parse_address_of(const nft::wire::Message& message, LinkIndex link);

/// What came since.
struct LinkNews {
    std::vector<LinkEvent> events{};
    bool lost = false;  ///< Some were dropped: only a dump tells now.
    bool more = false;  ///< The limit of one reading was reached; read again.
};

/// A socket of NETLINK_ROUTE, of the network namespace that the calling thread was in when it was
/// opened. Move-only.
class RouteSocket {
  public:
    /// `groups`: RTMGRP_* to subscribe to. Errors: not_permitted, not_supported, io.
    static nft::Result<RouteSocket> open(std::uint32_t groups);
    /// Takes over a socket of NETLINK_ROUTE, of whatever network namespace that is.
    static RouteSocket adopt(int fd);
    RouteSocket(RouteSocket&& other) noexcept;
    RouteSocket& operator=(RouteSocket&& other) = delete;
    ~RouteSocket();

    int fd() const { return fd_; }  ///< Owned by the socket.
    nft::Result<void> send(nft::wire::Bytes message);
    /// The next datagram, valid until the next call; nullopt: none (yet). Errors: overrun, io.
    nft::Result<std::optional<nft::wire::Bytes>> receive(bool wait);

    enum class Dumped : std::uint8_t { whole, disturbed };
    using OnMessage = std::function<void(const nft::wire::Message&)>;
    /// Sends one request, which it gives a number, and tells of each message of the answer until
    /// that ends; `disturbed`: what was listed changed meanwhile. Errors: as of open(), of send()
    /// and receive(), and what the kernel answers, by errno.
    nft::Result<Dumped> exchange(std::span<const std::uint8_t> request,
                                 const OnMessage& on_message);

  private:
    explicit RouteSocket(int fd);

    int fd_;
    std::uint32_t sequence_ = 0;
    std::unique_ptr<std::uint8_t[]> received_;
};

/// Follows what LinkFacts knows, and asks for what nobody tells.
class RouteMonitor final : public PeerLook {
  public:
    /// Errors: not_permitted, not_supported, io.
    static nft::Result<std::unique_ptr<RouteMonitor>> open();

    /// Readable when there is something to read().
    int fd() const { return events_.fd(); }
    nft::Result<LinkNews> read();
    /// Everything as it is now. Events that came before may still be read afterwards; they lead to
    /// the same. Errors: interrupted (tried a few times), io.
    nft::Result<LinkFacts> dump();

    std::vector<Address> addresses_behind(const Link& link) override;

  private:
    RouteMonitor(RouteSocket events, RouteSocket requests)
        : events_(std::move(events)), requests_(std::move(requests)) {}

    nft::Result<RouteSocket::Dumped> dump_into(LinkFacts& facts);

    RouteSocket events_;
    RouteSocket requests_;
};

}  // namespace podfence
