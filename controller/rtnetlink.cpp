#include "controller/rtnetlink.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace podfence {

namespace {

using nft::wire::Bytes;
using nft::wire::Message;
using nft::wire::MessageReader;

/// The kernel fills dumps into at most 32 KiB (NLMSG_GOODSIZE and netlink_dump()).
constexpr std::size_t kReceiveBytes = std::size_t{64} * 1024;
/// Asked for events: a burst of a few hundred pods, some 2 KB an interface, and then some.
constexpr int kEventBytes = 8 * 1024 * 1024;
/// The kernel answers before send() returns, or never.
constexpr int kAnswerTimeoutMs = 1000;
constexpr int kDumpsMax = 8;
/// Datagrams of one reading, so that a flood of news does not hold up others.
constexpr int kDatagramsMax = 256;

nft::Error failure(const char* doing, int os_error) {
    const nft::Errc code = os_error == EPERM || os_error == EACCES ? nft::Errc::not_permitted
                           : os_error == EPROTONOSUPPORT || os_error == EAFNOSUPPORT
                               ? nft::Errc::not_supported
                               : nft::Errc::io;
    return {.code = code, .os_error = os_error, .doing = doing};
}

/// A request as rtnetlink wants it: header, the fixed part, and one attribute of 32 bits at most.
template <class Head>
struct Request {
    nlmsghdr header{};
    Head head{};
    nlattr attribute{};
    std::uint32_t value = 0;

    Request(std::uint16_t type, const Head& fixed) : head(fixed) {
        static_assert(sizeof(Head) % NLMSG_ALIGNTO == 0);
        header.nlmsg_type = type;
        header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.nlmsg_len = sizeof header + sizeof head;
    }
    Request&& with(std::uint16_t type, std::uint32_t number) && {
        attribute = {.nla_len = sizeof attribute + sizeof value, .nla_type = type};
        value = number;
        header.nlmsg_len += sizeof attribute + sizeof value;
        return std::move(*this);
    }
    std::span<const std::uint8_t> bytes() const {
        return {reinterpret_cast<const std::uint8_t*>(this), header.nlmsg_len};
    }
};

}  // namespace

nft::Result<RouteSocket> RouteSocket::open(std::uint32_t groups) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return failure("open a socket of rtnetlink", errno);
    RouteSocket socket = adopt(fd);
    const sockaddr_nl local{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = groups};
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
        return failure("subscribe to rtnetlink", errno);
    }
    const int bytes = kEventBytes;
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    return socket;
}

RouteSocket RouteSocket::adopt(int fd) {
    const int on = 1;
    ::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    // Requests are looked at in full, and what they filter by is not passed over.
    ::setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    const timeval timeout{.tv_sec = kAnswerTimeoutMs / 1000, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return RouteSocket(fd);
}

RouteSocket::RouteSocket(int fd)
    : fd_(fd), received_(std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveBytes)) {}

RouteSocket::RouteSocket(RouteSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      sequence_(other.sequence_),
      received_(std::move(other.received_)) {}

RouteSocket::~RouteSocket() {
    if (fd_ >= 0) ::close(fd_);
}

nft::Result<void> RouteSocket::send(Bytes message) {
    if (::send(fd_, message.data(), message.size(), 0) >= 0) return {};
    return failure("ask rtnetlink", errno);
}

nft::Result<std::optional<Bytes>> RouteSocket::receive(bool wait) {
    for (;;) {
        sockaddr_nl sender{};
        socklen_t length = sizeof sender;
        const ssize_t size =
            ::recvfrom(fd_, received_.get(), kReceiveBytes, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT),
                       reinterpret_cast<sockaddr*>(&sender), &length);
        if (size < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) return std::optional<Bytes>();
            nft::Error error = failure("read from rtnetlink", errno);
            if (errno == ENOBUFS) error.code = nft::Errc::overrun;
            return error;
        }
        if (sender.nl_pid != 0) continue;  // Not from the kernel.
        if (static_cast<std::size_t>(size) > kReceiveBytes) {
            return nft::Error{.code = nft::Errc::overrun, .doing = "read from rtnetlink"};
        }
        return std::optional(Bytes(received_.get(), static_cast<std::size_t>(size)));
    }
}

nft::Result<RouteSocket::Dumped> RouteSocket::exchange(std::span<const std::uint8_t> request,
                                                       const OnMessage& on_message) {
    std::vector<std::uint8_t> numbered(request.begin(), request.end());
    const std::uint32_t sequence = ++sequence_;
    std::memcpy(numbered.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    if (auto sent = send(numbered); !sent) return sent.error();
    bool disturbed = false;
    for (;;) {
        const auto received = receive(true);
        if (!received) return received.error();
        if (!*received) return failure("wait for rtnetlink's answer", ETIMEDOUT);
        MessageReader reader(**received);
        while (const auto message = reader.next()) {
            if (message->header.nlmsg_seq != sequence) continue;  // To something given up.
            disturbed = disturbed || (message->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            const auto type = message->header.nlmsg_type;
            if (type == NLMSG_DONE || type == NLMSG_ERROR) {
                const int os_error = message->body.size() < sizeof(int)
                                         ? 0
                                         : -nft::wire::read_object<int>(message->body);
                if (os_error != 0) return failure("ask rtnetlink", os_error);
                return disturbed ? Dumped::disturbed : Dumped::whole;
            }
            on_message(*message);
        }
    }
}

nft::Result<std::unique_ptr<RouteMonitor>> RouteMonitor::open() {
    auto events =
        RouteSocket::open(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
    if (!events) return events.error();
    auto requests = RouteSocket::open(0);
    if (!requests) return requests.error();
    return std::unique_ptr<RouteMonitor>(
        new RouteMonitor(*std::move(events), *std::move(requests)));
}

nft::Result<LinkNews> RouteMonitor::read() {
    LinkNews news;
    for (int i = 0; i < kDatagramsMax; ++i) {
        const auto received = events_.receive(false);
        if (!received) {
            if (received.error().code != nft::Errc::overrun) return received.error();
            news.lost = true;
            continue;
        }
        if (!*received) return news;
        MessageReader reader(**received);
        while (const auto message = reader.next()) {
            if (auto event = parse_link_event(*message)) news.events.push_back(*std::move(event));
        }
        news.lost = news.lost || reader.malformed();
    }
    news.more = true;
    return news;
}

nft::Result<RouteSocket::Dumped> RouteMonitor::dump_into(LinkFacts& facts) {
    LinkFacts::Touched nobody_asks;
    bool disturbed = false;
    std::optional<nft::Error> error;
    const auto collect = [&](std::span<const std::uint8_t> request) {
        if (error) return;
        const auto dumped = requests_.exchange(request, [&](const Message& message) {
            if (auto event = parse_link_event(message)) facts.apply(*event, nobody_asks);
        });
        if (!dumped) {
            error = dumped.error();
        } else {
            disturbed = disturbed || *dumped == RouteSocket::Dumped::disturbed;
        }
    };
    collect(
        Request<ifinfomsg>(RTM_GETLINK, {}).with(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS).bytes());
    for (const std::uint8_t family : {AF_INET, AF_INET6}) {
        rtmsg route{};
        route.rtm_family = family;
        collect(Request<rtmsg>(RTM_GETROUTE, route).bytes());
    }
    // Links before: what is learned at a port counts for what kind of port it is.
    for (const std::uint8_t family : {AF_INET, AF_INET6, AF_BRIDGE}) {
        ndmsg neighbour{};
        neighbour.ndm_family = family;
        collect(Request<ndmsg>(RTM_GETNEIGH, neighbour).bytes());
    }
    if (error) return *error;
    return disturbed ? RouteSocket::Dumped::disturbed : RouteSocket::Dumped::whole;
}

nft::Result<LinkFacts> RouteMonitor::dump() {
    for (int attempt = 0; attempt < kDumpsMax; ++attempt) {
        LinkFacts facts;
        const auto dumped = dump_into(facts);
        if (!dumped) return dumped.error();
        if (*dumped == RouteSocket::Dumped::whole) return facts;
    }
    return nft::Error{
        .code = nft::Errc::interrupted, .os_error = EINTR, .doing = "list links and routes"};
}

std::vector<Address> RouteMonitor::addresses_behind(const Link& link) {
    std::vector<Address> addresses;
    if (!link.peer_netns || link.peer == 0) return addresses;
    for (const std::uint8_t family : {AF_INET, AF_INET6}) {
        ifaddrmsg request{};
        request.ifa_family = family;
        request.ifa_index = link.peer;
        // Refused when the namespace is gone: then there is nobody to have addresses.
        static_cast<void>(requests_.exchange(
            Request<ifaddrmsg>(RTM_GETADDR, request)
                .with(IFA_TARGET_NETNSID, static_cast<std::uint32_t>(*link.peer_netns))
                .bytes(),
            [&](const Message& message) {
                const auto address = parse_address_of(message, link.peer);
                if (address) addresses.push_back(*address);
            }));
    }
    return addresses;
}

}  // namespace podfence
