#include "controller/local_pod.hpp"

#include <algorithm>

#include "controller/selector.hpp"
#include "controller/sorted.hpp"

namespace podfence {

bool is_local(const Pod& pod, const std::string& node) {
    return pod.node == node && can_hold_addresses(pod);
}

std::vector<Address> held_addresses(const Cluster& cluster, const Pod& pod) {
    std::vector<Address> held;
    for (const auto& address : pod.addresses) {
        if (cluster.holds(pod, address)) held.push_back(address);
    }
    sort_unique(held);
    return held;
}

PerDirection<std::vector<const NetworkPolicy*>> isolating(const Cluster& cluster, const Pod& pod) {
    PerDirection<std::vector<const NetworkPolicy*>> found;
    for (const auto& [name, policy] : cluster.policies_of(pod.name.ns)) {
        if (!matches(policy.pods, pod.labels)) continue;
        for (const auto direction : kDirections) {
            if (policy.isolates(direction)) found[index(direction)].push_back(&policy);
        }
    }
    return found;
}

}  // namespace podfence
