#pragma once

#include <set>
#include <string>
#include <vector>

#include "controller/objects.hpp"
#include "nft/batch.hpp"
#include "nft/ruleset.hpp"

namespace podfence {

/// A table that somebody wants in the kernel, and the changes to it: what a Reconciler works for.
class Wanted {
  public:
    Wanted() = default;
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;
    Wanted(Wanted&&) = delete;
    Wanted& operator=(Wanted&&) = delete;
    virtual ~Wanted() = default;

    /// The operations, unordered and minimal, that lead from the table at the last call to the one
    /// now: what came and went in between is not among them. The first call makes the table.
    virtual std::vector<nft::Op> take_changes() = 0;
    /// All of it as it is now, whether told by take_changes() or not.
    virtual nft::Table table() = 0;
    /// The part of it that denies; small, and quick to commit.
    virtual nft::Table closed_table() = 0;
    /// The policies that this chain, map or set of the table comes from; none: it is there for all.
    virtual std::set<ObjectName> policies_behind(const std::string& object) const = 0;
    /// The kernel rejects what this policy compiles to.
    virtual void refuse(const ObjectName& policy) = 0;
};

}  // namespace podfence
