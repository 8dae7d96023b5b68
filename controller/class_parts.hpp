#pragma once

#include <compare>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/cluster.hpp"
#include "controller/peer_union.hpp"
#include "controller/port_partition.hpp"

namespace podfence {

/// Numbers of named ports on the judged pod; a name it lacks is absent and matches nothing (N45).
using PortNumbers = std::map<std::pair<std::string, Protocol>, std::uint16_t>;

/// All pods of the node that the same policies isolate in one direction and on which these
/// policies' named ports mean the same: they share one chain.
struct PolicyClass {
    Direction direction = Direction::ingress;
    std::vector<const NetworkPolicy*> policies{};  ///< By name, ascending; owned by the cluster.
    PortNumbers named{};  ///< Only for ingress: on egress names are resolved on the peers.

    friend auto operator<=>(const PolicyClass&, const PolicyClass&) = default;
};

/// The class of a pod; `policies` are those that isolate it in this direction.
PolicyClass class_of(const Pod& pod, Direction direction,
                     std::vector<const NetworkPolicy*> policies);

/// Names of its policies, "ns/name", ascending.
std::vector<std::string> names_of(const PolicyClass& policy_class);

/// Rules of a class that allow the same peers on the same ports (N19, N20, N23).
struct RuleGroup {
    PeerUnion peers{};
    std::vector<PortSpan> spans{};       ///< Sorted; none where any port will do.
    std::vector<std::string> origins{};  ///< "shop/db ingress[0]", sorted, unique
};

/// The union over all rules of a class, sorted by what a packet must be matched for.
struct ClassParts {
    RuleGroup any_port{};              ///< Rules without ports: every protocol (D3).
    std::vector<RuleGroup> groups{};   ///< Rules with ports; no two with the same peers.
    std::vector<NamedTarget> named{};  ///< Egress to named ports; sorted, unique.
    std::vector<std::string> named_origins{};
};
ClassParts collect(const PolicyClass& policy_class);

}  // namespace podfence
