#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cluster.hpp"

namespace podfence {

/// A pod and one address that it holds.
struct Member {
    const Pod* pod = nullptr;  ///< Owned by the cluster.
    Address address;
};

/// Pods by what selectors can see of them. An identity is a namespace plus a label set, and all
/// replicas of a workload share one: selectors are matched against identities, not pods. Points
/// into the cluster, which must outlive it unchanged.
class MatchIndex {
  public:
    explicit MatchIndex(const Cluster& cluster);

    struct Identity {
        std::string_view ns;
        const Labels* labels = nullptr;
        std::vector<Member> members{};
    };

    /// The identities that the peer selects, for a policy of namespace `own_ns` (N17); none that
    /// may be no peer.
    std::vector<const Identity*> select(const PodPeer& peer, std::string_view own_ns);
    const std::vector<Identity>& identities() const { return identities_; }

  private:
    using Ids = std::vector<std::uint32_t>;  // into identities_, ascending
    using NamespaceSet = std::set<std::string_view>;

    const NamespaceSet& namespaces_of(const LabelSelector& selector);
    /// Appends the shortest list of candidates that one requirement on a label's value leaves.
    /// False when the selector has no such requirement.
    bool candidates(const LabelSelector& selector, Ids& out) const;

    const Cluster& cluster_;
    std::vector<Identity> identities_;
    std::map<std::string_view, Ids> by_namespace_;
    std::map<std::pair<std::string_view, std::string_view>, Ids> by_label_;
    std::map<LabelSelector, NamespaceSet> namespace_matches_;
};

}  // namespace podfence
