#include "controller/self_test/conversation.hpp"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "controller/self_test/socket_address.hpp"

namespace podfence::self_test {

namespace {

/// A flow is offloaded when a packet passes after conntrack has seen both directions (TCP) or has
/// confirmed the first one (UDP): nft_flow_offload_eval() in net/netfilter/nft_flow_offload.c.
constexpr int kRounds = 3;

const Address& address_in(const std::vector<Address>& pod, nft::Family family) {
    const auto found = std::ranges::find(pod, family, &Address::family);
    PODFENCE_CHECK(found != pod.end());
    return *found;
}

bool await(int socket, std::chrono::milliseconds patience) {
    pollfd readable{.fd = socket, .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, static_cast<int>(patience.count())) > 0;
}

/// The port of the socket's own end, in host byte order; 0: it has none.
std::uint16_t port_of_socket(int socket) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
    // The port stands at the same place in both families.
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    return ntohs(reinterpret_cast<const sockaddr_in*>(&own)->sin_port);
}

}  // namespace

Conversation::Conversation(const Pods& pods, std::size_t index, const Flow& flow,
                           const PodAddresses& addresses)
    : stream_(flow.protocol == Protocol::tcp),
      source_(address_in(addresses.first, flow.family)),
      destination_(address_in(addresses.second, flow.family)),
      port_(port_of(flow.expected)),
      first_(pods.source(index)),
      second_(pods.destination(index)) {}

nft::Result<bool> Conversation::open(std::chrono::milliseconds patience) {
    const SocketAddress to(destination_, port_);
    if (::connect(first_, to.get(), to.size()) != 0 && errno != EINPROGRESS) return false;
    if (!stream_ && !say(End::first)) return false;
    if (!accept(patience)) return false;
    for (int i = 0; i < kRounds; ++i) {
        if (!exchange(patience)) return false;
    }
    return true;
}

/// The second pod's end, of this one connection.
bool Conversation::accept(std::chrono::milliseconds patience) {
    if (!await(second_, patience)) return false;
    if (stream_) {
        accepted_ = UniqueFd(::accept4(second_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        second_ = accepted_.get();
        return second_ >= 0;
    }
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    char packet = 0;
    return ::recvfrom(second_, &packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&from),
                      &size) > 0 &&
           ::connect(second_, reinterpret_cast<const sockaddr*>(&from), size) == 0;
}

bool Conversation::exchange(std::chrono::milliseconds patience) const {
    return say(End::first) && hears(End::second, patience) && say(End::second) &&
           hears(End::first, patience);
}

nft::Tuple Conversation::original() const {
    return {.source = source_,
            .destination = destination_,
            .protocol = static_cast<std::uint8_t>(stream_ ? IPPROTO_TCP : IPPROTO_UDP),
            .source_port = port_of_socket(first_),
            .destination_port = port_};
}

bool Conversation::say(End from) const {
    constexpr char kWord = 'p';
    return ::send(socket_of(from), &kWord, sizeof kWord, MSG_NOSIGNAL) > 0;
}

bool Conversation::hears(End at, std::chrono::milliseconds patience) const {
    if (!await(socket_of(at), patience)) return false;
    char word = 0;
    return ::recv(socket_of(at), &word, sizeof word, MSG_DONTWAIT) > 0;
}

bool Conversation::is_refused(End at) const {
    pollfd state{.fd = socket_of(at), .events = 0, .revents = 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace podfence::self_test
