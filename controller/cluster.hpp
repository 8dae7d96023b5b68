#pragma once

#include <cstdint>
#include <map>
#include <ranges>
#include <string>
#include <string_view>

#include "controller/objects.hpp"
#include "controller/open_table.hpp"

namespace podfence {

/// What is known of the cluster. Plain ordered maps: the order of events never shows (N4).
class Cluster {
  public:
    Cluster() = default;
    Cluster(const Cluster& other);  ///< The index of addresses points into the own pods.
    Cluster(Cluster&&) noexcept = default;
    Cluster& operator=(const Cluster& other);
    Cluster& operator=(Cluster&&) noexcept = default;
    ~Cluster() = default;

    void put(Pod pod);
    void put(Namespace ns);  ///< Adds the name label (N27).
    void put(NetworkPolicy policy);
    void remove_pod(const ObjectName& name);
    void remove_namespace(const std::string& name);
    /// Gives what was removed, for those who still point to it; empty: there was none.
    std::map<ObjectName, NetworkPolicy>::node_type remove_policy(const ObjectName& name);

    const std::map<ObjectName, Pod>& pods() const { return pods_; }
    const std::map<std::string, Namespace, std::less<>>& namespaces() const { return namespaces_; }
    const std::map<ObjectName, NetworkPolicy>& policies() const { return policies_; }
    const Pod* find_pod(const ObjectName& name) const;
    /// The policies of one namespace, by name.
    std::ranges::subrange<std::map<ObjectName, NetworkPolicy>::const_iterator> policies_of(
        const std::string& ns) const;

    /// The pod that holds this address: never a finished (N52) or hostNetwork one (N57); of several
    /// the one that is not terminating, then the newest, then the last by uid and name (N56).
    const Pod* owner_of(const Address& address) const;
    /// Whether the pod is the holder of this address of its own.
    bool holds(const Pod& pod, const Address& address) const { return owner_of(address) == &pod; }

    /// Does the selector choose this namespace? Of a namespace that has not been seen, or whose
    /// labels could not all be read, nothing is known but its name: any requirement on another
    /// label fails, NotIn and DoesNotExist included (N27, N29).
    bool namespace_matches(const LabelSelector& selector, std::string_view ns) const;

    friend bool operator==(const Cluster& a, const Cluster& b) {
        return a.pods_ == b.pods_ && a.namespaces_ == b.namespaces_ && a.policies_ == b.policies_;
    }

  private:
    /// A live claim on an address, be the pod its holder or not.
    struct Claim {
        const Pod* pod = nullptr;
        std::uint32_t hash = 0;
        std::uint32_t index = 0;  ///< Of the address among the pod's.

        bool used() const { return pod != nullptr; }
        const Address& address() const { return pod->addresses[index]; }
    };

    void index(const Pod& pod);
    void share(Pod& pod);
    void unindex(const Pod& pod);

    std::map<ObjectName, Pod> pods_;
    std::map<std::string, Namespace, std::less<>> namespaces_;
    std::map<ObjectName, NetworkPolicy> policies_;
    SharedPool<Labels> labels_;
    SharedPool<std::string> nodes_;
    SharedPool<std::vector<Address>> node_addresses_;
    SharedPool<std::vector<ContainerPort>> ports_;
    OpenTable<Claim> claims_;
};

/// Can this pod hold addresses at all? Not when finished (N52) or on the host's network (N57).
bool can_hold_addresses(const Pod& pod);

}  // namespace podfence
