#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "controller/explain.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_poller.hpp"
#include "test/support/lab_witness.hpp"

namespace podfence::lab {

/// What became of a flow's first packet. There is no "unknown": a flow is `dropped` only when the
/// nodes' counters account for it.
enum class Outcome : std::uint8_t {
    dropped,   ///< No answer, and a node dropped it.
    answered,  ///< The other end answered.
    refused,   ///< The other end was reached and nobody listens there.
};
inline bool reached(Outcome outcome) {
    return outcome != Outcome::dropped;
}

/// How SCTP was probed; see Prober.
struct ProbeTotals {
    std::size_t flows = 0;
    std::size_t reached = 0;
    std::size_t rounds = 0;
    std::size_t repeated = 0;  ///< Rounds that had to be done again, because they proved nothing.
    std::map<std::uint8_t, std::size_t> by_protocol{};  ///< IANA numbers.
};

/// Sends real flows between hosts, thousands at a time: TCP connects, UDP and ICMP echoes, SCTP by
/// raw INIT packets and, on kernels that have them, SCTP sockets in turns.
///
/// A round ends when every flow is accounted for: it was answered, or it is one of exactly as many
/// packets as the nodes dropped. Nothing retransmits before a second is over, so a round that takes
/// longer proves nothing and is done again; after a few such rounds the prober gives up with a
/// Failure that names the flows. All sending is done by the calling thread, which binds itself to
/// its processor: packets then travel the whole way inside the system call.
class Prober {
  public:
    /// `poller` also drives the servers, if they live in this process.
    Prober(const Network& network, Poller& poller, Witness& witness);
    ~Prober();

    /// In the order of the flows. Sources must be addresses of the network's hosts; destinations
    /// may be any.
    std::vector<Outcome> run(std::span<const Flow> flows);

    const ProbeTotals& totals() const { return totals_; }

  private:
    struct Attempts;
    class RawPort;
    class UdpPort;
    class Connect;

    bool round(std::span<const Flow> flows, std::span<Outcome> outcomes);
    void launch(std::span<const Flow> flows, Attempts& attempts);
    void launch_one(const Host& host, const Flow& flow, std::size_t index, Attempts& attempts);
    bool await(Attempts& attempts, std::uint64_t dropped_before);
    RawPort& raw_port(const Host& host, bool icmp, Family family);

    const Network& network_;
    Poller& poller_;
    Witness& witness_;
    bool kernel_sctp_;
    std::uint64_t last_dropped_ = 0;                   ///< By nodes, in the last round.
    std::chrono::steady_clock::duration last_time_{};  ///< That it took.
    std::size_t round_size_;                           ///< Flows; halved when a round was too slow.
    std::uint16_t nonce_ = 0;      ///< Of the round; answers to others are ignored.
    Attempts* current_ = nullptr;  ///< Of the round.
    std::map<std::pair<const Host*, int>, std::unique_ptr<RawPort>> raw_ports_;
    ProbeTotals totals_;
};

/// Binds the calling thread to the processor it is on, for as long as the object lives.
class StayOnProcessor {
  public:
    StayOnProcessor();
    StayOnProcessor(const StayOnProcessor&) = delete;
    StayOnProcessor& operator=(const StayOnProcessor&) = delete;
    ~StayOnProcessor();

  private:
    std::vector<std::uint8_t> before_;  ///< The former cpu_set_t.
};

}  // namespace podfence::lab
