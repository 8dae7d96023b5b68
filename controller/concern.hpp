#pragma once

#include <set>
#include <span>

#include "controller/desired.hpp"
#include "nft/batch.hpp"

namespace podfence {

/// Whose connections may not be allowed any more. Too many cost time, too few are wrong: each
/// connection is judged for itself.
struct Concern {
    bool everyone = false;          ///< All isolated pods of this node.
    std::set<Address> sources{};    ///< Connections that these opened.
    std::set<Address> answerers{};  ///< Connections that these answer.

    bool empty() const { return !everyone && sources.empty() && answerers.empty(); }
    void merge(const Concern& other);
    friend bool operator==(const Concern&, const Concern&) = default;
};

/// From whom these operations, which the kernel has taken, may have taken access away. `desired` is
/// as it was when it told them, but for those who came later. A set only ever allows, so that new
/// elements take nothing away; what is new altogether is reached only by what changed beside it.
Concern concern_of(std::span<const nft::Op> ops, const Desired& desired);

}  // namespace podfence
