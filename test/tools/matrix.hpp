#pragma once

#include <iosfwd>

#include "controller/cluster.hpp"
#include "test/support/lab.hpp"

namespace podfence::lab {

/// Sends one real connection from every pod and outside address to every port of every pod and to
/// the outside, over IPv4 and IPv6, and prints the table. With `judged` each outcome is held
/// against the oracle. 0, or 1 when they disagree.
int measure_matrix(const Network& network, const Cluster& cluster, bool judged, std::ostream& out,
                   bool colour);

}  // namespace podfence::lab
