#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "nft/fake_kernel.hpp"
#include "test/support/random.hpp"

namespace podfence::test {

/// The kernel in memory with everything that can go wrong between it and us: refusals, lost answers
/// of commits that took effect, dumps that are disturbed, and content that it never takes.
class ChaosKernel final : public nft::Kernel {
  public:
    /// The agent's port; `ownership` is how it makes tables.
    ChaosKernel(Random& random, nft::Ownership ownership) : random_(random), ownership_(ownership) {
        restart();
    }

    /// As when the agent ends, in whatever way, and another begins.
    void restart() {
        own_.reset();
        own_ = std::make_unique<nft::FakeKernel>(bare_, ownership_);
    }

    nft::Result<nft::Snapshot> dump(const nft::TableId& table) override;
    nft::Result<std::size_t> commit(const nft::Batch& batch,
                                    std::optional<std::uint32_t> generation) override;
    nft::Result<std::size_t> claim(const nft::TableId& table,
                                   std::optional<std::uint32_t> generation) override;
    void await_packets() override;
    nft::Hold makes() const override { return own_->makes(); }

    /// Of the next calls so many in a hundred fail.
    void set_faults(unsigned percent) { fault_percent_ = percent; }
    /// Whatever has this in its text is refused; empty: nothing.
    void set_curse(std::string text) { curse_ = std::move(text); }
    /// Called after every commit that took effect.
    void on_commit(std::function<void(const nft::Batch&)> then) { on_commit_ = std::move(then); }
    void on_fault(std::function<void()> then) { on_fault_ = std::move(then); }
    /// Called when somebody waits for the packets under way.
    void on_wait(std::function<void()> then) { on_wait_ = std::move(then); }

    /// Past all faults, for strangers and judges: another port on the same ruleset.
    nft::FakeKernel& bare() { return bare_; }
    std::size_t commits() const { return commits_; }
    std::size_t faults() const { return faults_; }

  private:
    std::optional<nft::Error> fault();

    Random& random_;
    nft::Ownership ownership_;
    nft::FakeKernel bare_;
    std::unique_ptr<nft::FakeKernel> own_;
    unsigned fault_percent_ = 0;
    std::string curse_;
    std::function<void(const nft::Batch&)> on_commit_;
    std::function<void()> on_wait_;
    std::function<void()> on_fault_;
    std::size_t commits_ = 0;
    std::size_t faults_ = 0;
};

}  // namespace podfence::test
