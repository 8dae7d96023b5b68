#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "controller/shared.hpp"
#include "nft/addr.hpp"

/// The Kubernetes objects that matter to policy, reduced to the fields that matter, already
/// defaulted and validated: what could not be understood is absent here in the way that fails
/// closed (semantics D12), and was reported by whoever decoded it.
namespace podfence {

using nft::Address;
using nft::Prefix;

/// Where an object was read from. `file` is "-" for standard input; lines count from 1, 0: unknown.
struct SourcePos {
    std::string file{};
    std::uint32_t line = 0;
    friend bool operator==(const SourcePos&, const SourcePos&) = default;
};
std::string to_string(const SourcePos& pos);  ///< "shop.yaml:12"

struct ObjectName {
    std::string ns;
    std::string name;
    friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};
std::string to_string(const ObjectName& name);  ///< "ns/name"

/// metadata.uid: any text, of which a UUID as API servers give them takes no memory of its own.
class Uid {
  public:
    Uid() = default;
    explicit Uid(std::string_view text);
    std::string text() const;
    bool empty() const { return bytes().empty(); }
    /// UUIDs among themselves, and other texts, are in the order of their texts.
    friend auto operator<=>(const Uid& a, const Uid& b) {
        return std::pair(a.value_.index(), a.bytes()) <=> std::pair(b.value_.index(), b.bytes());
    }
    friend bool operator==(const Uid& a, const Uid& b) { return (a <=> b) == 0; }

  private:
    using Uuid = std::array<char, 16>;

    std::string_view bytes() const;

    std::variant<Shared<std::string>, Uuid> value_{};
};

using Labels = std::map<std::string, std::string, std::less<>>;

/// Among the labels of a pod or namespace of which something could not be read as it must be. It is
/// no valid key, so no selector names it. Such a pod, and the pods of such a namespace, are no
/// selector's peers: what opens for them might be meant for others (D12).
inline constexpr std::string_view kUnsureLabel = "(in error)";
/// The value of kUnsureLabel of a pod of which not even the text is known by which policies might
/// select it. Whoever loads it adds a policy that isolates it (controller/unsure_pods.hpp).
inline constexpr std::string_view kUnknown = "unknown";
bool may_be_peer(const Labels& labels);

enum class SelectorOp : std::uint8_t { in, not_in, exists, does_not_exist };

/// One requirement; matchLabels are `in` with one value (N24, N25). Values are sorted.
struct Requirement {
    std::string key;
    SelectorOp op = SelectorOp::exists;
    std::vector<std::string> values{};
    friend auto operator<=>(const Requirement&, const Requirement&) = default;
};

/// All requirements must hold (N26); none: everything matches (N18). Requirements are sorted, so
/// equal meanings spelt in another order compare equal.
struct LabelSelector {
    std::vector<Requirement> requirements{};
    friend auto operator<=>(const LabelSelector&, const LabelSelector&) = default;
};

enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };  // IANA numbers
std::string_view to_string(Protocol protocol);                         ///< "TCP", "UDP", "SCTP"
std::optional<Protocol> parse_protocol(std::string_view text);         ///< exact upper case (V3)

enum class PodPhase : std::uint8_t { pending, running, succeeded, failed, unknown };

struct ContainerPort {
    std::string name;
    std::uint16_t number = 0;
    Protocol protocol = Protocol::tcp;
    friend auto operator<=>(const ContainerPort&, const ContainerPort&) = default;
};

/// The annotation of a pod that lists addresses and blocks, separated by commas, which it may use
/// beside its own where the operator lets annotations say so (N73).
inline constexpr std::string_view kExtraAddresses = "podfence.io/extra-addresses";

/// What replicas and neighbours have in common is shared: a cluster is mostly that.
struct Pod {
    ObjectName name;
    Uid uid{};
    Shared<Labels> labels{};
    Shared<std::string> node{};  ///< spec.nodeName; empty: not scheduled.
    PodPhase phase = PodPhase::pending;
    bool deleting = false;  ///< metadata.deletionTimestamp is set.
    bool host_network = false;
    std::int64_t created_s = 0;        ///< metadata.creationTimestamp, seconds since 1970; 0: none.
    std::vector<Address> addresses{};  ///< status.podIPs, or podIP; at most one a family (N55).
    Shared<std::vector<Address>> node_addresses{};  ///< status.hostIPs, or hostIP.
    /// Container ports in look-up order: containers, then restartable init containers (N43). To
    /// policy only those with a name matter; the others say what a flow to the pod goes to.
    Shared<std::vector<ContainerPort>> ports{};
    Shared<std::vector<Prefix>> extra_addresses{};  ///< Of kExtraAddresses: sorted, each once.
    Shared<SourcePos> pos{};
    friend bool operator==(const Pod&, const Pod&) = default;
};

/// The number of the first container port with this name and protocol (N41-N44).
std::optional<std::uint16_t> find_port(const Pod& pod, std::string_view name, Protocol protocol);

/// kubernetes.io/metadata.name is always among the labels (N27).
struct Namespace {
    std::string name;
    Labels labels{};
    SourcePos pos{};
    friend bool operator==(const Namespace&, const Namespace&) = default;
};
inline constexpr std::string_view kNamespaceNameLabel = "kubernetes.io/metadata.name";

/// A peer by selectors. nullopt means the field was missing, which is not the same as empty (N17).
struct PodPeer {
    std::optional<LabelSelector> namespaces{};
    std::optional<LabelSelector> pods{};
    friend auto operator<=>(const PodPeer&, const PodPeer&) = default;
};
/// Addresses inside `cidr` and outside every `except` of this same block (N30, N31).
struct IpBlock {
    Prefix cidr;
    std::vector<Prefix> except{};
    friend auto operator<=>(const IpBlock&, const IpBlock&) = default;
};
using Peer = std::variant<PodPeer, IpBlock>;

/// first..last inclusive; all ports of the protocol are 0..65535 (N38).
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 65535;
    friend auto operator<=>(const PortRange&, const PortRange&) = default;
};
/// A named port is resolved on the destination pod (N41) and never matches elsewhere (N45).
struct NamedPort {
    std::string name;
    friend auto operator<=>(const NamedPort&, const NamedPort&) = default;
};
struct PolicyPort {
    Protocol protocol = Protocol::tcp;
    std::variant<PortRange, NamedPort> port{};
    friend auto operator<=>(const PolicyPort&, const PolicyPort&) = default;
};

/// One item of `ingress` or `egress`. Peers and ports bind to each other here (N23). "Any" is a
/// flag and never an empty list: a list whose items all failed to decode is empty and matches
/// nothing.
struct PolicyRule {
    bool any_peer = false;
    std::vector<Peer> peers{};
    bool any_port = false;  ///< All ports of all protocols, ICMP and the rest included (N15, D3).
    std::vector<PolicyPort> ports{};
    std::uint32_t index = 0;  ///< In the object's list, for reports: ingress[2].
    SourcePos pos{};
    friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

enum class Direction : std::uint8_t { ingress, egress };
std::string_view to_string(Direction direction);  ///< "ingress", "egress"

struct NetworkPolicy {
    ObjectName name;
    std::string uid{};     ///< Empty: it is not from an API server.
    LabelSelector pods{};  ///< spec.podSelector; missing is empty (N12).
    bool ingress = false;  ///< policyTypes after defaulting (N8)
    bool egress = false;
    std::vector<PolicyRule> ingress_rules{};  ///< Empty when `ingress` is false (N9).
    std::vector<PolicyRule> egress_rules{};
    SourcePos pos{};
    friend bool operator==(const NetworkPolicy&, const NetworkPolicy&) = default;

    bool isolates(Direction d) const { return d == Direction::ingress ? ingress : egress; }
    const std::vector<PolicyRule>& rules(Direction d) const {
        return d == Direction::ingress ? ingress_rules : egress_rules;
    }
};

}  // namespace podfence
