#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <linux/netlink.h>

#include "controller/rtnetlink.hpp"
#include "nft/addr.hpp"
#include "nft/error.hpp"

namespace podfence {

/// One rtnetlink request while it is put together. Numbers are in host byte order.
class RouteMessage {
  public:
    /// `type`: RTM_*; `flags`: NLM_F_*, NLM_F_REQUEST is added.
    RouteMessage(std::uint16_t type, std::uint16_t flags);

    /// The header that follows the netlink header: ifinfomsg, rtmsg... All zeros. Once, and first.
    template <class Header>
    Header& header() {
        return *static_cast<Header*>(extra(sizeof(Header)));
    }
    RouteMessage& put(std::uint16_t type, std::span<const std::uint8_t> bytes);
    RouteMessage& put(std::uint16_t type, const std::string& text);
    RouteMessage& put(std::uint16_t type, const nft::Address& address);
    RouteMessage& put_u8(std::uint16_t type, std::uint8_t value);
    RouteMessage& put_u32(std::uint16_t type, std::uint32_t value);
    /// What `content` puts is inside an attribute of this type.
    RouteMessage& nest(std::uint16_t type, const std::function<void(RouteMessage&)>& content);
    /// As nest(), with a header of `Header` before the attributes inside.
    template <class Header>
    RouteMessage& nest_behind(std::uint16_t type,
                              const std::function<void(RouteMessage&)>& content) {
        return nest(type, [&](RouteMessage& inner) {
            inner.extra(sizeof(Header));
            content(inner);
        });
    }

    nlmsghdr* raw() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }

  private:
    void* extra(std::size_t size);
    void check_room(std::size_t size);

    alignas(nlmsghdr) std::array<std::uint8_t, 4096> bytes_{};
};

/// An attribute of a message from rtnetlink.
struct RouteAttribute {
    std::uint16_t type = 0;
    std::span<const std::uint8_t> value;

    /// nullopt: of another size.
    std::optional<std::uint32_t> u32() const;
    std::optional<std::uint8_t> u8() const;
    std::string text() const;  ///< Up to its zero.
    void each(const std::function<void(const RouteAttribute&)>& visit) const;
};

/// One message from rtnetlink.
struct RouteAnswer {
    std::uint16_t type = 0;  ///< RTM_*
    std::span<const std::uint8_t> body;

    /// The header in front of the attributes; nullopt: the message is too short for it.
    template <class Header>
    std::optional<Header> header() const {
        if (body.size() < sizeof(Header)) return std::nullopt;
        Header header;
        std::copy_n(body.data(), sizeof header, reinterpret_cast<std::uint8_t*>(&header));
        return header;
    }
    /// The attributes behind a header of so many bytes.
    void each(std::size_t header_bytes,
              const std::function<void(const RouteAttribute&)>& visit) const;
};

/// Questions and orders to rtnetlink, answered before they return. The kernel works them off at
/// once, so nothing here waits for anybody else.
class RouteOrders {
  public:
    /// Of the calling thread's network namespace. Errors: io.
    static nft::Result<RouteOrders> open();
    /// Takes over a NETLINK_ROUTE socket, of whatever network namespace that is.
    explicit RouteOrders(int fd) : socket_(RouteSocket::adopt(fd)) {}

    /// Does it. `doing` is for errors, which are by errno (nft::classify).
    nft::Result<void> order(RouteMessage& message, const std::string& doing);
    /// Asks, with NLM_F_DUMP in the message's flags for all there is.
    nft::Result<void> ask(RouteMessage& message, const std::string& doing,
                          const std::function<void(const RouteAnswer&)>& on_answer);

    /// Joins a multicast group, RTNLGRP_*. A socket that listens is not one to ask.
    nft::Result<void> subscribe(int group);
    /// Until something has been told to the group, or for so long. What it was is thrown away: ask.
    bool await(std::chrono::milliseconds time_max);

  private:
    explicit RouteOrders(RouteSocket socket) : socket_(std::move(socket)) {}
    nft::Result<void> exchange(RouteMessage& message, const std::string& doing,
                               const std::function<void(const RouteAnswer&)>& on_answer);

    RouteSocket socket_;
};

}  // namespace podfence
