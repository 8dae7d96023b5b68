// What happens to traffic while rules change: nothing, unless the change is about that traffic.
#include <array>
#include <chrono>
#include <iostream>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "test/lab/switching.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_rig.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

/// A TCP connection to an echo server that lives as long as the object.
class Chat final : public Pollable {
  public:
    Chat(Poller& poller, const Host& from, const Address& to, std::uint16_t port)
        : poller_(poller) {
        const Stay stay = from.ns.enter();
        fd_ = start_connect(IPPROTO_TCP, from.primary(to.family()), to, port);
        poller_.add(fd_.get(), EPOLLIN, *this);
    }
    void ready(std::uint32_t /*events*/) override {
        std::array<char, 256> buffer{};
        const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (n > 0) echoed_ += static_cast<std::size_t>(n);
    }
    /// Says one byte and hears it back. TCP repeats what is lost, so a byte that comes within the
    /// time is one that was not lost.
    bool echo() {
        constexpr std::chrono::milliseconds kBeforeAnyRepetition{190};  // TCP's shortest is 200 ms
        const auto until = std::chrono::steady_clock::now() + kBeforeAnyRepetition;
        const std::size_t want = echoed_ + 1;
        if (::send(fd_.get(), "x", 1, MSG_NOSIGNAL) != 1) return false;
        while (echoed_ < want && std::chrono::steady_clock::now() < until) poller_.wait(1);
        return echoed_ == want;
    }
    bool connected() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
        while (std::chrono::steady_clock::now() < until) {
            poller_.wait(1);
            if (::send(fd_.get(), "", 0, MSG_NOSIGNAL) == 0) return true;
        }
        return false;
    }

  private:
    Poller& poller_;
    UniqueFd fd_;
    std::size_t echoed_ = 0;
};

}  // namespace

TEST_CASE("switching policies under traffic loses nothing and lets nothing through") {
    constexpr std::chrono::seconds kTime{4};
    Rig rig(two_nodes(Wiring::bridge, Wiring::ptp, 6), {53, 80, 443, 8080});
    std::uint64_t seed = seed_of_run();
    const PolicyPair pair = choose_pair(rig, seed);
    INFO("seed " << seed);
    Switcher switcher(rig, pair);
    std::size_t lost = 0;
    std::size_t leaked = 0;
    while (switcher.go_on(kTime)) {
        const auto always = rig.prober.run(pair.always);
        for (std::size_t i = 0; i < always.size(); ++i) {
            if (reached(always[i])) continue;
            ++lost;
            UNSCOPED_INFO("lost " << describe(rig.lab, pair.always[i]));
        }
        const auto never = rig.prober.run(pair.never);
        for (std::size_t i = 0; i < never.size(); ++i) {
            if (!reached(never[i])) continue;
            ++leaked;
            UNSCOPED_INFO("leaked " << describe(rig.lab, pair.never[i]));
        }
    }
    const std::size_t switches = switcher.stop();
    std::cout << "lab switch: " << switches << " switches under " << rig.prober.totals().flows
              << " real flows, of which " << rig.prober.totals().reached << " were always allowed; "
              << rig.prober.totals().repeated << " rounds repeated; seed " << seed << std::endl;
    CHECK(lost == 0);
    CHECK(leaked == 0);
    CHECK(switches >= kSwitchesMin);
}

TEST_CASE("N63 D4: open connections live through every change") {
    Rig rig(two_nodes(Wiring::bridge, Wiring::ptp, 3), {80});
    std::vector<std::unique_ptr<Chat>> chats;
    for (const auto* from : {&rig.lab.pod(0), &rig.lab.pod(1), &rig.lab.outside()}) {
        for (const auto* to : {&rig.lab.pod(2), &rig.lab.pod(3)}) {
            for (const auto family : {Family::ipv4, Family::ipv6})
                chats.push_back(std::make_unique<Chat>(rig.poller, *from, to->primary(family), 80));
        }
    }
    for (const auto& chat : chats) CHECK(chat->connected());
    for (const auto& chat : chats) CHECK(chat->echo());

    Cluster shut;
    for (const auto& pod : rig.generator_options().fixed_pods) shut.put(pod);
    for (const char* ns : {"a", "b", "c"})
        shut.put(NetworkPolicy(test::policy(std::string(ns) + "/deny").ingress().egress()));
    Cluster open = shut;
    for (const char* ns : {"a", "b", "c"}) open.remove_policy({ns, "deny"});
    for (int i = 0; i < 10; ++i) {
        rig.enforcer.apply(i % 2 == 0 ? shut : open);
        for (const auto& chat : chats) CHECK(chat->echo());
    }
    // They live because they are established (D4), not because nothing is enforced.
    rig.enforcer.apply(shut);
    const Flow fresh{.source = rig.lab.pod(0).primary(Family::ipv4),
                     .destination = rig.lab.pod(2).primary(Family::ipv4),
                     .protocol = 6,
                     .port = 80};
    CHECK(rig.prober.run(std::vector{fresh}).at(0) == Outcome::dropped);
}

}  // namespace podfence::lab
