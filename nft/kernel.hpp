#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "nft/batch.hpp"
#include "nft/error.hpp"
#include "nft/ruleset.hpp"

namespace podfence::nft {

/// One consistent view of a table.
struct Snapshot {
    std::optional<Table> table;    ///< nullopt: the kernel has no such table.
    std::uint32_t generation = 0;  ///< The ruleset's generation when it was taken.
};

/// The generation after so many more transactions; the kernel leaves out 0.
constexpr std::uint32_t advance(std::uint32_t generation, std::size_t transactions) {
    for (; transactions > 0; --transactions) {
        generation = generation == UINT32_MAX ? 1 : generation + 1;
    }
    return generation;
}

/// The kernel as a port with two verbs. Implemented by NetlinkKernel and FakeKernel; one contract
/// test set (test/contract) runs on both.
class Kernel {
  public:
    Kernel() = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    Kernel(Kernel&&) = delete;
    Kernel& operator=(Kernel&&) = delete;
    virtual ~Kernel() = default;

    /// Everything in the table. Errors: not_permitted, not_supported, interrupted, overrun,
    /// malformed, io.
    virtual Result<Snapshot> dump(const TableId& table) = 0;

    /// All of the batch in one instant, or nothing. With `generation`, `stale` unless the ruleset
    /// (of the whole network namespace) is still at it. `overrun` means unknown: dump again. The
    /// index of the first refused operation is in the error. Gives the number of transactions that
    /// it was, each of which advances the generation by one: a large batch of what nothing refers
    /// to yet may be several.
    virtual Result<std::size_t> commit(const Batch& batch,
                                       std::optional<std::uint32_t> generation) = 0;
};

}  // namespace podfence::nft
