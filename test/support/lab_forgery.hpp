#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "test/support/lab.hpp"
#include "test/support/lab_frames.hpp"

/// Who lies about who it is, and who listens.
namespace podfence::lab {

/// The host's side of a pod's only interface.
std::string node_side_of(const Network& network, const Host& pod);

/// A pod that sends frames to another of the same node, in its own name and in others'.
class Forger {
  public:
    /// All that is said goes to this port.
    static constexpr std::uint16_t kPort = 5000;

    /// `victim` is a third pod of the node, whose addresses are used. Nothing is owned.
    Forger(const Network& network, const Host& sender, const Host& receiver, const Host& victim);

    /// What the sender may not say.
    std::vector<Bytes> forged() const;
    /// What it may: one of each family to the receiver.
    std::vector<Bytes> honest() const;
    void send(const std::vector<Bytes>& frames) { cable_.send(frames); }
    /// To the receiver, by way of the node where there is no bridge.
    const Wire& wire() const { return wire_; }
    const Wire& everyone() const { return everyone_; }

  private:
    const Host& node_;
    const Host& sender_;
    const Host& receiver_;
    const Host& victim_;
    Cable cable_;
    Wire wire_{};
    Wire everyone_{};
};

/// Counts what comes to a receiver, by its mark.
class Ear {
  public:
    explicit Ear(const Host& host) : sockets_{open(host, Family::ipv4), open(host, Family::ipv6)} {}

    void listen();
    std::uint64_t honest = 0;
    std::uint64_t forged = 0;

  private:
    static UniqueFd open(const Host& host, Family family);
    std::array<UniqueFd, 2> sockets_;
};

}  // namespace podfence::lab
