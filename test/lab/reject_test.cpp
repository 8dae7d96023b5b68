// --deny-with=reject, by real packets: who opens a connection that is denied is told at once, and
// nobody else is.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/builders.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_socket.hpp"
#include "test/support/lab_talk.hpp"
#include "test/support/netns.hpp"

namespace podfence::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kPort = 8080;
constexpr std::uint16_t kOpenPort = 8081;  // Allowed, and nobody listens there.
constexpr std::uint16_t kServicePort = 80;
/// No SYN is sent again before a second is over: what is told by then, is told of the first.
constexpr std::chrono::milliseconds kPatience{900};

/// What a flow's first packet was answered, and after which time.
struct Answer {
    int error = 0;  ///< ETIMEDOUT: nothing came.
    std::chrono::microseconds took{};
};

struct Try {
    const Host* from = nullptr;
    Address to;
    std::uint16_t port = kPort;
    std::uint8_t protocol = IPPROTO_TCP;
};

Answer attempt(const Try& what) {
    const auto start = Clock::now();
    const Stay stay = what.from->ns.enter();
    const Address own = what.from->primary(what.to.family());
    UniqueFd fd;
    if (what.protocol == IPPROTO_TCP) {
        fd = start_connect(IPPROTO_TCP, own, what.to, what.port);
    } else {
        fd = UniqueFd(::socket(own.family() == Family::ipv4 ? AF_INET : AF_INET6,
                               SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const auto there = socket_address(what.to, what.port);
        if (!fd || ::connect(fd.get(), there.get(), there.length) != 0 ||
            ::send(fd.get(), "x", 1, 0) != 1) {
            fail_errno("a datagram to " + to_string(what.to));
        }
    }
    pollfd one{.fd = fd.get(),
               .events = static_cast<short>(what.protocol == IPPROTO_TCP ? POLLOUT : POLLIN),
               .revents = 0};
    const bool told = ::poll(&one, 1, static_cast<int>(kPatience.count())) == 1;
    Answer answer{.error = ETIMEDOUT};
    if (told) {
        socklen_t size = sizeof answer.error;
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &answer.error, &size);
    }
    answer.took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
    return answer;
}

/// How Linux tells a program of "administratively prohibited" (icmp_err_convert in
/// net/ipv4/icmp.c, tab_unreach in net/ipv6/icmp.c).
int prohibited(Family family) {
    return family == Family::ipv4 ? EHOSTUNREACH : EACCES;
}

/// On each node a client and a server; the servers let in one port, the clients out nothing else.
class Scene {
  public:
    Scene() : lab(two_nodes(Wiring::bridge, Wiring::ptp, 3)) {
        cluster.put(test::ns("shop"));
        const std::map<std::size_t, std::pair<std::string, std::string>> pods{
            {0, {"shop/server-0", "app=server"}}, {1, {"shop/server-1", "app=server"}},
            {2, {"shop/client-0", "app=client"}}, {3, {"shop/client-1", "app=client"}},
            {4, {"shop/shut-0", "app=shut"}},     {5, {"shop/shut-1", "app=shut"}}};
        for (const auto& [number, what] : pods) {
            Pod pod = test::pod(what.first).labels(what.second);
            place(pod, lab, lab.pod(number));
            cluster.put(pod);
        }
        const PolicyRule open = test::rule().port(kOpenPort).port(kOpenPort, Protocol::udp);
        cluster.put(NetworkPolicy(test::policy("shop/in").pods("app=server").ingress(open)));
        cluster.put(NetworkPolicy(test::policy("shop/out").pods("app=shut").egress(open)));
    }

    const Host& server(std::size_t node) const { return lab.pod(node); }
    const Host& client(std::size_t node) const { return lab.pod(2 + node); }
    const Host& shut(std::size_t node) const { return lab.pod(4 + node); }

    Lab lab;
    Cluster cluster;
};

CompileOptions rejecting() {
    return {.node = "", .counters = true, .deny_with = DenyWith::reject};
}

/// Both protocols and families from one host to another are told.
void check_told(const Host& from, const Host& to, std::chrono::microseconds& slowest) {
    for (const auto family : {Family::ipv4, Family::ipv6}) {
        const Address address = to.primary(family);
        CAPTURE(from.name, to.name, to_string(address));
        const Answer tcp = attempt({.from = &from, .to = address});
        CHECK(tcp.error == ECONNREFUSED);
        const Answer udp = attempt({.from = &from, .to = address, .protocol = IPPROTO_UDP});
        CHECK(udp.error == prohibited(family));
        slowest = std::max({slowest, tcp.took, udp.took});
        // What is allowed is answered by the pod itself, whose UDP says that nobody listens.
        const Answer open =
            attempt({.from = &from, .to = address, .port = kOpenPort, .protocol = IPPROTO_UDP});
        CHECK(open.error == ECONNREFUSED);
    }
}

}  // namespace

TEST_CASE("Lab: with --deny-with=reject who opens a denied connection is told at once") {
    const Scene scene;
    Enforcer enforcer(scene.lab, rejecting());
    enforcer.apply(scene.cluster);
    std::chrono::microseconds slowest{};
    for (const std::size_t node : {0U, 1U}) {
        const std::size_t other = 1 - node;
        // Denied where it arrives: from its own node, from the other, from outside.
        check_told(scene.client(node), scene.server(node), slowest);
        check_told(scene.client(node), scene.server(other), slowest);
        // Denied where it leaves.
        check_told(scene.shut(node), scene.client(node), slowest);
        check_told(scene.shut(node), scene.client(other), slowest);
    }
    check_told(scene.lab.outside(), scene.server(0), slowest);
    check_told(scene.lab.outside(), scene.server(1), slowest);
    std::printf("denied connections are told within %lld us\n",
                static_cast<long long>(slowest.count()));
}

TEST_CASE("Lab D2: with --deny-with=reject pods that may not reach their node are told") {
    const Scene scene;
    CompileOptions options = rejecting();
    options.pod_to_node_enforced = true;
    Enforcer enforcer(scene.lab, options);
    enforcer.apply(scene.cluster);
    std::chrono::microseconds slowest{};
    for (const std::size_t node : {0U, 1U}) {
        check_told(scene.shut(node), scene.lab.node(node), slowest);
    }
}

TEST_CASE("Lab: with --deny-with=drop nobody is told") {
    const Scene scene;
    Enforcer enforcer(scene.lab);
    enforcer.apply(scene.cluster);
    for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
        const Answer answer = attempt({.from = &scene.client(0),
                                       .to = scene.server(0).primary(Family::ipv4),
                                       .protocol = protocol});
        CHECK(answer.error == ETIMEDOUT);
    }
}

TEST_CASE("Lab: with --deny-with=reject clients of Services are told, of TCP only where routed") {
    const Scene scene;
    Enforcer enforcer(scene.lab, rejecting());
    enforcer.apply(scene.cluster);
    for (const std::size_t node : {0U, 1U}) {
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            const bool v4 = family == Family::ipv4;
            const Address service = test::ip(v4 ? "10.96.0.10" : "fd00:96::10");
            const std::string pod = to_string(scene.server(node).primary(family));
            const std::string ip = v4 ? "ip" : "ip6";
            {
                const Stay stay = scene.lab.node(node).ns.enter();
                test::nft_load("table " + ip + " services { chain prerouting { type nat hook " +
                               "prerouting priority dstnat; " + ip + " daddr " +
                               to_string(service) + " meta l4proto { tcp, udp } th dport " +
                               std::to_string(kServicePort) + " dnat to " +
                               (v4 ? pod : "[" + pod + "]") + ":" + std::to_string(kPort) +
                               "\n}\n}\n");
            }
            CAPTURE(node, to_string(service));
            Try way{.from = &scene.client(node), .to = service, .port = kServicePort};
            // br_netfilter sends the reset straight out of the port (nf_send_reset() in
            // nf_reject_ipv4.c): it bears the pod's address, and the client does not know it.
            CHECK(attempt(way).error == (node == 0 ? ETIMEDOUT : ECONNREFUSED));
            way.protocol = IPPROTO_UDP;
            CHECK(attempt(way).error == prohibited(family));
        }
    }
}

TEST_CASE(
    "Lab: a connection that conntrack forgot is not reset, and goes on when its client speaks") {
    Scene scene;
    // It only answers: once forgotten, what it says looks like a connection of its own.
    scene.cluster.put(NetworkPolicy(test::policy("shop/silent").pods("app=server").egress()));
    Enforcer enforcer(scene.lab, rejecting());
    enforcer.apply(scene.cluster);
    for (const std::size_t node : {0U, 1U}) {
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            CAPTURE(node, family == Family::ipv6);
            const Stay stay = scene.lab.node(node).ns.enter();
            Talk talk({.client = &scene.client(node),
                       .server = &scene.server(node),
                       .family = family,
                       .port = kOpenPort});
            check_program(
                {"conntrack", "--family", family == Family::ipv4 ? "ipv4" : "ipv6", "-F"});
            CHECK_FALSE(talk.says(Talk::End::server));
            CHECK(talk.says(Talk::End::client));
            CHECK(talk.says(Talk::End::server));
        }
    }
}

}  // namespace podfence::lab
