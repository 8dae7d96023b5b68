#pragma once

#include "nft/kernel.hpp"

namespace podfence::nft {

/// What it took to make the kernel hold the wanted table.
struct Converged {
    /// What was committed last, all stages (nft/stages.hpp); empty: the kernel was right already.
    Batch batch{};
    int attempts = 0;  ///< Dumps taken.
    bool rebuilt = false;
};

/// dump -> plan -> commit until the kernel holds `want`, by the ladder: stale, interrupted,
/// not_found, exists, overrun -> dump again, bounded; then rebuild the table inside one batch; then
/// give the error back (what the kernel enforced, it goes on enforcing). Errors that no retry mends
/// (not_permitted, not_supported) come back at once.
Result<Converged> converge(Kernel& kernel, const Table& want);

/// Removes the table the same way.
Result<Converged> remove(Kernel& kernel, const TableId& table);

}  // namespace podfence::nft
