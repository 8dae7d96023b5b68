#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "controller/objects.hpp"

namespace podfence {

/// Ports first..last of a protocol, both inclusive.
struct PortSpan {
    Protocol protocol = Protocol::tcp;
    PortRange range{};
    friend auto operator<=>(const PortSpan&, const PortSpan&) = default;
};

/// A piece of the port space in which the same groups apply everywhere.
struct PortPiece {
    PortSpan span;
    std::vector<std::uint32_t> groups{};  ///< Indices of the groups that cover it, ascending.
    friend bool operator==(const PortPiece&, const PortPiece&) = default;
};

/// Cuts the port space so that every port lies in at most one piece (design: O(1) inside a class):
/// `groups[i]` are the spans of group i, overlapping or not. Pieces come in ascending order;
/// neighbours with equal groups are one piece. nullopt when the pieces' group lists would together
/// hold more than `entries_max` entries, as hostile nests of ranges can make them.
std::optional<std::vector<PortPiece>> partition(std::span<const std::vector<PortSpan>> groups,
                                                std::size_t entries_max);

}  // namespace podfence
