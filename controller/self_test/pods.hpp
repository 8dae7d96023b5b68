#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/route_orders.hpp"
#include "controller/self_test/flows.hpp"
#include "controller/throwaway_netns.hpp"

namespace podfence::self_test {

/// Begins the names of interfaces that the self-test makes on the node.
inline constexpr const char* kInterfacePrefix = "pfcanary";

/// Where the pods are connected.
struct Connection {
    Wiring wiring = Wiring::routed;
    std::string bridge{};  ///< Of the node, to add ports to; empty: one of our own.

    friend bool operator==(const Connection&, const Connection&) = default;
};

/// Two network namespaces connected to the node as a CNI plugin connects pods. Destroying the
/// object takes everything away again; when the process is killed the kernel does, but for a bridge
/// of our own, which clear_leftovers() removes.
class Pods {
  public:
    /// In the calling thread's network namespace, as the node's. Adds no address and changes no
    /// setting of it. Errors: not_permitted, and what the kernel has against it.
    static nft::Result<Pods> connect(const Connection& connection, const PodAddresses& addresses,
                                     const std::vector<Flow>& flows);
    Pods(Pods&&) noexcept = default;
    Pods& operator=(Pods&&) = delete;
    ~Pods();

    /// The first pod's socket for the flow, and the second's, which is bound and listens.
    int source(std::size_t flow) const { return first_.sockets[flow + kOwnSockets].get(); }
    int destination(std::size_t flow) const { return second_.sockets[flow + kOwnSockets].get(); }

    /// Removes what a killed run before left on the node. Errors as of connect().
    static nft::Result<void> clear_leftovers();

  private:
    /// Of each pod, before those of the flows: one to set it up by, one that hears when it is up.
    static constexpr std::size_t kOwnSockets = 2;

    Pods(ThrowawayNetns first, ThrowawayNetns second, RouteOrders node)
        : first_(std::move(first)), second_(std::move(second)), node_(std::move(node)) {}

    ThrowawayNetns first_;
    ThrowawayNetns second_;
    RouteOrders node_;
    bool connected_ = false;
};

/// Addresses for the pods that the node knows no route to but a default one: of 198.18.0.0/15,
/// which is for tests between networks (RFC 2544), and of a unique local prefix (RFC 4193).
/// Errors: rejected: all that were tried are in use.
nft::Result<PodAddresses> free_addresses(const std::vector<nft::Family>& families);

}  // namespace podfence::self_test
