#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nft/error.hpp"
#include "nft/netlink_socket.hpp"

/// What of nf_tables this kernel has, found out by asking for it: kernels of distributions differ
/// from what their version promises, and modules may be missing.
namespace podfence::nft {

enum class Feature : std::uint8_t {
    inet_table,       ///< One table for IPv4 and IPv6 with a base chain on forward.
    verdict_map,      ///< ip saddr vmap @m
    hash_set,         ///< A set of declared size.
    interval_set,     ///< Ranges of addresses.
    concat_ranges,    ///< meta l4proto . th dport vmap with ranges of ports (kernel 5.6).
    ct_state,         ///< ct state established,related
    counter,          ///< counter
    limit,            ///< limit rate 10/second
    log,              ///< log group 1
    reject,           ///< reject with tcp reset, reject with icmpx admin-prohibited
    ct_mark,          ///< ct mark & 1 == 1
    netdev_ingress,   ///< A base chain on the ingress hook of one device.
    owned_table,      ///< flags owner (kernel 5.12)
    lasting_table,    ///< flags owner,persist (kernel 6.9)
    conntrack_table,  ///< The table of connections over netlink.
};
inline constexpr std::size_t kFeatureCount = 15;

/// "inet-table", "verdict-map"...: for scripts.
std::string_view to_string(Feature feature);

struct ProbedFeature {
    Feature feature{};
    bool present = false;
    int os_error = 0;  ///< What the kernel said to it when it is not present.
};

/// Tries each feature by a transaction of its own, in the socket's network namespace, where tables
/// `podfence-probe-...` are left behind: it is meant to be a throw-away one. Its modules get loaded
/// if they are there. Errors: those of the socket; not_permitted; not_supported: no nf_tables.
Result<std::vector<ProbedFeature>> probe_features(NetlinkSocket& socket);

}  // namespace podfence::nft
