// Corners that only whole packets of a real kernel have.
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/builders.hpp"
#include "test/support/lab_rig.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kAllowed = 80;
constexpr std::uint16_t kDenied = 81;

/// How a datagram travels.
struct Shape {
    const char* name;
    std::size_t bytes;
    std::vector<int> extension_headers;  ///< IPv6's, by the socket option that adds them.
};

std::vector<Shape> shapes_of(Family family) {
    constexpr std::size_t kSmall = 100;
    constexpr std::size_t kManyFragments = 4000;
    if (family == Family::ipv4) return {{"whole", kSmall, {}}, {"fragments", kManyFragments, {}}};
    return {{"whole", kSmall, {}},
            {"fragments", kManyFragments, {}},
            {"destination options", kSmall, {IPV6_DSTOPTS}},
            {"hop-by-hop and destination options", kSmall, {IPV6_HOPOPTS, IPV6_DSTOPTS}},
            {"fragments with options", kManyFragments, {IPV6_HOPOPTS, IPV6_DSTOPTS}}};
}

UniqueFd datagram_socket(const Host& host, Family family, std::uint16_t port) {
    const Stay stay = host.ns.enter();
    UniqueFd fd(::socket(family == Family::ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC,
                         IPPROTO_UDP));
    const SocketAddress own = socket_address(host.primary(family), port);
    if (!fd || ::bind(fd.get(), own.get(), own.length) != 0) fail_errno("a datagram socket");
    return fd;
}

void send(const Host& from, const Address& to, std::uint16_t port, const Shape& shape, char mark) {
    // Eight bytes: the kernel writes the next header, length 0, and padding of four bytes.
    constexpr std::array<std::uint8_t, 8> kPadding{0, 0, 1, 4, 0, 0, 0, 0};
    const UniqueFd fd = datagram_socket(from, to.family(), 0);
    for (const int header : shape.extension_headers) {
        if (::setsockopt(fd.get(), IPPROTO_IPV6, header, kPadding.data(), kPadding.size()) != 0)
            fail_errno(shape.name);
    }
    const std::vector<char> payload(shape.bytes, mark);
    const SocketAddress destination = socket_address(to, port);
    if (::sendto(fd.get(), payload.data(), payload.size(), 0, destination.get(),
                 destination.length) != static_cast<ssize_t>(payload.size()))
        fail_errno(std::string("sending ") + shape.name);
}

/// The mark of the next datagram; nothing comes: '-'.
char receive(const UniqueFd& fd) {
    constexpr int kPatienceMs = 3000;
    pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kPatienceMs) != 1) return '-';
    std::array<char, 8192> payload{};
    return ::recv(fd.get(), payload.data(), payload.size(), 0) > 0 ? payload[0] : '?';
}

/// Whether this many packets are dropped; on a busy machine the last one may be under way.
bool comes_to(Witness& witness, std::uint64_t dropped) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (witness.dropped() < dropped && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    return witness.dropped() == dropped;
}

/// Isolates every pod in both directions, but for one UDP port.
Cluster one_port_open(const Rig& rig) {
    Cluster cluster;
    for (const auto& pod : rig.generator_options().fixed_pods) cluster.put(pod);
    for (const std::string ns : {"a", "b", "c"}) {
        cluster.put(test::ns(ns));
        cluster.put(NetworkPolicy(test::policy(ns + "/one-port")
                                      .ingress(test::rule().port(kAllowed, Protocol::udp))
                                      .egress(test::rule().port(kAllowed, Protocol::udp))));
    }
    return cluster;
}

}  // namespace

TEST_CASE("Corner 59: fragments and extension headers hide no port, and cost none") {
    Rig rig(two_nodes(Wiring::bridge, Wiring::ptp, 2), {});
    rig.enforcer.apply(one_port_open(rig));
    const StayOnProcessor stay;
    // Pods take turns on the nodes: 0 and 2 share a bridge, 1 and 3 a node with a route to each.
    for (const auto& [from, to] : {std::pair(0, 2), std::pair(0, 1), std::pair(1, 3)}) {
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            const Host& receiver = rig.lab.pod(static_cast<std::size_t>(to));
            const UniqueFd open = datagram_socket(receiver, family, kAllowed);
            const UniqueFd shut = datagram_socket(receiver, family, kDenied);
            for (const Shape& shape : shapes_of(family)) {
                INFO("pod " << from << " to pod " << to << ", IPv"
                            << (family == Family::ipv4 ? 4 : 6) << ", " << shape.name);
                const Host& sender = rig.lab.pod(static_cast<std::size_t>(from));
                const Address destination = receiver.primary(family);
                const auto dropped_before = rig.witness.dropped();
                send(sender, destination, kDenied, shape, 'd');
                send(sender, destination, kAllowed, shape, 'a');
                CHECK(receive(open) == 'a');
                CHECK(comes_to(rig.witness, dropped_before + 1));
                // What was sent before would have come before.
                std::array<char, 1> none{};
                CHECK(::recv(shut.get(), none.data(), none.size(), MSG_DONTWAIT) == -1);
            }
        }
    }
}

}  // namespace podfence::lab
