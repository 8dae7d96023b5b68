#pragma once

#include <array>
#include <cstddef>

#include "nft/ruleset.hpp"

namespace podfence {

/// Both address families, in the order in which sets and rules are made for them.
inline constexpr std::array kFamilies{nft::Family::ipv4, nft::Family::ipv6};

/// One of something for each family; [index(family)].
template <class T>
using PerFamily = std::array<T, kFamilies.size()>;
constexpr std::size_t index(nft::Family family) {
    return static_cast<std::size_t>(family);
}

/// What an address of a family is in the key of a set.
constexpr nft::FieldType address_type(nft::Family family) {
    return family == nft::Family::ipv4 ? nft::FieldType::ipv4_addr : nft::FieldType::ipv6_addr;
}

}  // namespace podfence
