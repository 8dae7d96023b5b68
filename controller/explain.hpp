#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cluster.hpp"

/// The oracle: judges a flow straight from the API objects, in the simplest possible way. It must
/// not know how rules are compiled; tests hold both against each other and against real packets.
namespace podfence {

/// A new connection as policy sees it, after any Service address was rewritten (D7). ICMPv6 stands
/// for its messages other than neighbour discovery and multicast listening, which always pass
/// (N71).
struct Flow {
    Address source;
    Address destination;        ///< Of the same family.
    std::uint8_t protocol = 6;  ///< IANA number; 6, 17 and 132 have ports.
    std::uint16_t port = 0;     ///< Destination port (N40).
    friend bool operator==(const Flow&, const Flow&) = default;
};
/// "10.0.0.1 -> 10.0.0.2 5432/TCP"
std::string to_string(const Flow& flow);

/// One item of a rule's from, to or ports.
struct ItemOutcome {
    std::string
        item;  ///< "pods app=web in this namespace", "10.0.0.0/8", "http/TCP (8080 on ns/pod)"
    bool matches = false;
    std::string
        lacks{};  ///< Why not: "pod shop/api has app=api, not app=web"; empty if it matches.
};

/// How one rule of one policy stood to the flow.
struct RuleOutcome {
    std::uint32_t index = 0;  ///< ingress[index] or egress[index]
    SourcePos pos{};
    bool peer_matches = false;
    bool port_matches = false;
    std::vector<ItemOutcome> peers{};  ///< All of from/to, in order; none: any peer, or fail closed
    std::vector<ItemOutcome> ports{};  ///< All of ports, in order; likewise.
    std::string peer_note{};  ///< "any peer", or the peer that matched, or what each one lacked
    std::string port_note{};  ///< "port 5433/TCP is not among 5432/TCP"
    bool matches() const { return peer_matches && port_matches; }
};

struct PolicyOutcome {
    ObjectName policy;
    SourcePos pos{};
    std::vector<RuleOutcome> rules{};
    /// The first rule that allows the flow; nullptr: none does.
    const RuleOutcome* allowing_rule() const;
    bool allows() const { return allowing_rule() != nullptr; }
};

/// Why a direction is not judged by policies at all.
enum class Exemption : std::uint8_t {
    none,
    not_a_pod,      ///< This end is no pod (N7).
    not_isolated,   ///< No policy selects the pod for this direction (N1).
    own_node,       ///< From the pod's own node (N3, D1), or to it (D2).
    hairpin,        ///< From the pod to itself (N66, D9).
    link_protocol,  ///< IGMP, which a link needs to work (N71).
};
/// The enumerator's name with hyphens, for scripts: "own-node".
std::string_view to_string(Exemption exemption);

struct DirectionOutcome {
    Exemption exemption = Exemption::none;
    /// This end is of a range of pods, and no known pod (ExplainOptions::held): nothing is allowed.
    bool held = false;
    const Pod* pod = nullptr;  ///< The judged pod; nullptr: not_a_pod. Owned by the cluster.
    /// That isolate the pod in this direction, by name; also where the flow is exempt from them.
    std::vector<PolicyOutcome> policies{};
    bool isolated() const { return !policies.empty(); }
    /// The first policy that allows the flow; nullptr: none does.
    const PolicyOutcome* allowing_policy() const;
    bool allowed() const {
        return !held && (exemption != Exemption::none || allowing_policy() != nullptr);
    }
};

/// What the node that is asked does with addresses of pods that it does not know yet
/// (CompileOptions::held_ranges).
struct HeldAddresses {
    std::vector<Prefix> ranges{};  ///< None: they are open.
    std::string node{};            ///< Its own addresses are no pod's, whatever the ranges say.
};

struct Explanation {
    Flow flow;
    const Pod* source_pod = nullptr;  ///< nullptr: outside or a node. Owned by the cluster.
    const Pod* destination_pod = nullptr;
    DirectionOutcome egress{};
    DirectionOutcome ingress{};
    bool allowed() const { return egress.allowed() && ingress.allowed(); }
};

struct ExplainOptions {
    bool pod_to_node_enforced = false;  ///< D2
    HeldAddresses held{};
    /// Policies of which this is true isolate as they say and allow nothing.
    std::function<bool(const ObjectName&)> refused{};
};

/// Whole, with reasons.
Explanation explain(const Cluster& cluster, const Flow& flow, const ExplainOptions& options = {});
/// Only the verdict; for matrices and property tests.
bool allowed(const Cluster& cluster, const Flow& flow, const ExplainOptions& options = {});
/// The same of one direction.
bool allowed(const Cluster& cluster, const Flow& flow, Direction direction,
             const ExplainOptions& options = {});

}  // namespace podfence
