#pragma once

#include "controller/cluster.hpp"
#include "controller/self_test/flows.hpp"

namespace podfence::self_test {

/// A cluster of two pods on kNode, and policies that make of each port what flows.hpp expects.
Cluster make_cluster(const PodAddresses& addresses);

}  // namespace podfence::self_test
