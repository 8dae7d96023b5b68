#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "test/support/lab.hpp"

namespace podfence::lab {

/// Counts what rules drop on the nodes, so that a test knows that a flow was denied and need not
/// wait for a time-out: a table of its own per node counts packets of the original direction before
/// and after everybody else's chains at the same hook; the difference was dropped in between.
class Witness {
  public:
    /// Adds the table `inet pflab` to every node; the destructor removes it.
    explicit Witness(const Network& network);
    Witness(const Witness&) = delete;
    Witness& operator=(const Witness&) = delete;
    ~Witness();

    /// Packets dropped so far on all nodes. Exact when no packet is under way; the one thread that
    /// sends them, bound to its processor, sees to that.
    std::uint64_t dropped();
    /// Forgets all connections on all nodes, so that nothing is `established` from an earlier
    /// round.
    void forget_connections();

  private:
    class Node;
    const Network& network_;
    std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace podfence::lab
