#include "test/sim/chaos_kernel.hpp"

#include <array>

#include "nft/text.hpp"

namespace podfence::test {

namespace {

using nft::Errc;

constexpr std::array kFaults{
    Errc::not_permitted, Errc::owned, Errc::not_supported, Errc::not_found, Errc::exists,
    Errc::busy,          Errc::stale, Errc::interrupted,   Errc::overrun,   Errc::too_big,
    Errc::no_memory,     Errc::full,  Errc::rejected,      Errc::malformed, Errc::io};

}  // namespace

std::optional<nft::Error> ChaosKernel::fault() {
    if (!random_.percent(fault_percent_)) return std::nullopt;
    ++faults_;
    if (on_fault_) on_fault_();
    return nft::Error{.code = random_.pick(kFaults), .doing = "simulate"};
}

nft::Result<nft::Snapshot> ChaosKernel::dump(const nft::TableId& table) {
    if (auto error = fault()) return *error;
    return own_->dump(table);
}

nft::Result<std::size_t> ChaosKernel::commit(const nft::Batch& batch,
                                             std::optional<std::uint32_t> generation) {
    for (std::size_t i = 0; i < batch.ops.size() && !curse_.empty(); ++i) {
        const nft::Batch one{.table = batch.table, .ops = {batch.ops[i]}};
        if (nft::to_text(one).find(curse_) != std::string::npos) {
            ++faults_;
            if (on_fault_) on_fault_();
            return nft::Error{.code = Errc::rejected, .doing = "simulate", .op = i};
        }
    }
    const auto error = fault();
    // An answer is lost on the way back: what was asked has happened.
    if (error && error->code != Errc::overrun) return *error;
    auto done = own_->commit(batch, generation);
    if (done) {
        ++commits_;
        if (on_commit_) on_commit_(batch);
    }
    if (error) return *error;
    return done;
}

void ChaosKernel::await_packets() {
    if (on_wait_) on_wait_();
}

nft::Result<std::size_t> ChaosKernel::claim(const nft::TableId& table,
                                            std::optional<std::uint32_t> generation) {
    const auto error = fault();
    if (error && error->code != Errc::overrun) return *error;
    auto done = own_->claim(table, generation);
    if (error) return *error;
    return done;
}

}  // namespace podfence::test
