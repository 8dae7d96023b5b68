#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nft/addr.hpp"
#include "nft/ruleset.hpp"

namespace podfence::nft {

/// A packet as the rules see it.
struct Packet {
    Address source;
    Address destination;  ///< Of the same family as the source.
    std::uint8_t protocol = 6;
    std::uint16_t destination_port = 0;  ///< Only for TCP, UDP, SCTP, DCCP, UDP-Lite.
    std::uint8_t icmp_type = 0;          ///< Only for ICMP and ICMPv6.
    std::uint32_t ct_state = ct_new;     ///< One bit of CtState.
    std::uint32_t ct_mark = 0;           ///< Of its connection.
    std::uint16_t source_port = 0;       ///< Where there is a destination port.
    bool source_local = false;           ///< The node's own address.
    // As an ingress hook sees it:
    std::uint32_t iif = 0;  ///< The interface's index; 0: not known, and no rule matches it.
    std::string device{};   ///< Its name: which ingress chains there are for the packet.
    /// 0: what the source's family says. Of ARP (0x0806) source and destination are sender and
    /// target; of anything but that and IP they mean nothing.
    std::uint16_t ether_type = 0;
    std::optional<Address> nd_target{};  ///< Of neighbour discovery (icmp_type 135 to 137).
};

/// One rule that the packet came by and that matched.
struct WalkStep {
    std::string chain;
    std::size_t rule = 0;  ///< Index in the chain.
    std::string note;      ///< The map entry or set that decided, in nft syntax.
};

struct WalkResult {
    bool accepted = false;
    std::vector<WalkStep> steps{};  ///< In order, over all base chains of the hook.
};

/// Follows one packet through all base chains of `hook` by ascending priority, as the kernel does:
/// an accept ends only its base chain, a drop ends all. Written independently of the compiler; with
/// the oracle and real packets it is one of three judges of a flow.
WalkResult walk(const Table& table, Hook hook, const Packet& packet);

}  // namespace podfence::nft
