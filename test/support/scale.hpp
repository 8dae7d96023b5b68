#pragma once

#include <cstddef>
#include <string>

#include "controller/cluster.hpp"

namespace podfence::test {

/// A cluster of a given size that looks like one: namespaces with a few workloads each, replicas
/// spread over the nodes, dual stack, and per namespace policies of the usual kinds (default deny,
/// allow from the same namespace, from a team's namespaces, from one workload on its ports, egress
/// to DNS, ipBlocks with exceptions, named ports).
struct Scale {
    std::size_t pods = 10'000;
    std::size_t policies = 1'000;
    std::size_t namespaces = 200;
    std::size_t local_pods = 110;  ///< Pods of node `kScaleNode`, spread over the namespaces.
};
/// For those who only want to see that something works.
inline constexpr Scale kSmallScale{.pods = 300, .policies = 60, .namespaces = 12, .local_pods = 20};
inline constexpr const char* kScaleNode = "node-0";

/// Deterministic: the same scale gives the same cluster.
Cluster scale_cluster(const Scale& scale = {});

/// The same objects as `kubectl get pods,namespaces,networkpolicies -A -o yaml` prints them, for
/// measuring whole runs of the program.
std::string scale_manifest(const Scale& scale = {});

}  // namespace podfence::test
