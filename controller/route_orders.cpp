#include "controller/route_orders.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace podfence {

namespace {

/// The kernel answers at once; so late it never will.
constexpr int kAnswerTimeoutS = 10;
/// Dumps come in datagrams up to the buffer, but no larger than this.
constexpr std::size_t kDatagramBytes = std::size_t{64} * 1024;

nft::Error failure(const std::string& doing, int os_error) {
    return {.code = nft::classify(os_error), .os_error = os_error, .doing = doing};
}

void each_attribute(std::span<const std::uint8_t> rest,
                    const std::function<void(const RouteAttribute&)>& visit) {
    while (rest.size() >= sizeof(nlattr)) {
        nlattr header{};
        std::memcpy(&header, rest.data(), sizeof header);
        if (header.nla_len < sizeof header || header.nla_len > rest.size()) return;
        visit({.type = static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
               .value = rest.subspan(sizeof header, header.nla_len - sizeof header)});
        rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nla_len), rest.size()));
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
std::optional<nft::Address> RouteAttribute::address() const {
    if (value.size() == 4) {
        return nft::Address::v4(std::uint32_t{value[0]} << 24U | std::uint32_t{value[1]} << 16U |
                                std::uint32_t{value[2]} << 8U | value[3]);
    }
    std::array<std::uint8_t, 16> bytes{};
    if (value.size() != bytes.size()) return std::nullopt;
    std::ranges::copy(value, bytes.begin());
    return nft::Address::v6(bytes);
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
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return failure("open a routing socket", errno);
    return RouteOrders(fd);
}

RouteOrders::RouteOrders(int fd) : fd_(fd) {
    const timeval timeout{.tv_sec = kAnswerTimeoutS, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

RouteOrders::RouteOrders(RouteOrders&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), sequence_(other.sequence_) {}

RouteOrders::~RouteOrders() {
    if (fd_ >= 0) ::close(fd_);
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
    if (::setsockopt(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
        return failure("listen to the network's changes", errno);
    }
    return {};
}

bool RouteOrders::await(std::chrono::milliseconds time_max) {
    pollfd told{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&told, 1, static_cast<int>(time_max.count())) <= 0) return false;
    std::array<std::uint8_t, 1> rest{};
    // An overrun is something told, too.
    while (::recv(fd_, rest.data(), rest.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS) {}
    return true;
}

nft::Result<void> RouteOrders::exchange(RouteMessage& message, const std::string& doing,
                                        const std::function<void(const RouteAnswer&)>& on_answer) {
    message.raw()->nlmsg_seq = ++sequence_;
    if (::send(fd_, message.raw(), message.raw()->nlmsg_len, 0) < 0) return failure(doing, errno);
    std::vector<std::uint8_t> datagram(kDatagramBytes);
    for (;;) {
        const ssize_t size = ::recv(fd_, datagram.data(), datagram.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return failure(doing, errno == EAGAIN ? ETIMEDOUT : errno);
        std::span<const std::uint8_t> rest(datagram.data(), static_cast<std::size_t>(size));
        while (rest.size() >= sizeof(nlmsghdr)) {
            nlmsghdr header{};
            std::memcpy(&header, rest.data(), sizeof header);
            if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) {
                return failure(doing, EPROTO);
            }
            const auto body = rest.subspan(sizeof header, header.nlmsg_len - sizeof header);
            rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
            if (header.nlmsg_seq != sequence_) continue;
            if (header.nlmsg_type != NLMSG_ERROR && header.nlmsg_type != NLMSG_DONE) {
                on_answer({.type = header.nlmsg_type, .body = body});
                continue;
            }
            const auto error = number<int>(body.first(std::min(body.size(), sizeof(int))));
            if (error && *error < 0) return failure(doing, -*error);
            return {};
        }
    }
}

}  // namespace podfence
