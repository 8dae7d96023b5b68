#include "test/bench/road.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/lab_socket.hpp"

namespace podfence::bench {
namespace {

using Clock = std::chrono::steady_clock;
using lab::UniqueFd;

constexpr std::size_t kConnectsBetweenLooks = 16;  // at the clock
constexpr std::size_t kStreamChunk = 256UL * 1024;
constexpr int kPatienceMs = 2000;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Nearly always there already: packets pass all namespaces within the call that sends them. But
/// the kernel may leave them to a thread of its own.
void wait_for(int fd, short events, const char* what) {
    pollfd poll{.fd = fd, .events = events, .revents = 0};
    if (::poll(&poll, 1, kPatienceMs) <= 0) lab::fail(std::string(what) + " never came");
}

}  // namespace

Road::Road()
    : lab_({.nodes = {{"node", lab::Wiring::ptp}}, .pods = {{"client", 0}, {"server", 0}}}),
      from_(client().primary(nft::Family::ipv4)),
      to_(server().primary(nft::Family::ipv4)) {
    const auto on_server = server().ns.enter();
    listener_ = lab::listen_on(kPort);
    const auto on_client = client().ns.enter();
    // A connection that waited for its turn is to go on as fast as it was.
    lab::set_sysctl("net/ipv4/tcp_slow_start_after_idle", "0");
    const auto on_node = node().ns.enter();
    // What was reset leaves conntrack within a second, or its table would fill.
    lab::set_sysctl("net/netfilter/nf_conntrack_tcp_timeout_close", "1");
}

UniqueFd Road::connect_to_server() const {
    return lab::start_connect(IPPROTO_TCP, from_, to_, kPort);
}

UniqueFd Road::accept() const {
    for (;;) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) return fd;
        if (errno != EAGAIN) lab::fail_errno("accept");
        wait_for(listener_.get(), POLLIN, "a connection through the rules");
    }
}

double Road::connect_for(double seconds) {
    const auto stay = client().ns.enter();
    std::size_t connections = 0;
    const auto start = Clock::now();
    do {
        for (std::size_t i = 0; i < kConnectsBetweenLooks; ++i) {
            UniqueFd connecting = connect_to_server();
            const UniqueFd accepted = accept();
            connecting.reset();  // First the one that resets.
        }
        connections += kConnectsBetweenLooks;
    } while (seconds_since(start) < seconds);
    return static_cast<double>(connections) / seconds_since(start);
}

double Road::stream_for(double seconds) {
    if (!stream_out_) {
        const auto stay = client().ns.enter();
        stream_out_ = connect_to_server();
        // CUBIC takes a moment's delay for a full pipe and may send little packets ever after.
        constexpr std::string_view reno = "reno";
        if (::setsockopt(stream_out_.get(), IPPROTO_TCP, TCP_CONGESTION, reno.data(),
                         reno.size()) != 0)
            lab::fail_errno("TCP_CONGESTION");
        stream_in_ = accept();
        wait_for(stream_out_.get(), POLLOUT, "an established connection");
    }
    static std::array<char, kStreamChunk> buffer{};
    std::size_t received = 0;
    const auto start = Clock::now();
    do {
        const ssize_t sent = ::send(stream_out_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) lab::fail_errno("send");
        const std::size_t before = received;
        for (;;) {
            const ssize_t n = ::recv(stream_in_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN) lab::fail_errno("receive");
            if (n <= 0) break;
            received += static_cast<std::size_t>(n);
        }
        // Whoever carries the packets now needs the processor.
        if (received == before) wait_for(stream_in_.get(), POLLIN, "what was sent");
    } while (seconds_since(start) < seconds);
    if (received == 0) lab::fail("nothing arrived over the established connection");
    return static_cast<double>(received) * 8 / seconds_since(start) / 1e9;
}

}  // namespace podfence::bench
