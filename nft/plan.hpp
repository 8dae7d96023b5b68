#pragma once

#include <optional>
#include <vector>

#include "nft/batch.hpp"
#include "nft/ruleset.hpp"

namespace podfence::nft {

/// Puts operations, given in any order, into the one order in which the kernel takes them: what is
/// referred to exists before its reference, and a reference is gone before what it refers to. This
/// is the only place that knows dependencies. Stable for operations of one kind.
Batch order(TableId table, std::vector<Op> ops);

/// The operations that lead from `have` to `want`, unordered and minimal: a changed element costs
/// that element; a chain whose rules differ is flushed and refilled (chains are short by design);
/// a set whose spec differs, a base chain whose hook differs, other table flags or foreign content
/// rebuild the whole table, in one batch and so without a gap.
std::vector<Op> diff(const Table& have, const Table& want);

/// order(diff(have, want)); no `have`: the table is made. Empty when nothing is to be done.
Batch plan(const std::optional<Table>& have, const Table& want);

/// Deletes the table; empty when there is none.
Batch plan_removal(const std::optional<Table>& have, const TableId& id);

}  // namespace podfence::nft
