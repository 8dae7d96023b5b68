#pragma once

#include <algorithm>
#include <span>

#include "nft/addr.hpp"

namespace podfence {

/// Whether any of the ranges has this address; of none of them, no address.
inline bool is_in_any(std::span<const nft::Prefix> ranges, const nft::Address& address) {
    return std::ranges::any_of(ranges,
                               [&](const nft::Prefix& range) { return range.contains(address); });
}

}  // namespace podfence
