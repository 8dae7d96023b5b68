#pragma once

#include <string>
#include <vector>

#include "controller/cluster.hpp"
#include "controller/node_frame.hpp"

namespace podfence {

/// Whether the pod runs on this node and can hold addresses.
bool is_local(const Pod& pod, const std::string& node);

/// The addresses of a pod that it holds, sorted, unique.
std::vector<Address> held_addresses(const Cluster& cluster, const Pod& pod);

/// The policies that isolate a pod, by name; owned by the cluster (N2).
PerDirection<std::vector<const NetworkPolicy*>> isolating(const Cluster& cluster, const Pod& pod);

}  // namespace podfence
