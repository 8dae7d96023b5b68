#pragma once

#include <optional>
#include <vector>

#include "nft/batch.hpp"
#include "nft/ruleset.hpp"

namespace podfence::nft {

/// Puts operations, given in any order, into the one order in which the kernel takes them: what is
/// referred to exists before its reference, and a reference is gone before what it refers to. This
/// is the only place that knows dependencies. Within one kind by name, so that equal changes give
/// equal batches; stable for operations of one kind on one name.
Batch order(TableId table, std::vector<Op> ops);

/// The operations that lead from `have` to `want`, unordered and minimal: a changed element costs
/// that element; a chain whose rules differ is flushed and refilled (chains are short by design);
/// a set whose spec differs, a chain whose hook or comment differs, other table flags or foreign
/// content rebuild the whole table, in one batch and so without a gap. Both are tables of one id;
/// `want` has neither flags nor foreign content.
std::vector<Op> diff(const Table& have, const Table& want);

/// order(diff(have, want)); no `have`: the table is made. Empty when nothing is to be done.
Batch plan(const std::optional<Table>& have, const Table& want);

/// Deletes the table; empty when there is none.
Batch plan_removal(const std::optional<Table>& have, const TableId& id);

}  // namespace podfence::nft
