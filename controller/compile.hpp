#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cluster.hpp"
#include "nft/ruleset.hpp"

namespace podfence {

/// Marks connections that policies no longer allow. What public projects use is taken from the
/// fwmark registry (github.com/fwmark/registry) and its like: kube-proxy has bits 14 and 15,
/// CNI's portmap 13, AWS VPC CNI 7, Weave 17 and 18, Tailscale 16 to 23, WireGuard's wg-quick
/// writes 0xca6c. Calico and Cilium take more, but enforce policies themselves.
inline constexpr std::uint8_t kConnmarkBit = 28;
inline constexpr std::uint8_t kConnmarkBitMax = 31;

/// What becomes of packets that policies deny.
enum class DenyWith : std::uint8_t {
    drop,    ///< Nobody is told: who tries again gets through as soon as a policy allows it.
    reject,  ///< Who opens a connection is told at once.
};
std::string_view to_string(DenyWith how);  ///< "drop", "reject"

/// Of the base chains at their hooks: before everybody else's filters.
inline constexpr std::int32_t kHookPriority = -10;
/// On the output hook the kernel knows connections from -200 on, and Services' addresses are
/// rewritten at -100 (enum nf_ip_hook_priorities in linux/netfilter_ipv4.h): who comes earlier
/// judges addresses that are nobody's. There is no use in more than the last.
inline constexpr std::int32_t kHookPriorityMin = -99;
inline constexpr std::int32_t kHookPriorityMax = 10'000;

/// What the operator chose; not what the cluster says.
struct CompileOptions {
    std::string node;  ///< Pods of this node are enforced.
    nft::TableId table{};
    std::int32_t priority = kHookPriority;     ///< kHookPriorityMin to kHookPriorityMax.
    bool counters = false;                     ///< Where rules allow, and at the drop.
    std::optional<std::uint16_t> log_group{};  ///< NFLOG group for denied packets.
    bool pod_to_node_enforced = false;         ///< D2: also judge pods' traffic to their own node.
    DenyWith deny_with = DenyWith::drop;
    /// The bit of a connection's mark by which it is cut after policies stopped allowing it (D4);
    /// none: established connections live on.
    std::optional<std::uint8_t> connmark_bit = kConnmarkBit;
    /// Ranges of addresses of which all are pods': one that no known pod has is denied in both
    /// directions (controller/hold_frame.hpp). None: it is open, as are pods that nothing isolates.
    std::vector<Prefix> held_ranges{};

    /// The mark with only that bit; 0: none.
    std::uint32_t revoked_mark() const { return connmark_bit ? 1U << *connmark_bit : 0; }
};

/// Where a chain of the compiled table comes from, for `dump`.
struct ChainOrigin {
    std::string what{};                   ///< "policy class", "peers of 80/TCP"...
    std::vector<std::string> policies{};  ///< "shop/db ingress[0]", complete, sorted.
};

struct Compiled {
    nft::Table table;
    std::map<std::string, ChainOrigin> origins{};  ///< By chain name.
    std::size_t local_pods = 0;                    ///< Pods of the node that hold an address.
    std::size_t isolated_pods = 0;  ///< Of these, isolated in at least one direction.
};

/// The desired ruleset of one node: a pure function of the cluster's state, and the specification
/// of any incremental path. Layout: nft/README.md.
Compiled compile_all(const Cluster& cluster, const CompileOptions& options);

}  // namespace podfence
