#pragma once

#include <chrono>
#include <cstddef>

#include "controller/self_test/pods.hpp"
#include "nft/conntrack.hpp"

namespace podfence::self_test {

/// One end of a flow.
enum class End : std::uint8_t { first, second };

/// An open connection between the two pods, TCP or UDP, in which either may say something.
class Conversation {
  public:
    /// The sockets remain the pods', which must outlive it.
    Conversation(const Pods& pods, std::size_t index, const Flow& flow,
                 const PodAddresses& addresses);

    /// Opens it, and lets both ends hear each other as often as it takes to be offloaded where
    /// somebody offloads what is established. false: something was lost or refused. Each packet is
    /// waited for so long.
    nft::Result<bool> open(std::chrono::milliseconds patience);

    /// As conntrack names it.
    nft::Tuple original() const;

    /// One packet. false: the connection is over.
    bool say(End from) const;
    /// Whether something has arrived since the last call, waiting for it.
    bool hears(End at, std::chrono::milliseconds patience) const;
    /// Whether the end has been told that the connection is over.
    bool is_refused(End at) const;

  private:
    bool accept(std::chrono::milliseconds patience);
    bool exchange(std::chrono::milliseconds patience) const;
    int socket_of(End end) const { return end == End::first ? first_ : second_; }

    bool stream_;
    Address source_;
    Address destination_;
    std::uint16_t port_;
    int first_;
    int second_;  ///< What listens, until it is open.
    UniqueFd accepted_{};
};

}  // namespace podfence::self_test
