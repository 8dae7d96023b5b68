#include "test/support/lab_talk.hpp"

#include <array>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeforeAnyRepetition{190};  // TCP's shortest is 200 ms.
constexpr std::chrono::seconds kPatience{2};

/// Until there is something to read, or an error.
bool await(int fd, short events, Clock::duration time) {
    pollfd one{.fd = fd, .events = events, .revents = 0};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    return ::poll(&one, 1, static_cast<int>(ms)) == 1;
}

UniqueFd udp_socket(const Host& host, const Address& address, std::uint16_t port) {
    const Stay stay = host.ns.enter();
    UniqueFd fd(::socket(address.family() == Family::ipv4 ? AF_INET : AF_INET6,
                         SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto local = socket_address(address, port);
    if (!fd || ::bind(fd.get(), local.get(), local.length) != 0) fail_errno("a UDP socket");
    return fd;
}

void connect_to(const UniqueFd& fd, const sockaddr* address, socklen_t length) {
    if (::connect(fd.get(), address, length) != 0 && errno != EINPROGRESS) fail_errno("connect");
}

}  // namespace

Talk::Talk(const Way& way) : protocol_(way.protocol) {
    const Address own = way.server->primary(way.family);
    const Address& to = way.service != nullptr ? *way.service : own;
    const std::uint16_t port = way.service != nullptr ? way.service_port : way.port;
    way.protocol == kTcp ? begin_tcp(way, to, port) : begin_udp(way, to, port);
    if (!says(End::client) || !says(End::server)) fail("a talk did not come about");
}

void Talk::begin_tcp(const Way& way, const Address& to, std::uint16_t port) {
    UniqueFd listener;
    {
        const Stay stay = way.server->ns.enter();
        listener = listen_on(way.port);
    }
    {
        const Stay stay = way.client->ns.enter();
        client_ = start_connect(IPPROTO_TCP, way.client->primary(way.family), to, port);
    }
    if (!await(listener.get(), POLLIN, kPatience)) fail("nobody connects");
    server_ = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!server_) fail_errno("accept");
    const int on = 1;
    for (const int fd : {client_.get(), server_.get()})
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void Talk::begin_udp(const Way& way, const Address& to, std::uint16_t port) {
    server_ = udp_socket(*way.server, way.server->primary(way.family), way.port);
    client_ = udp_socket(*way.client, way.client->primary(way.family), 0);
    const auto remote = socket_address(to, port);
    connect_to(client_, remote.get(), remote.length);
    if (::send(client_.get(), "", 1, 0) != 1) fail_errno("send a datagram");
    if (!await(server_.get(), POLLIN, kPatience)) fail("no datagram arrives");
    char byte = 0;
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    if (::recvfrom(server_.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &length) != 1)
        fail_errno("receive a datagram");
    connect_to(server_, reinterpret_cast<const sockaddr*>(&from), length);
}

bool Talk::says(End end) {
    const int speaker = fd(end).get();
    const int hearer = fd(end == End::client ? End::server : End::client).get();
    std::array<std::uint8_t, 256> heard{};
    while (::recv(hearer, heard.data(), heard.size(), 0) > 0) {}
    const std::uint8_t word = ++said_;
    if (::send(speaker, &word, 1, MSG_NOSIGNAL) != 1) return false;
    const auto until = Clock::now() + kBeforeAnyRepetition;
    while (Clock::now() < until) {
        if (!await(hearer, POLLIN, std::chrono::milliseconds(5))) {
            char byte = 0;
            if (::recv(speaker, &byte, 1, MSG_PEEK) < 0 && errno != EAGAIN) return false;
            continue;
        }
        const auto size = ::recv(hearer, heard.data(), heard.size(), 0);
        if (size <= 0) return false;
        if (heard[static_cast<std::size_t>(size) - 1] == word) return true;
    }
    return false;
}

bool Talk::is_told(End end) {
    const int speaker = fd(end).get();
    const auto until = Clock::now() + kPatience;
    while (Clock::now() < until) {
        if (::send(speaker, "x", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
            return errno == ECONNRESET || errno == EPIPE;
        }
        if (!await(speaker, POLLIN, std::chrono::milliseconds(20))) continue;
        char byte = 0;
        const auto got = ::recv(speaker, &byte, 1, 0);
        if (got < 0) return errno == ECONNRESET;
        if (got == 0) return false;
    }
    return false;
}

}  // namespace podfence::lab
