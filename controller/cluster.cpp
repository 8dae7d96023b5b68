#include "controller/cluster.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "controller/fingerprint.hpp"
#include "controller/selector.hpp"

namespace podfence {

bool can_hold_addresses(const Pod& pod) {
    return !pod.host_network && pod.phase != PodPhase::succeeded && pod.phase != PodPhase::failed;
}

Cluster::Cluster(const Cluster& other)
    : pods_(other.pods_), namespaces_(other.namespaces_), policies_(other.policies_) {
    for (const auto& [name, pod] : pods_) index(pod);
}

Cluster& Cluster::operator=(const Cluster& other) {
    if (this != &other) *this = Cluster(other);
    return *this;
}

void Cluster::index(const Pod& pod) {
    if (!can_hold_addresses(pod)) return;
    for (std::uint32_t i = 0; i < pod.addresses.size(); ++i) {
        claims_.add({.pod = &pod, .hash = hash_of(pod.addresses[i]), .index = i});
    }
}

void Cluster::unindex(const Pod& pod) {
    if (!can_hold_addresses(pod)) return;
    for (std::uint32_t i = 0; i < pod.addresses.size(); ++i) {
        claims_.erase(claims_.find(hash_of(pod.addresses[i]), [&](const Claim& claim) {
            return claim.pod == &pod && claim.index == i;
        }));
    }
}

void Cluster::share(Pod& pod) {
    labels_.share(pod.labels);
    nodes_.share(pod.node);
    node_addresses_.share(pod.node_addresses);
    ports_.share(pod.ports);
    pod.addresses.shrink_to_fit();
}

void Cluster::put(Pod pod) {
    share(pod);
    const auto [entry, added] = pods_.try_emplace(pod.name);
    if (!added) unindex(entry->second);
    entry->second = std::move(pod);
    index(entry->second);
}

void Cluster::put(Namespace ns) {
    ns.labels.insert_or_assign(std::string(kNamespaceNameLabel), ns.name);
    namespaces_.insert_or_assign(ns.name, std::move(ns));
}

void Cluster::put(NetworkPolicy policy) {
    policies_.insert_or_assign(policy.name, std::move(policy));
}

void Cluster::remove_pod(const ObjectName& name) {
    const auto entry = pods_.find(name);
    if (entry == pods_.end()) return;
    unindex(entry->second);
    pods_.erase(entry);
}

void Cluster::remove_namespace(const std::string& name) {
    namespaces_.erase(name);
}

std::map<ObjectName, NetworkPolicy>::node_type Cluster::remove_policy(const ObjectName& name) {
    return policies_.extract(name);
}

const Pod* Cluster::find_pod(const ObjectName& name) const {
    const auto entry = pods_.find(name);
    return entry == pods_.end() ? nullptr : &entry->second;
}

std::ranges::subrange<std::map<ObjectName, NetworkPolicy>::const_iterator> Cluster::policies_of(
    const std::string& ns) const {
    // No name is less than the empty one, and no namespace lies between `ns` and this.
    const std::string next = ns + '\0';
    return {policies_.lower_bound({ns, {}}), policies_.lower_bound({next, {}})};
}

const Pod* Cluster::owner_of(const Address& address) const {
    const auto rank = [](const Pod& pod) { return std::tie(pod.created_s, pod.uid, pod.name); };
    const Pod* best = nullptr;
    claims_.each_of(hash_of(address), [&](const Claim& claim) {
        const Pod& pod = *claim.pod;
        if (claim.address() != address) return;
        if (best == nullptr ||
            (pod.deleting == best->deleting ? rank(pod) > rank(*best) : best->deleting)) {
            best = &pod;
        }
    });
    return best;
}

bool Cluster::namespace_matches(const LabelSelector& selector, std::string_view ns) const {
    const auto entry = namespaces_.find(ns);
    if (entry != namespaces_.end() && may_be_peer(entry->second.labels)) {
        return matches(selector, entry->second.labels);
    }
    const Labels name_only{{std::string(kNamespaceNameLabel), std::string(ns)}};
    return std::all_of(selector.requirements.begin(), selector.requirements.end(),
                       [&](const Requirement& requirement) {
                           return requirement.key == kNamespaceNameLabel &&
                                  matches(requirement, name_only);
                       });
}

}  // namespace podfence
