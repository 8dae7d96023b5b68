#pragma once

#include <functional>

#include "controller/cluster.hpp"

namespace podfence::test {

/// The cluster without whatever is not needed for `fails` to stay true: policies, rules, peers,
/// ports, pods and namespaces are left out one by one until nothing more can go.
Cluster shrink(Cluster cluster, const std::function<bool(const Cluster&)>& fails);

}  // namespace podfence::test
