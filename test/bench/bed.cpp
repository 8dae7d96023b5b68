#include "test/bench/bed.hpp"

#include "nft/converge.hpp"
#include "nft/plan.hpp"
#include "test/support/lab_fd.hpp"

namespace podfence::bench {

Bed::Bed() {
    auto opened = nft::NetlinkKernel::open();
    if (!opened) lab::fail(to_string(opened.error()));
    kernel_ = std::move(*opened);
}

void Bed::change(const std::optional<nft::Table>& have, const nft::Table& want) {
    const auto done = nft::commit_stages(*kernel_, nft::plan(have, want), std::nullopt);
    if (!done) lab::fail(to_string(done.error()));
}

void Bed::expect(const nft::Table& table) {
    const auto snapshot = kernel_->dump(table.id);
    if (!snapshot) lab::fail(to_string(snapshot.error()));
    if (snapshot->table != table) lab::fail("the kernel does not hold what was committed");
}

}  // namespace podfence::bench
