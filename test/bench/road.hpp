#pragma once

#include <cstdint>

#include "test/support/lab.hpp"
#include "test/support/lab_fd.hpp"

namespace podfence::bench {

/// Two pods of one node, wired by the CNI plugin ptp, so that the node routes between them: the
/// shortest way that a pod's traffic can go, on which rules weigh most. One thread is client and
/// server; a connection's whole cost, softirqs of all three namespaces included, falls on its
/// processor, and nobody waits for anybody's wake-up.
class Road {
  public:
    Road();

    static constexpr std::uint16_t kPort = 5000;
    const lab::Network& network() const { return lab_; }
    const lab::Host& node() const { return lab_.node(0); }
    const lab::Host& client() const { return lab_.pod(0); }
    const lab::Host& server() const { return lab_.pod(1); }

    /// Opens, accepts and resets IPv4 connections for that long; gives connections a second. Throws
    /// lab::Failure when one is refused or lost. Reset and not closed in turns, or the client's
    /// ports would be used up by TIME_WAIT.
    double connect_for(double seconds);

    /// Sends over one established connection for that long; gives Gbit/s of what was received.
    double stream_for(double seconds);

  private:
    lab::UniqueFd connect_to_server() const;
    lab::UniqueFd accept() const;

    lab::Lab lab_;
    nft::Address from_;
    nft::Address to_;
    lab::UniqueFd listener_;
    lab::UniqueFd stream_out_, stream_in_;
};

}  // namespace podfence::bench
