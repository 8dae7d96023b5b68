#pragma once

#include <optional>
#include <string>

#include "controller/log.hpp"
#include "nft/kernel.hpp"

namespace podfence {

/// Whether anybody else may change the node's table, in words for an operator.
class TableHold {
  public:
    /// The kernel is not owned. `wanted`: what the operator chose.
    TableHold(const nft::Kernel& kernel, nft::Ownership wanted)
        : kernel_(kernel), wanted_(wanted) {}

    /// How it was found to be held. Logged when that is news.
    void note(nft::Hold hold, Log& log);

    bool is_ours() const { return hold_ == nft::Hold::ours; }
    /// Why anybody may change it; empty: nobody else may, or nothing is known yet.
    std::string shared_because() const;

  private:
    const nft::Kernel& kernel_;
    nft::Ownership wanted_;
    std::optional<nft::Hold> hold_{};
};

}  // namespace podfence
