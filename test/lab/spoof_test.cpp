// Forged sources against real interfaces: what the guard of interfaces lets in.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "test/support/effort.hpp"
#include "test/support/lab_guard.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kPort = Forger::kPort;

/// Whether a datagram to a port where nobody listens is told so.
bool answers(const Host& from, const Address& to) {
    constexpr int kPatienceMs = 3000;
    const Stay stay = from.ns.enter();
    const UniqueFd fd(
        ::socket(to.family() == Family::ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SocketAddress there = socket_address(to, kPort);
    const char mark = 'h';
    if (!fd || ::connect(fd.get(), there.get(), there.length) != 0 ||
        ::send(fd.get(), &mark, 1, 0) != 1) {
        fail_errno("a datagram to " + to_string(to));
    }
    pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
    char none = 0;
    return ::poll(&waiting, 1, kPatienceMs) == 1 && ::recv(fd.get(), &none, 1, 0) == -1 &&
           errno == ECONNREFUSED;
}

/// From every pod of the node to the others, the nodes and the outside: what kernels make of it,
/// ARP and neighbour discovery included, is honest. Gives how many answers did not come.
std::size_t unanswered(const Network& network, std::size_t node) {
    std::vector<std::pair<const Host*, Address>> pairs;
    for (std::size_t i = node; i < network.pod_count(); i += 2) {
        for (const Host& to : network.hosts()) {
            if (&to == &network.pod(i)) continue;
            for (const Family family : {Family::ipv4, Family::ipv6}) {
                pairs.emplace_back(&network.pod(i), to.primary(family));
            }
        }
    }
    return static_cast<std::size_t>(std::ranges::count_if(
        pairs, [](const auto& pair) { return !answers(*pair.first, pair.second); }));
}

std::size_t packets_of_run() {
    const char* text = std::getenv("PODFENCE_SPOOFED_PACKETS");
    return text == nullptr ? test::effort(40'000) : std::stoul(text);
}

}  // namespace

TEST_CASE("Lab N73: forged frames do not pass a pod's interface, honest ones do") {
    const Lab lab(six_pods());
    for (const auto& [wiring, number] : kWiredNodes) {
        INFO(wiring);
        Guard guard(lab, number);
        REQUIRE(guard.status().interfaces.total() == 3);
        CHECK(guard.status().unproved.total() == 0);
        // What the kernels of pods say of themselves, ARP and neighbour discovery included.
        CHECK(unanswered(lab, number) == 0);
        CHECK(guard.refused() == 0);

        Stage stage(lab, number);
        Ear ear(stage.receiver);
        const auto forged = stage.forger.forged();
        const auto honest = stage.forger.honest();
        std::uint64_t forged_sent = 0;
        std::uint64_t honest_sent = 0;
        while (forged_sent + honest_sent < packets_of_run() / 2) {
            std::vector<Bytes> burst;
            for (int i = 0; i < 8; ++i) {
                burst.insert(burst.end(), forged.begin(), forged.end());
                burst.insert(burst.end(), honest.begin(), honest.end());
            }
            stage.forger.send(burst);
            forged_sent += 8 * forged.size();
            honest_sent += 8 * honest.size();
            ear.listen();
        }
        ear.listen();
        CHECK(guard.refused() == forged_sent);
        CHECK(ear.forged == 0);
        CHECK(ear.honest == honest_sent);
        std::printf("%s: %llu forged frames, %llu passed; %llu honest, %llu lost\n", wiring,
                    static_cast<unsigned long long>(forged_sent),
                    static_cast<unsigned long long>(ear.forged),
                    static_cast<unsigned long long>(honest_sent),
                    static_cast<unsigned long long>(honest_sent - ear.honest));
    }
}

TEST_CASE("Lab N73: an audit lets forged frames in and counts them") {
    const Lab lab(six_pods());
    Guard guard(lab, 0, AntiSpoofMode::audit);
    Stage stage(lab, 0);
    const auto forged = stage.forger.forged();
    Ear ear(stage.receiver);
    stage.forger.send(forged);
    ear.listen();
    CHECK(guard.refused() == forged.size());
    CHECK(ear.forged > 0);
}

TEST_CASE("Lab N73: what a pod's annotation lists passes from that pod, while it lists it") {
    const Lab lab(six_pods());
    for (const auto& [wiring, number] : kWiredNodes) {
        INFO(wiring);
        Guard guard(lab, number, {.extra_by_annotation = true});
        Stage stage(lab, number);
        const Address v4 = Address::parse("198.51.100.7").value();
        const Address v6 = Address::parse("2001:db8::bad").value();
        const Address to4 = stage.receiver.primary(Family::ipv4);
        const Address to6 = stage.receiver.primary(Family::ipv6);
        const std::vector<Bytes> frames{
            udp_frame(stage.forger.wire(), v4, to4, kPort, Bytes(16, 'h')),
            udp_frame(stage.forger.wire(), v6, to6, kPort, Bytes(16, 'h')),
            arp_frame(stage.forger.everyone(), 2, v4, to4)};
        // How many are refused when this pod lists that.
        const auto refused = [&](const Host& host, const std::vector<Prefix>& extra) {
            Pod pod = *guard.cluster().find_pod({"lab", host.name});
            pod.extra_addresses = extra;
            guard.change(pod);
            guard.settle();
            const auto before = guard.refused();
            stage.forger.send(frames);
            return guard.refused() - before;
        };
        const std::vector<Prefix> extra{*Prefix::make(v4, 29), *Prefix::make(v6, 128)};
        CHECK(refused(stage.victim, extra) == frames.size());
        CHECK(refused(stage.sender, extra) == 0);
        CHECK(refused(stage.sender, {}) == frames.size());
    }
}

}  // namespace podfence::lab
