#include "controller/self_test/probe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/self_test/conversation.hpp"
#include "controller/self_test/socket_address.hpp"

namespace podfence::self_test {

namespace {

using Steady = std::chrono::steady_clock;

/// Between two looks at the counter, of which the kernel tells nobody. A packet that is denied is
/// most often counted before the call that sent it returns.
constexpr int kLookMs = 5;

nft::Error failure(const char* doing, int os_error) {
    return {.code = nft::classify(os_error), .os_error = os_error, .doing = doing};
}

/// What the network answers to somebody who sends.
bool is_refusal(int error) {
    constexpr std::array kRefusals{ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH,
                                   EACCES,       EPERM,      EPROTO,       ENOPROTOOPT};
    return std::ranges::find(kRefusals, error) != kRefusals.end();
}

/// One flow between its first packet and its fate.
class Attempt {
  public:
    Attempt(const Pods& pods, std::size_t index, const Flow& flow)
        : source_(pods.source(index)),
          destination_(pods.destination(index)),
          stream_(flow.protocol == Protocol::tcp) {}

    nft::Result<void> begin(const SocketAddress& to) const {
        if (::connect(source_, to.get(), to.size()) != 0 && errno != EINPROGRESS) {
            return is_refusal(errno) ? nft::Result<void>() : failure("connect", errno);
        }
        constexpr char kHello = 'p';
        if (!stream_ && ::send(source_, &kHello, sizeof kHello, MSG_NOSIGNAL) < 0 &&
            !is_refusal(errno)) {
            return failure("send", errno);
        }
        return {};
    }

    /// nullopt: nothing has happened after so many milliseconds.
    std::optional<Fate> look(int wait_ms) const {
        std::array<pollfd, 2> both{{{.fd = source_, .events = 0, .revents = 0},
                                    {.fd = destination_, .events = POLLIN, .revents = 0}}};
        if (::poll(both.data(), both.size(), wait_ms) <= 0) return std::nullopt;
        if ((both[1].revents & POLLIN) != 0) return Fate::passed;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(source_, SOL_SOCKET, SO_ERROR, &error, &size);
        return error != 0 ? std::optional(Fate::answered) : std::nullopt;
    }

    /// Nothing of it is sent again.
    void end() const {
        if (!stream_) return;
        // Without waiting: a reset for what is connected, silence for what is not.
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(source_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        sockaddr none{};
        none.sa_family = AF_UNSPEC;
        static_cast<void>(::connect(source_, &none, sizeof none));
    }

  private:
    int source_;
    int destination_;
    bool stream_;
};

nft::Result<Fate> fate_of(const Attempt& attempt, std::uint64_t before, const Rules& rules,
                          std::chrono::milliseconds patience) {
    const auto end = Steady::now() + patience;
    // The last look comes after the time is over, with a last reading of the counter before it.
    for (bool over = false;; over = Steady::now() >= end) {
        if (const auto fate = attempt.look(0)) return *fate;
        const auto now = rules.denied();
        if (!now) return now.error();
        if (*now > before) return Fate::dropped;
        if (const auto fate = attempt.look(over ? 0 : kLookMs)) return *fate;
        if (over) return Fate::lost;
    }
}

/// A flow's first packet.
nft::Result<Fate> try_first(const Pods& pods, const PodAddresses& addresses, const Flow& flow,
                            std::size_t index, const Rules& rules,
                            std::chrono::milliseconds patience) {
    const auto before = rules.denied();
    if (!before) return before.error();
    const Attempt attempt(pods, index, flow);
    if (auto begun = attempt.begin(address_of(addresses.second, flow)); !begun) {
        return begun.error();
    }
    auto fate = fate_of(attempt, *before, rules, patience);
    attempt.end();
    return fate;
}

/// What becomes of a packet in a connection that was cut.
nft::Result<Fate> after_cut(const Conversation& talk, End from, const Rules& rules) {
    const End to = from == End::first ? End::second : End::first;
    const auto before = rules.denied();
    if (!before) return before.error();
    if (!talk.say(from)) return Fate::answered;
    const auto end = Steady::now() + kCutPatience;
    for (bool over = false;; over = Steady::now() >= end) {
        if (talk.hears(to, std::chrono::milliseconds(0))) return Fate::passed;
        if (talk.is_refused(from)) return Fate::answered;
        const auto now = rules.denied();
        if (!now) return now.error();
        if (*now > *before) return Fate::dropped;
        if (over) return Fate::lost;
        if (talk.hears(to, std::chrono::milliseconds(kLookMs))) return Fate::passed;
    }
}

nft::Result<Fate> try_cut(Conversation& talk, const Flow& flow, const Rules& rules,
                          std::chrono::milliseconds patience) {
    const auto open = talk.open(patience);
    if (!open) return open.error();
    if (!*open) return Fate::lost;
    const auto cut = rules.cut(talk.original());
    if (!cut) return cut.error();
    if (!*cut) return Fate::lost;
    auto there = after_cut(talk, End::first, rules);
    // An end of TCP that was told is silent; of others each direction is a matter of its own.
    if (!there || *there == Fate::passed || flow.protocol == Protocol::tcp) return there;
    auto back = after_cut(talk, End::second, rules);
    return !back || *back == Fate::passed ? back : there;
}

}  // namespace

nft::Result<std::vector<Fate>> try_flows(const Pods& pods, const PodAddresses& addresses,
                                         const std::vector<Flow>& flows, const Rules& rules) {
    std::vector<Fate> fates;
    std::deque<Conversation> talks;  // To the end: what they would send then is counted, too.
    auto patience = kPatience;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const bool cut = flows[i].expected == Expected::cut;
        const auto fate = cut ? try_cut(talks.emplace_back(pods, i, flows[i], addresses), flows[i],
                                        rules, patience)
                              : try_first(pods, addresses, flows[i], i, rules, patience);
        if (!fate) return fate.error();
        if (*fate == Fate::lost) patience = kImpatience;
        fates.push_back(*fate);
    }
    // What was counted as denied may have arrived all the same, by another way.
    for (std::size_t i = 0; i < flows.size(); ++i) {
        if (flows[i].expected == Expected::cut) continue;
        if (Attempt(pods, i, flows[i]).look(0) == Fate::passed) fates[i] = Fate::passed;
    }
    return fates;
}

}  // namespace podfence::self_test
