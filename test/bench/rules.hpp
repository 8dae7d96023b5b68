#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "controller/cluster.hpp"
#include "test/support/lab.hpp"

/// The same permissions, for one pod, as podfence and others put them into the kernel.
namespace podfence::bench {

/// One thing that a pod's policies allow: this source on this TCP port.
struct Allowed {
    Prefix source;
    std::uint16_t port = 0;
};

/// What `count` rules of a pod's policies allow, over fifty ports, pods and CIDRs in turns. The
/// last one is `last`: whoever looks at rules one by one finds it last.
std::vector<Allowed> allowed_sources(std::size_t count, const Allowed& last);
Allowed allowed_host(const Address& source, std::uint16_t port);

/// Policies of ten rules each, whose subject is the pod `subject` of the lab. Sources that are one
/// address are pods with a label of their own, on another node.
Cluster cluster_of(const std::vector<Allowed>& allowed, const lab::Network& network,
                   const lab::Host& subject);

/// The inet table `table` with nothing but `ct state established,related accept`: conntrack's own
/// price, where podfence hooks in. In nft syntax, as the next.
std::string conntrack_only(const std::string& table);

/// A rule for each allowed source, one after the other in one chain.
std::string naive_linear(const std::string& table, const std::vector<Allowed>& allowed,
                         const Address& subject);

/// What kube-router makes of the same policies (pkg/controllers/netpol/{pod,policy}.go): a chain
/// for the pod, which jumps to a chain of each policy, in which each rule has an ipset of its
/// sources and two iptables rules, one that marks and one that returns. Inputs of `ipset restore`
/// and `iptables-legacy-restore`. Comments, which iptables matches too, are left out in its favour.
struct KubeRouter {
    std::string ipset;
    std::string iptables;
};
/// The chain that FORWARD is to jump to; the rules leave that to the caller.
inline constexpr const char* kKubeRouterChain = "KUBE-ROUTER-FORWARD";
KubeRouter kube_router(const std::vector<Allowed>& allowed, const Address& subject);

}  // namespace podfence::bench
