#pragma once

#include <cstddef>
#include <optional>

#include "nft/batch.hpp"

/// What nf_tables does with one batch, in memory.
namespace podfence::nft::fake {

struct Outcome {
    int error = 0;
    std::size_t op = 0;    ///< The refused one.
    bool changed = false;  ///< Something was done, be it undone again later.
    bool made = false;     ///< The table, among it.
};

/// Runs all of the batch on `table`, which changes only without an error. As the kernel does, the
/// graph of chains is validated once at the end, and only when that fails a second time after each
/// operation (`validate_each`), to find the one to blame.
Outcome run(const Batch& batch, std::optional<Table>& table, bool validate_each = false);

}  // namespace podfence::nft::fake
