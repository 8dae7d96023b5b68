#include "controller/route_orders.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

namespace podfence {

namespace {

nft::Error failure(const std::string& doing, int os_error) {
    return {.code = nft::classify(os_error), .os_error = os_error, .doing = doing};
}

void each_attribute(nft::wire::Bytes payload,
                    const std::function<void(const RouteAttribute&)>& visit) {
    nft::wire::AttrReader reader(payload);
    while (const auto attribute = reader.next()) {
        visit({.type = attribute->type, .value = attribute->value});
    }
}

template <class T>
std::optional<T> number(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

}  // namespace

RouteMessage::RouteMessage(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr* const message = mnl_nlmsg_put_header(bytes_.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void* RouteMessage::extra(std::size_t size) {
    check_room(size);
    return mnl_nlmsg_put_extra_header(raw(), size);
}

void RouteMessage::check_room(std::size_t size) {
    PODFENCE_CHECK(raw()->nlmsg_len + size + sizeof(nlattr) + 8 <= bytes_.size());
}

RouteMessage& RouteMessage::put(std::uint16_t type, std::span<const std::uint8_t> bytes) {
    check_room(bytes.size());
    mnl_attr_put(raw(), type, bytes.size(), bytes.data());
    return *this;
}
RouteMessage& RouteMessage::put(std::uint16_t type, const std::string& text) {
    check_room(text.size() + 1);
    mnl_attr_put_strz(raw(), type, text.c_str());
    return *this;
}
RouteMessage& RouteMessage::put(std::uint16_t type, const nft::Address& address) {
    return put(type, std::span(address.bytes()).first(address.size()));
}
RouteMessage& RouteMessage::put_u8(std::uint16_t type, std::uint8_t value) {
    check_room(sizeof value);
    mnl_attr_put_u8(raw(), type, value);
    return *this;
}
RouteMessage& RouteMessage::put_u32(std::uint16_t type, std::uint32_t value) {
    check_room(sizeof value);
    mnl_attr_put_u32(raw(), type, value);
    return *this;
}
RouteMessage& RouteMessage::nest(std::uint16_t type,
                                 const std::function<void(RouteMessage&)>& content) {
    check_room(0);
    nlattr* const start = mnl_attr_nest_start(raw(), type);
    content(*this);
    mnl_attr_nest_end(raw(), start);
    return *this;
}

std::optional<std::uint32_t> RouteAttribute::u32() const {
    return number<std::uint32_t>(value);
}
std::optional<std::uint8_t> RouteAttribute::u8() const {
    return number<std::uint8_t>(value);
}
std::string RouteAttribute::text() const {
    const std::string all(reinterpret_cast<const char*>(value.data()), value.size());
    return all.substr(0, all.find('\0'));
}
void RouteAttribute::each(const std::function<void(const RouteAttribute&)>& visit) const {
    each_attribute(value, visit);
}
void RouteAnswer::each(std::size_t header_bytes,
                       const std::function<void(const RouteAttribute&)>& visit) const {
    const std::size_t at = NLMSG_ALIGN(header_bytes);
    if (body.size() > at) each_attribute(body.subspan(at), visit);
}

nft::Result<RouteOrders> RouteOrders::open() {
    auto socket = RouteSocket::open(0);
    if (!socket) return socket.error();
    return RouteOrders(*std::move(socket));
}

nft::Result<void> RouteOrders::order(RouteMessage& message, const std::string& doing) {
    message.raw()->nlmsg_flags |= NLM_F_ACK;
    return exchange(message, doing, [](const RouteAnswer&) {});
}

nft::Result<void> RouteOrders::ask(RouteMessage& message, const std::string& doing,
                                   const std::function<void(const RouteAnswer&)>& on_answer) {
    // Without NLM_F_DUMP the one answer would have no end but for the ack.
    if ((message.raw()->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
        message.raw()->nlmsg_flags |= NLM_F_ACK;
    }
    return exchange(message, doing, on_answer);
}

nft::Result<void> RouteOrders::subscribe(int group) {
    if (::setsockopt(socket_.fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) !=
        0) {
        return failure("listen to the network's changes", errno);
    }
    return {};
}

bool RouteOrders::await(std::chrono::milliseconds time_max) {
    pollfd told{.fd = socket_.fd(), .events = POLLIN, .revents = 0};
    if (::poll(&told, 1, static_cast<int>(time_max.count())) <= 0) return false;
    for (;;) {
        const auto received = socket_.receive(false);
        // An overrun is something told, too.
        const bool more =
            received ? received->has_value() : received.error().code == nft::Errc::overrun;
        if (!more) return true;
    }
}

nft::Result<void> RouteOrders::exchange(RouteMessage& message, const std::string& doing,
                                        const std::function<void(const RouteAnswer&)>& on_answer) {
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(message.raw()),
                          message.raw()->nlmsg_len);
    const auto answered = socket_.exchange(bytes, [&](const nft::wire::Message& answer) {
        on_answer({.type = answer.header.nlmsg_type, .body = answer.body});
    });
    if (answered) return {};
    nft::Error error = answered.error();
    if (error.os_error != 0) error.code = nft::classify(error.os_error);
    error.doing = doing;
    return error;
}

}  // namespace podfence
