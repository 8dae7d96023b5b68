#pragma once

#include <functional>
#include <map>
#include <optional>

#include "nft/kernel.hpp"

namespace podfence::nft {

/// The kernel in memory, for speed and for faults. Answers as nf_tables does, refusals included;
/// test/contract holds it to that.
class FakeKernel final : public Kernel {
  public:
    Result<Snapshot> dump(const TableId& table) override;
    Result<std::size_t> commit(const Batch& batch,
                               std::optional<std::uint32_t> generation) override;

    /// Called before every dump and commit; an error it returns is given back instead of acting.
    using Fault = std::function<std::optional<Error>()>;
    void set_fault(Fault fault) { fault_ = std::move(fault); }

  private:
    std::map<TableId, Table> tables_;
    std::uint32_t generation_ = 1;
    Fault fault_;
};

}  // namespace podfence::nft
