#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/pod_links.hpp"
#include "nft/ruleset.hpp"

/// What pods may say of themselves, at the door: on the ingress hook of a pod's interface of the
/// node, before routing, bridge and everybody's rules. Policies go by address; here is proved
/// whose it is (semantics N73).
namespace podfence {

enum class AntiSpoofMode : std::uint8_t {
    off,      ///< No table.
    audit,    ///< What would be dropped is counted, and logged where that is asked for.
    enforce,  ///< It is dropped.
};
std::string_view to_string(AntiSpoofMode mode);  ///< "off", "audit", "enforce"

struct AntiSpoofOptions {
    AntiSpoofMode mode = AntiSpoofMode::enforce;
    nft::TableId table{.family = nft::TableFamily::netdev};
    /// Before whatever others have there.
    std::int32_t priority = -10;
    /// Addresses that every pod may use beside its own: of virtual machines, CARP, VPN gateways.
    std::vector<Prefix> extra{};
    /// Also those that a pod's annotation lists (PodLink::extra). Whoever may annotate a pod may
    /// then speak as anybody: a cluster must know that it wants this.
    bool extra_by_annotation = false;
    std::optional<std::uint16_t> log_group{};  ///< NFLOG group for what is refused.
};

/// The table `netdev podfence` for these interfaces of pods. A pure function.
///
/// A pod's frames may be IPv4, IPv6 and ARP, without VLAN tags: a bridge carries tagged frames past
/// br_netfilter (net.bridge.bridge-nf-filter-vlan-tagged is 0), and a receiver takes those tagged
/// for VLAN 0 as if they were not. Then
///   IPv4  source: the pod's own; 0.0.0.0 for DHCP (68 to 67) and IGMP
///   ARP   sender: the pod's own; 0.0.0.0 asking for the pod's own (RFC 5227)
///   IPv6  source: the pod's own; link-local; :: for duplicate address detection of its own
///         addresses, router solicitation and MLD. Never router advertisements nor redirects; and
///         what a neighbour advertisement claims must be the pod's own or link-local.
/// With `extra_by_annotation` what a pod's annotation lists counts as the pod's own.
/// An interface costs an element in `interfaces`, one for each address of its pod and kind of frame
/// that tells it, and a chain of its own whose last rule counts what is refused: per pod.
nft::Table compile_anti_spoof(const std::map<LinkIndex, PodLink>& links,
                              const AntiSpoofOptions& options);

/// Of a hook's chain: whether its interface had no known pod (PodLink::pod is empty).
bool is_nobodys(const nft::Chain& hook);

/// The name of the chain on the interface's hook.
std::string hook_chain(const PodLink& link);
/// The interface of a chain that is named so; nullopt: it is none of these.
std::optional<LinkIndex> link_of_hook_chain(std::string_view chain);

}  // namespace podfence
