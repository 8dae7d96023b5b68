#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/cluster.hpp"
#include "test/support/lab.hpp"

namespace podfence::lab {

/// The lab that a manifest's pods need: a node for each spec.nodeName (the first wired by `bridge`,
/// the second by `ptp`, and so on), a pod for each pod, all their ports.
struct LabPlan {
    LabSpec spec;
    std::vector<std::uint16_t> ports;
};
LabPlan lab_for(const Cluster& cluster);

/// A pod's name in the lab: "ns-name".
std::string host_name(const ObjectName& name);

/// Namespaces and pods as `kubectl get namespaces,pods -A -o yaml` would print them, as far as they
/// matter here.
std::string to_yaml(const Cluster& cluster);

/// Addresses of the outside, by the part they play in the demo's policies.
inline constexpr const char* kPartner = "198.51.100.10";   ///< In the ipBlock.
inline constexpr const char* kBlocked = "198.51.100.200";  ///< In its `except`.
inline constexpr const char* kCloud = "52.94.1.1";         ///< In the egress CIDR 52.94.0.0/16.

}  // namespace podfence::lab
