#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nft/ruleset.hpp"

namespace podfence::cmd {

/// The part of the table that a packet from or to one of these addresses can reach, as far as the
/// pod at these addresses is the reason: of the hooks' look-ups only the pod's own entries, then
/// everything they lead to, whole. It is loadable: whatever is referred to is there.
nft::Table slice(const nft::Table& table, const std::vector<nft::Address>& addresses);

/// Has any look-up of the table an entry of its own for one of these addresses?
bool has_entries(const nft::Table& table, const std::vector<nft::Address>& addresses);

/// The addresses of the entries whose comment names the pod, in the dispatch maps of a table that
/// was read from the kernel. Empty: nothing isolates the pod, or it is not on this node.
std::vector<nft::Address> addresses_of(const nft::Table& table, const std::string& pod);

/// The part of the table `netdev podfence` that is about this pod: the chains of its interfaces, of
/// the sets by interface what is theirs, and what they lead to. nullopt: it has no interface there.
std::optional<nft::Table> slice_interfaces(nft::Table table, const std::string& pod);

/// Cuts sets and maps to `elements_max`; gives the number of elements left out, by name.
std::map<std::string, std::size_t> shorten(nft::Table& table, std::size_t elements_max);

}  // namespace podfence::cmd
