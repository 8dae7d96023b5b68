#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "controller/cluster.hpp"
#include "controller/explain.hpp"

/// Terse ways to write objects in tests. What cannot be parsed is a bug of the test and aborts.
///
///     const Cluster c = cluster(
///         ns("shop", "team=a"),
///         pod("shop/api", "10.0.0.1").labels("app=api"),
///         pod("shop/db", "10.0.0.2").labels("app=db").port("pg", 5432),
///         policy("shop/db").pods("app=db").ingress(rule().peer(pods("app=api")).port("pg")));
namespace podfence::test {

Address ip(std::string_view text);
Prefix cidr(std::string_view text);
/// "ns/name"
ObjectName name(std::string_view text);
/// "app=web,tier=" (an empty value); "" is no label at all.
Labels labels(std::string_view text);
/// As kubectl writes selectors: "app=web,tier in (a,b),env notin (x),role,!legacy"; "" chooses all.
LabelSelector selector(std::string_view text);

// ---- peers ------------------------------------------------------------------------------------

Peer pods(std::string_view pod_selector);              ///< podSelector alone: own namespace
Peer namespaces(std::string_view namespace_selector);  ///< namespaceSelector alone
Peer pods_in(std::string_view namespace_selector, std::string_view pod_selector);  ///< AND (N21)
Peer block(std::string_view cidr, std::initializer_list<std::string_view> except = {});

// ---- objects ----------------------------------------------------------------------------------

/// The addresses of a test node: "n1" is 192.168.0.1 and fd01::1; other numbers accordingly.
std::vector<Address> node_addresses(std::string_view node);

Namespace ns(std::string_view name, std::string_view labels = "");

/// Running on n1 unless told otherwise.
class PodBuilder {
  public:
    explicit PodBuilder(std::string_view name);
    PodBuilder& addresses(std::initializer_list<std::string_view> addresses);
    PodBuilder& labels(std::string_view text);
    PodBuilder& node(std::string_view node);  ///< With node_addresses(node).
    PodBuilder& port(std::string_view name, std::uint16_t number,
                     Protocol protocol = Protocol::tcp);
    PodBuilder& phase(PodPhase phase);
    PodBuilder& deleting();
    PodBuilder& host_network();  ///< With the node's addresses as its own.
    PodBuilder& created(std::int64_t seconds);
    PodBuilder& uid(std::string_view uid);
    operator Pod() const { return pod_; }  // NOLINT(google-explicit-constructor): its purpose

  private:
    Pod pod_;
};
template <class... Texts>
PodBuilder pod(std::string_view name, Texts... addresses) {
    return PodBuilder(name).addresses({std::string_view(addresses)...});
}

/// Without peer: any peer. Without port: any port of any protocol.
class RuleBuilder {
  public:
    RuleBuilder() { rule_.any_peer = rule_.any_port = true; }
    RuleBuilder& peer(Peer peer);
    RuleBuilder& no_peer();  ///< A list of which nothing could be understood (D12).
    RuleBuilder& port(std::uint16_t number, Protocol protocol = Protocol::tcp);
    RuleBuilder& port(std::string_view name, Protocol protocol = Protocol::tcp);
    RuleBuilder& ports(std::uint16_t first, std::uint16_t last, Protocol protocol = Protocol::tcp);
    RuleBuilder& all_ports(Protocol protocol = Protocol::tcp);  ///< Of the protocol (N38).
    RuleBuilder& no_port();                                     ///< As no_peer.
    operator PolicyRule() const { return rule_; }  // NOLINT(google-explicit-constructor)

  private:
    PolicyRule rule_;
};
inline RuleBuilder rule() {
    return {};
}

/// Selects all pods of its namespace and isolates nothing until told.
class PolicyBuilder {
  public:
    explicit PolicyBuilder(std::string_view name);
    PolicyBuilder& pods(std::string_view selector);
    PolicyBuilder& ingress();  ///< policyTypes has Ingress, whatever the rules.
    PolicyBuilder& egress();
    PolicyBuilder& ingress(PolicyRule rule);  ///< Adds a rule, and Ingress to policyTypes.
    PolicyBuilder& egress(PolicyRule rule);
    operator NetworkPolicy() const { return policy_; }  // NOLINT(google-explicit-constructor)

  private:
    NetworkPolicy policy_;
};
inline PolicyBuilder policy(std::string_view name) {
    return PolicyBuilder(name);
}

inline void put(Cluster& cluster, Pod pod) {
    cluster.put(std::move(pod));
}
inline void put(Cluster& cluster, Namespace ns) {
    cluster.put(std::move(ns));
}
inline void put(Cluster& cluster, NetworkPolicy policy) {
    cluster.put(std::move(policy));
}

/// Of objects and builders, in any order. A namespace that is not given has not been seen (N29).
template <class... Objects>
Cluster cluster(const Objects&... objects) {
    Cluster made;
    (put(made, objects), ...);
    return made;
}

// ---- flows ------------------------------------------------------------------------------------

inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kGre = 47;
inline constexpr std::uint8_t kIcmpV6 = 58;
inline constexpr std::uint8_t kSctp = 132;
inline constexpr std::uint8_t kUdpLite = 136;

/// Addresses as text; the protocol's IANA number.
Flow flow(std::string_view source, std::string_view destination, std::uint16_t port = 80,
          std::uint8_t protocol = kTcp);

}  // namespace podfence::test
