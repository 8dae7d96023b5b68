#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "nft/kernel.hpp"

namespace podfence::nft {

/// The kernel in memory, for speed and for faults. Answers as nf_tables does, refusals included;
/// test/contract holds it to that.
class FakeKernel final : public Kernel {
  public:
    /// A ruleset of its own. `knows_owners`: as Linux 6.9 and later does.
    explicit FakeKernel(Ownership ownership = Ownership::shared, bool knows_owners = true);
    /// Another socket on the same ruleset.
    FakeKernel(FakeKernel& beside, Ownership ownership);
    /// Gives up what it owns.
    ~FakeKernel() override;

    Result<Snapshot> dump(const TableId& table) override;
    Result<std::size_t> commit(const Batch& batch,
                               std::optional<std::uint32_t> generation) override;
    Result<std::size_t> claim(const TableId& table,
                              std::optional<std::uint32_t> generation) override;
    void await_packets() override {}  ///< It has none.
    Hold makes() const override;

    /// Called before every dump and commit; an error it returns is given back instead of acting.
    using Fault = std::function<std::optional<Error>()>;
    void set_fault(Fault fault) { fault_ = std::move(fault); }

  private:
    struct Held {
        Table table;
        bool persists = false;        ///< Made to have an owner.
        const void* owner = nullptr;  ///< The port, as long as there is one.
    };
    struct Ruleset {
        std::map<TableId, Held> tables{};
        std::uint32_t generation = 1;
        bool knows_owners = true;
    };

    bool owned_by_others(const TableId& table) const;

    std::shared_ptr<Ruleset> ruleset_;
    Ownership ownership_;
    Fault fault_;
};

}  // namespace podfence::nft
