#pragma once

#include <cstddef>

#include "nft/ruleset.hpp"

namespace podfence::nft {

/// How large a table is.
struct TableCounts {
    std::size_t chains = 0;
    std::size_t rules = 0;
    std::size_t sets = 0;      ///< Maps included.
    std::size_t elements = 0;  ///< Of sets and maps.

    TableCounts& operator+=(const TableCounts& other);
    friend bool operator==(const TableCounts&, const TableCounts&) = default;
};
TableCounts count(const Table& table);

}  // namespace podfence::nft
