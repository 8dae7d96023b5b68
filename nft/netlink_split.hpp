#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nft/batch.hpp"
#include "nft/wire_attr.hpp"

namespace podfence::nft {

/// Which operations may take effect before the rest of their batch without anyone noticing: those
/// that make new things which nothing live refers to yet, and those that fill such things. Not
/// early: what touches something that exists, what deletes, base chains (packets pass them at
/// once), and everything about a name that the batch also deletes (the old one is still there), or
/// in a table that the batch also deletes. Sorted indices.
std::vector<std::size_t> early_operations(const Batch& batch);

/// What takes back those of `early` that made something. They are refused by nothing, since nothing
/// but themselves refers to them.
Batch undo_of(const Batch& batch, std::span<const std::size_t> early);

/// One transaction: whole messages, in order.
struct Part {
    std::vector<wire::Bytes> messages{};
    std::size_t bytes = 0;
};

/// Packs the messages of an encoded batch (without its frame) into transactions of at most
/// `bytes_max` each. The last one holds everything that must take effect in one instant; the others
/// only early operations. nullopt when that last one is too long. Operation i has the sequence
/// number `sequence + 1 + i`.
std::optional<std::vector<Part>> split(const Batch& batch, wire::Bytes messages,
                                       std::uint32_t sequence, std::size_t bytes_max);

}  // namespace podfence::nft
