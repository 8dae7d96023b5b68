#pragma once

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
    /// index of the first refused operation is in the error.
    virtual Result<void> commit(const Batch& batch, std::optional<std::uint32_t> generation) = 0;
};

}  // namespace podfence::nft
