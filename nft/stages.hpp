#pragma once

#include <cstddef>
#include <vector>

#include "nft/batch.hpp"

/// A transaction of nf_tables is atomic for those who dump it, but not quite for packets under way.
/// nft_do_chain fixes the generation of the rules once a hook, while every set look-up asks for the
/// present one; a new chain has no rules in the generation before its own; a new interval set finds
/// nothing until the commit is nearly over. One transaction that makes, turns to and deletes loses
/// packets that both rulesets allow and passes some that both deny (test/lab/flood_test.cpp). So a
/// batch is committed in stages: what is new, before anything refers to it; then the references;
/// then, when all packets that came before have passed, the deletion of what nothing refers to any
/// more.
namespace podfence::nft {

/// Which operations may take effect after the rest of their batch without anyone noticing: those
/// that delete sets, maps and chains, or empty them for that. Not late: base chains (packets pass
/// them until they are gone), anything about a name that the batch also makes, or in a table that
/// the batch also deletes. Sorted indices.
std::vector<std::size_t> late_operations(const Batch& batch);

/// A batch in stages, any of which may be empty, to be committed in this order. Whatever happens
/// between two of them, what packets meet is the ruleset before the batch or after it.
struct Stages {
    Batch early;  ///< What is new.
    Batch turn;   ///< What packets notice.
    Batch late;   ///< What nothing refers to any more; after Kernel::await_packets().

    explicit Stages(const Batch& batch);
    /// The first two without the empty ones; after them what is wanted is enforced.
    std::vector<Batch> up_to_turn() const;
    /// All without the empty ones.
    std::vector<Batch> all() const;
};

}  // namespace podfence::nft
