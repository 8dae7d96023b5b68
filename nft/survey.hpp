#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nft/error.hpp"
#include "nft/netlink_socket.hpp"
#include "nft/wire_buffer.hpp"

/// The whole ruleset of a network namespace from a distance: what others hang on which hooks, in
/// which order, and what their rules can do to packets. Names may hold any bytes.
namespace podfence::nft {

/// What the rules of a chain or table can do that others notice; rules counted.
struct RuleEffects {
    std::uint32_t drops = 0;     ///< drop or reject, by nftables or by iptables on top of it.
    std::uint32_t queues = 0;    ///< Packets go to a program that decides.
    std::uint32_t forwards = 0;  ///< fwd: packets leave by another interface, past all hooks.
    std::uint32_t diverts = 0;   ///< dup, tproxy: packets are copied elsewhere, or end here.
    std::uint32_t offloads = 0;  ///< flow add: later packets pass by the hooks.
    std::uint32_t untracks = 0;  ///< notrack: conntrack does not know what replies to what.

    friend bool operator==(const RuleEffects&, const RuleEffects&) = default;
};

struct SurveyedTable {
    std::string family{};  ///< "ip", "ip6", "inet", "arp", "bridge" or "netdev".
    std::string name{};
    std::uint32_t flags = 0;            ///< NFT_TABLE_F_*
    std::vector<std::string> chains{};  ///< All of them, base chains and others.
    RuleEffects effects{};              ///< Of all its rules.

    bool dormant() const { return (flags & 1U) != 0; }  // NFT_TABLE_F_DORMANT
};

struct SurveyedHook {
    std::string family{};
    std::string table{};
    std::string chain{};
    std::string type{};  ///< "filter", "nat" or "route".
    std::string hook{};  ///< "prerouting", "forward", ..., "ingress", "egress".
    std::int32_t priority = 0;
    bool policy_drop = false;
    std::vector<std::string> devices{};  ///< Of a netdev chain; "veth*" for all that begin so.
    RuleEffects effects{};               ///< Of the rules in this chain alone.
};

struct SurveyedFlowtable {
    std::string family{};
    std::string table{};
    std::string name{};
    bool hardware = false;               ///< Packets may not reach the processor at all.
    std::vector<std::string> devices{};  ///< As of a chain.
};

struct Survey {
    std::vector<SurveyedTable> tables{};
    std::vector<SurveyedHook> hooks{};
    std::vector<SurveyedFlowtable> flowtables{};
};

/// Everything in the network namespace of the socket. Others may change it meanwhile: it is then
/// read again a few times, and after that taken as it came. Errors: not_permitted, not_supported,
/// overrun, malformed, io.
Result<Survey> survey(NetlinkSocket& socket, wire::WireBuffer& scratch);

}  // namespace podfence::nft
