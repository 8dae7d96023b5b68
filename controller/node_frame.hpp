#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "controller/compile.hpp"
#include "controller/families.hpp"

namespace podfence {

inline constexpr std::array kDirections{Direction::egress, Direction::ingress};
/// One of something for each direction; [index(direction)].
template <class T>
using PerDirection = std::array<T, kDirections.size()>;
constexpr std::size_t index(Direction direction) {
    return static_cast<std::size_t>(direction);
}

/// The chain where connections end that policies no longer allow.
inline constexpr std::string_view kRevokedChain = "revoked";

// What all of a node's packets pass, whatever the policies say: hooks, dispatch by the pod's
// address, and the end of what no policy allows.

/// How many isolated addresses the node has: capacities, and with them names, follow from these.
struct FrameCounts {
    PerDirection<PerFamily<std::size_t>> dispatched{};
    PerFamily<std::size_t> hairpins{};
    PerFamily<std::size_t> known{};  ///< Where unknown ones are held; controller/hold_frame.hpp.
    friend bool operator==(const FrameCounts&, const FrameCounts&) = default;
};

/// The field of a packet with the address of the pod that is judged in this direction.
nft::Field own_field(Direction direction, nft::Family family);

/// The verdict map that leads from an isolated pod's address to its class.
std::string dispatch_name(Direction direction, nft::Family family, std::size_t entries);
/// The direction of a dispatch map; nullopt: it is none.
std::optional<Direction> dispatch_direction(const std::string& map, const nft::SetSpec& spec);
nft::SetSpec dispatch_spec(nft::Family family, std::size_t entries);
nft::MapEntry dispatch_entry(Direction direction, const Address& address, const std::string& chain,
                             const ObjectName& pod);

/// The set of isolated pods' addresses, each with itself (N66, D9).
std::string hairpin_name(nft::Family family, std::size_t elements);
nft::SetSpec hairpin_spec(nft::Family family, std::size_t elements);
nft::Element hairpin_element(const Address& address);

/// Writes the chains, which look up in dispatch maps and hairpin sets of these sizes, and the sets
/// of what is never judged, and of what is held; not the maps, the hairpin sets and those of known
/// pods.
void write_frame(Compiled& out, const CompileOptions& options, const FrameCounts& counts);

}  // namespace podfence
