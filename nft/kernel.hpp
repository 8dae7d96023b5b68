#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "nft/batch.hpp"
#include "nft/error.hpp"
#include "nft/ruleset.hpp"

namespace podfence::nft {

/// Who may change a table. Since Linux 6.9 a table can have an owner, the socket that made it, and
/// outlive it: nobody else can change or delete it then, and `flush ruleset` passes over it. When
/// the socket is closed, in whatever way, the table is an orphan, which anybody may change and the
/// next owner claims. A table that was made without these flags never gets them
/// (nf_tables_updtable() and nft_rcv_nl_event() in net/netfilter/nf_tables_api.c).
enum class Hold : std::uint8_t {
    anyone,  ///< Made without an owner.
    orphan,  ///< The owner is gone.
    ours,    ///< The owner is the port that asks.
    others,  ///< Another socket: what we commit is refused.
};

/// How a port makes tables.
enum class Ownership : std::uint8_t {
    shared,  ///< Anybody may change them.
    owned,   ///< Nobody else may, where the kernel knows owners that their tables outlive; where
             ///< not, as shared: a table that dies with its owner's socket would leave all open.
};

/// One consistent view of a table.
struct Snapshot {
    std::optional<Table> table;    ///< nullopt: the kernel has no such table.
    Hold hold = Hold::anyone;      ///< Of that table; no part of its value.
    std::uint32_t generation = 0;  ///< The ruleset's generation when it was taken.
};

/// The generation after so many more transactions; the kernel leaves out 0.
constexpr std::uint32_t advance(std::uint32_t generation, std::size_t transactions) {
    for (; transactions > 0; --transactions) {
        generation = generation == UINT32_MAX ? 1 : generation + 1;
    }
    return generation;
}

/// The kernel as a port with three verbs, and a fourth where tables have owners. Implemented by
/// NetlinkKernel and FakeKernel; one contract test set (test/contract) runs on both.
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

    /// Becomes the owner of an orphan, which no packet notices; does nothing where the port makes
    /// shared tables. A table that is gone by now is made, empty. Errors and result as of commit;
    /// `owned`: another was faster; `not_supported`: it was made without an owner.
    virtual Result<std::size_t> claim(const TableId& table,
                                      std::optional<std::uint32_t> generation) = 0;

    /// Returns when every packet that was in a hook by the call has left it (nft/passage.hpp).
    /// Where that cannot be told, at once: it is a matter of microseconds most of the time.
    virtual void await_packets() = 0;

    /// How the tables are held that this port makes: ours, or as anyone's.
    virtual Hold makes() const = 0;
};

}  // namespace podfence::nft
