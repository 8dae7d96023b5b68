#include "test/cluster/cutter.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace podfence::lab {
namespace {

/// One connection through the cutter.
struct Relay {
    UniqueFd client;
    UniqueFd server;
    std::optional<std::size_t> left;  ///< Bytes the server may still send.
    bool open = true;
};

UniqueFd tcp_socket() {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) fail_errno("socket");
    return fd;
}

sockaddr_in address_of(const std::string& address, std::uint16_t port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1) fail("address " + address);
    return where;
}

/// False when either end is gone.
bool send_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0) return false;
        data += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace

struct Cutter::State {
    UniqueFd listener;
    UniqueFd wake;
    sockaddr_in server{};
    int netns = -1;
    std::function<std::optional<std::size_t>()> budget;
    std::atomic<std::size_t> connections{0};
    std::atomic<std::size_t> cuts{0};
    std::deque<Relay> relays;

    void run(const std::stop_token& stop);
    void accept_one();
    void carry_up(Relay& relay) const;
    void carry_down(Relay& relay);
};

void Cutter::State::accept_one() {
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    ++connections;
    UniqueFd up = tcp_socket();
    const auto* where = reinterpret_cast<const sockaddr*>(&server);
    // A server that is down refuses; the client learns it by the end of its connection.
    if (::connect(up.get(), where, sizeof server) != 0) return;
    relays.push_back({.client = std::move(client), .server = std::move(up), .left = budget()});
}

void Cutter::State::carry_up(Relay& relay) const {
    std::array<char, 16384> buffer{};
    const ssize_t n = ::recv(relay.client.get(), buffer.data(), buffer.size(), 0);
    relay.open = n > 0 && send_all(relay.server.get(), buffer.data(), static_cast<std::size_t>(n));
}

void Cutter::State::carry_down(Relay& relay) {
    std::array<char, 16384> buffer{};
    const std::size_t most = std::min(buffer.size(), relay.left.value_or(buffer.size()));
    const ssize_t n = ::recv(relay.server.get(), buffer.data(), most, 0);
    relay.open = n > 0 && send_all(relay.client.get(), buffer.data(), static_cast<std::size_t>(n));
    if (!relay.open || !relay.left) return;
    *relay.left -= static_cast<std::size_t>(n);
    if (*relay.left > 0) return;
    relay.open = false;
    ++cuts;
}

void Cutter::State::run(const std::stop_token& stop) {
    const Stay stay(netns);
    while (!stop.stop_requested()) {
        std::vector<pollfd> fds{{listener.get(), POLLIN, 0}, {wake.get(), POLLIN, 0}};
        for (const auto& relay : relays) {
            fds.push_back({relay.client.get(), POLLIN, 0});
            fds.push_back({relay.server.get(), POLLIN, 0});
        }
        if (::poll(fds.data(), fds.size(), -1) < 0) continue;
        for (std::size_t i = 0; i < relays.size(); ++i) {
            if (fds[2 + 2 * i].revents != 0) carry_up(relays[i]);
            if (relays[i].open && fds[3 + 2 * i].revents != 0) carry_down(relays[i]);
        }
        std::erase_if(relays, [](const Relay& relay) { return !relay.open; });
        if (fds[0].revents != 0) accept_one();
    }
}

Cutter::Cutter(const NetNs& ns, std::string address, std::uint16_t listen_port,
               std::uint16_t server_port, std::function<std::optional<std::size_t>()> budget)
    : state_(std::make_unique<State>()) {
    const Stay stay = ns.enter();
    state_->listener = tcp_socket();
    state_->wake = UniqueFd(::eventfd(0, EFD_CLOEXEC));
    state_->server = address_of(address, server_port);
    state_->netns = ns.fd();
    state_->budget = std::move(budget);
    const sockaddr_in where = address_of(address, listen_port);
    constexpr int kBacklog = 64;
    if (::bind(state_->listener.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) !=
            0 ||
        ::listen(state_->listener.get(), kBacklog) != 0)
        fail_errno("the cutter's port");
    thread_ = std::jthread([this](const std::stop_token& stop) { state_->run(stop); });
}

Cutter::~Cutter() {
    thread_.request_stop();
    ::eventfd_write(state_->wake.get(), 1);
}

std::size_t Cutter::connections() const {
    return state_->connections;
}
std::size_t Cutter::cuts() const {
    return state_->cuts;
}

}  // namespace podfence::lab
