#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nft/addr.hpp"
#include "test/support/lab_fd.hpp"
#include "test/support/lab_netns.hpp"
#include "test/support/lab_packets.hpp"

/// Whole Ethernet frames, as a program with CAP_NET_RAW in a pod can make them.
namespace podfence::lab {

using nft::Address;
using Mac = std::array<std::uint8_t, 6>;

struct Wire {
    Mac source{};
    Mac destination{};
};

Bytes udp_frame(const Wire& wire, const Address& from, const Address& to, std::uint16_t port,
                std::span<const std::uint8_t> payload);
/// `operation`: 1 asks, 2 answers.
Bytes arp_frame(const Wire& wire, std::uint16_t operation, const Address& sender,
                const Address& target);
/// Neighbour discovery about `target`: 135 asks, 136 answers, 134 is a router's advertisement.
Bytes neighbour_frame(const Wire& wire, std::uint8_t type, const Address& from, const Address& to,
                      const Address& target);
/// The frame with an 802.1Q tag.
Bytes tagged(const Bytes& frame, std::uint16_t vlan);

/// The only interface of a namespace besides the loopback one, sending and hearing raw frames.
class Cable {
  public:
    explicit Cable(const NetNs& ns);

    const Mac& mac() const { return mac_; }
    /// All of them, in order, in a few system calls. Throws Failure.
    void send(std::span<const Bytes> frames);

  private:
    UniqueFd fd_;
    Mac mac_{};
};

/// The MAC address of an interface of the calling thread's namespace.
Mac mac_of(const std::string& interface);

}  // namespace podfence::lab
