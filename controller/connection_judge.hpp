#pragma once

#include <set>

#include "controller/desired.hpp"
#include "controller/explain.hpp"
#include "nft/conntrack.hpp"

namespace podfence {

/// Would a connection that is there be allowed if it began now? The oracle answers, and not a walk
/// through the rules: it looks only at policies of the pods' own namespaces, so it is as quick
/// (microseconds), it needs no table built for it, and the tests hold it against the rules and
/// against packets already.
class ConnectionJudge {
  public:
    /// `host`: the addresses of this node's network namespace. What it opens does not pass our
    /// hooks, and what it answers only with --pod-to-node=enforce.
    ConnectionJudge(const Desired& desired, std::set<Address> host);

    /// The original direction is judged as the hooks see it: behind the rewriting of Service
    /// addresses, before masquerading, and only for the pods of this node (D7). Replies are part of
    /// the connection (N6).
    bool allows(const nft::Connection& connection) const;

  private:
    const Desired& desired_;
    std::set<Address> host_;
    ExplainOptions options_;
};

}  // namespace podfence
