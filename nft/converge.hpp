#pragma once

#include <span>

#include "nft/kernel.hpp"

namespace podfence::nft {

/// Commits batches one after another, each as `Kernel::commit` does; with `generation` only while
/// nobody else commits anything. One that fails leaves the ones before it, and the error's `object`
/// says what the refused operation was about. Gives the number of transactions.
Result<std::size_t> commit_each(Kernel& kernel, std::span<const Batch> stages,
                                std::optional<std::uint32_t> generation);

/// Commits a batch stage by stage (nft/stages.hpp), the last one after some ms and whoever else
/// commits meanwhile. What a stage that failed leaves nothing refers to, and the next plan starts
/// from there.
Result<std::size_t> commit_stages(Kernel& kernel, const Batch& batch,
                                  std::optional<std::uint32_t> generation);

/// What leads from what the kernel holds to `want`; empty: it holds that. What nothing refers to is
/// given a moment: an agent that has just changed something deletes it when packets have passed.
Result<Batch> difference(Kernel& kernel, const Table& want);

/// What it took to make the kernel hold the wanted table.
struct Converged {
    /// What was committed, all stages (nft/stages.hpp); empty: the kernel was right already.
    Batch batch{};
    int attempts = 0;  ///< Dumps taken.
    bool rebuilt = false;
    Hold hold = Hold::anyone;  ///< Who may change the table now.
};

/// dump -> plan -> commit until the kernel holds `want`, by the ladder: stale, interrupted,
/// not_found, exists, overrun -> dump again, bounded; then rebuild the table inside one batch; then
/// give the error back (what the kernel enforced, it goes on enforcing). Errors that no retry mends
/// (not_permitted, owned, not_supported) come back at once. An orphan is claimed first, so that
/// nobody comes in between. A table without an owner is not rebuilt only to get one: that would be
/// the one change of a table that packets under way can notice (nft/stages.hpp).
Result<Converged> converge(Kernel& kernel, const Table& want);

/// Removes the table the same way.
Result<Converged> remove(Kernel& kernel, const TableId& table);

}  // namespace podfence::nft
