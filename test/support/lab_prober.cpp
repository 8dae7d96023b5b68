#include "test/support/lab_prober.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>

#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>

#include "test/support/lab_packets.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

constexpr std::size_t kRoundSizeMax = 1500;
constexpr std::size_t kRoundSizeMin = 16;
constexpr int kRoundTries = 9;
// TCP repeats a SYN after one second, SCTP an INIT after three.
constexpr std::chrono::milliseconds kRoundTimeMax{900};
constexpr std::chrono::milliseconds kPatience{3000};

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmpV6 = 58;

std::string describe(const Flow& flow) {
    return to_string(flow.source) + " -> " + to_string(flow.destination) + " protocol " +
           std::to_string(flow.protocol) + " port " + std::to_string(flow.port);
}

std::string unaccounted(std::span<const Flow> flows, std::span<const Outcome> outcomes,
                        std::uint64_t dropped, std::chrono::milliseconds time) {
    const auto missing = std::count(outcomes.begin(), outcomes.end(), Outcome::dropped);
    std::string text = std::to_string(missing) + " of " + std::to_string(flows.size()) +
                       " flows were not answered, but nodes dropped " + std::to_string(dropped) +
                       " packets, within " + std::to_string(time.count()) + " ms:";
    constexpr int kNamedMax = 20;
    int named = 0;
    for (std::size_t i = 0; i < flows.size() && named < kNamedMax; ++i) {
        if (outcomes[i] != Outcome::dropped) continue;
        text += "\n  " + describe(flows[i]);
        ++named;
    }
    return text;
}

struct UdpPayload {
    std::uint16_t nonce = 0;
    std::uint16_t index = 0;
};

}  // namespace

/// The flows of one round and what is known of them.
struct Prober::Attempts {
    explicit Attempts(std::span<Outcome> outcomes)
        : outcomes(outcomes), unanswered(outcomes.size()) {
        std::fill(outcomes.begin(), outcomes.end(), Outcome::dropped);
    }
    void settle(std::size_t index, Outcome outcome) {
        if (index >= outcomes.size() || outcomes[index] != Outcome::dropped) return;
        outcomes[index] = outcome;
        --unanswered;
    }

    std::span<Outcome> outcomes;
    std::size_t unanswered;
    std::deque<Connect> connects;
    std::map<std::pair<const Host*, Family>, std::unique_ptr<UdpPort>> udp_ports;
};

/// One TCP or SCTP connection under way.
class Prober::Connect final : public Pollable {
  public:
    Connect(Prober& prober, std::size_t index, UniqueFd fd)
        : prober_(prober), index_(index), fd_(std::move(fd)) {
        prober.poller_.add(fd_.get(), EPOLLOUT | EPOLLONESHOT, *this);
    }
    void ready(std::uint32_t /*events*/) override {
        const int error = connect_error(fd_.get());
        if (error != 0 && error != ECONNREFUSED)
            fail(std::string("connection ended with ") + std::strerror(error));
        prober_.current_->settle(index_, error == 0 ? Outcome::answered : Outcome::refused);
    }

  private:
    Prober& prober_;
    std::size_t index_;
    UniqueFd fd_;
};

/// The source of all UDP flows of one host, family and round.
class Prober::UdpPort final : public Pollable {
  public:
    UdpPort(Prober& prober, Family family) : prober_(prober), socket_(Dialect::udp, family, 0) {
        prober.poller_.add(socket_.fd(), EPOLLIN, *this);
    }
    void send(const Flow& flow, std::size_t index) {
        const UdpPayload payload{prober_.nonce_, static_cast<std::uint16_t>(index)};
        std::array<std::uint8_t, sizeof payload> bytes{};
        std::memcpy(bytes.data(), &payload, sizeof payload);
        socket_.send(flow.source, flow.destination, flow.port, bytes);
    }
    void ready(std::uint32_t /*events*/) override {
        for (DatagramSocket::Received r; socket_.receive(r);) {
            settle(r.payload, Outcome::answered);
        }
        for (std::span<const std::uint8_t> back; socket_.receive_refused(back);)
            settle(back, Outcome::refused);
    }

  private:
    void settle(std::span<const std::uint8_t> bytes, Outcome outcome) {
        UdpPayload payload;
        if (bytes.size() != sizeof payload) return;
        std::memcpy(&payload, bytes.data(), sizeof payload);
        if (payload.nonce == prober_.nonce_) prober_.current_->settle(payload.index, outcome);
    }

    Prober& prober_;
    DatagramSocket socket_;
};

/// ICMP or SCTP of one host and family. Flows are told apart by echo id or initiate tag.
class Prober::RawPort final : public Pollable {
  public:
    RawPort(Prober& prober, bool icmp, Family family)
        : prober_(prober),
          icmp_(icmp),
          v6_(family == Family::ipv6),
          socket_(icmp ? Dialect::icmp : Dialect::sctp, family, 0) {
        prober.poller_.add(socket_.fd(), EPOLLIN, *this);
    }
    void send(const Flow& flow, std::size_t index) {
        const auto number = static_cast<std::uint16_t>(index);
        if (icmp_) {
            socket_.send(flow.source, flow.destination, 0,
                         echo_request(v6_, number, prober_.nonce_));
            return;
        }
        const SctpPacket init{
            .source_port = source_port(number),
            .destination_port = flow.port,
            .verification_tag = 0,
            .chunk_type = kSctpInit,
            .initiate_tag = static_cast<std::uint32_t>(prober_.nonce_) << 16 | number};
        socket_.send(flow.source, flow.destination, flow.port, sctp_packet(init));
    }
    void ready(std::uint32_t /*events*/) override {
        for (DatagramSocket::Received r; socket_.receive(r);) {
            if (prober_.current_ == nullptr) continue;
            if (icmp_) {
                const auto reply = parse_echo_reply(v6_, r.payload);
                if (reply && reply->sequence == prober_.nonce_)
                    prober_.current_->settle(reply->id, Outcome::answered);
                continue;
            }
            const auto packet = parse_sctp(r.payload);
            const bool answer =
                packet && (packet->chunk_type == kSctpInitAck || packet->chunk_type == kSctpAbort);
            if (!answer || packet->verification_tag >> 16 != prober_.nonce_) continue;
            // A kernel with SCTP aborts what its host did not ask for, with the tag that came in
            // (RFC 9260, 8.4): seen at the other end, that is no answer.
            const auto index = static_cast<std::uint16_t>(packet->verification_tag & 0xffff);
            if (packet->destination_port != source_port(index)) continue;
            prober_.current_->settle(
                index, packet->chunk_type == kSctpAbort ? Outcome::refused : Outcome::answered);
        }
    }

  private:
    static std::uint16_t source_port(std::uint16_t index) {
        return static_cast<std::uint16_t>(10000 + index);
    }

    Prober& prober_;
    bool icmp_;
    bool v6_;
    DatagramSocket socket_;
};

Prober::Prober(const Network& network, Poller& poller, Witness& witness)
    : network_(network),
      poller_(poller),
      witness_(witness),
      kernel_sctp_(kernel_has_sctp()),
      round_size_(kRoundSizeMax) {}

Prober::~Prober() = default;

Prober::RawPort& Prober::raw_port(const Host& host, bool icmp, Family family) {
    auto& port = raw_ports_[{&host, (icmp ? 2 : 0) + (family == Family::ipv6 ? 1 : 0)}];
    if (!port) port = std::make_unique<RawPort>(*this, icmp, family);
    return *port;
}

/// The calling thread is in the host's namespace.
void Prober::launch_one(const Host& host, const Flow& flow, std::size_t index, Attempts& attempts) {
    const Family family = flow.source.family();
    // SCTP sockets refuse an own address that another interface than the route's has
    // (sctp_v4_get_dst), at either end; nodes and the outside host have such, pods do not.
    const auto is_pod = [](const Host* end) {
        return end != nullptr && end->kind == Host::Kind::pod;
    };
    const bool sctp_socket = kernel_sctp_ && flow.protocol == IPPROTO_SCTP && index % 2 == 0 &&
                             is_pod(&host) && is_pod(network_.owner_of(flow.destination));
    if (flow.protocol == IPPROTO_TCP || sctp_socket) {
        attempts.connects.emplace_back(
            *this, index, start_connect(flow.protocol, flow.source, flow.destination, flow.port));
    } else if (flow.protocol == IPPROTO_UDP) {
        auto& port = attempts.udp_ports[{&host, family}];
        if (!port) port = std::make_unique<UdpPort>(*this, family);
        port->send(flow, index);
    } else if (flow.protocol == kIcmp || flow.protocol == kIcmpV6) {
        raw_port(host, true, family).send(flow, index);
    } else if (flow.protocol == IPPROTO_SCTP) {
        raw_port(host, false, family).send(flow, index);
    } else {
        fail("no probe for " + describe(flow));
    }
}

void Prober::launch(std::span<const Flow> flows, Attempts& attempts) {
    std::map<const Host*, std::vector<std::size_t>> by_source;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const Host* host = network_.owner_of(flows[i].source);
        if (host == nullptr) fail("nobody in the lab has the source of " + describe(flows[i]));
        by_source[host].push_back(i);
    }
    for (const auto& [host, indices] : by_source) {
        const Stay stay = host->ns.enter();
        for (const auto i : indices) launch_one(*host, flows[i], i, attempts);
    }
}

/// True when every flow is accounted for within the time in which nothing is sent twice.
bool Prober::await(Attempts& attempts, std::uint64_t dropped_before) {
    using Clock = std::chrono::steady_clock;
    const auto patience_ends = Clock::now() + kPatience;
    while (Clock::now() < patience_ends) {
        while (poller_.wait(0)) {}
        if (attempts.unanswered == 0) return true;
        last_dropped_ = witness_.dropped() - dropped_before;
        if (last_dropped_ == attempts.unanswered) return true;
        poller_.wait(5);
    }
    return false;
}

bool Prober::round(std::span<const Flow> flows, std::span<Outcome> outcomes) {
    witness_.forget_connections();
    ++nonce_;
    if (nonce_ == 0) nonce_ = 1;  // an initiate tag must not be zero
    Attempts attempts(outcomes);
    current_ = &attempts;
    const std::uint64_t dropped_before = witness_.dropped();
    const auto start = std::chrono::steady_clock::now();
    launch(flows, attempts);
    const bool accounted = await(attempts, dropped_before);
    current_ = nullptr;
    ++totals_.rounds;
    last_time_ = std::chrono::steady_clock::now() - start;
    const bool in_time = last_time_ < kRoundTimeMax;
    if (accounted && (in_time || attempts.unanswered == 0)) return true;
    ++totals_.repeated;
    round_size_ = std::max(kRoundSizeMin, round_size_ / 2);
    return false;
}

std::vector<Outcome> Prober::run(std::span<const Flow> flows) {
    const StayOnProcessor stay;
    std::vector<Outcome> outcomes(flows.size());
    int failed = 0;
    for (std::size_t at = 0; at < flows.size();) {
        const std::size_t count = std::min(round_size_, flows.size() - at);
        const auto part = flows.subspan(at, count);
        const auto result = std::span(outcomes).subspan(at, count);
        if (!round(part, result)) {
            if (++failed == kRoundTries)
                fail(
                    unaccounted(part, result, last_dropped_,
                                std::chrono::duration_cast<std::chrono::milliseconds>(last_time_)));
            continue;
        }
        failed = 0;
        at += count;
        for (const auto& flow : part) ++totals_.by_protocol[flow.protocol];
        totals_.flows += count;
        totals_.reached +=
            static_cast<std::size_t>(std::count_if(result.begin(), result.end(), reached));
    }
    return outcomes;
}

StayOnProcessor::StayOnProcessor() : before_(sizeof(cpu_set_t)) {
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) fail_errno("sched_getaffinity");
    std::memcpy(before_.data(), &set, sizeof set);
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) fail_errno("sched_setaffinity");
}

StayOnProcessor::~StayOnProcessor() {
    cpu_set_t set;
    std::memcpy(&set, before_.data(), sizeof set);
    ::sched_setaffinity(0, sizeof set, &set);
}

}  // namespace podfence::lab
