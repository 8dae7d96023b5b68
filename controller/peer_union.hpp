#pragma once

#include <compare>
#include <string>
#include <vector>

#include "controller/objects.hpp"
#include "nft/ranges.hpp"

namespace podfence {

/// A selector peer bound to the namespace of its policy where that matters (N17).
struct BoundPeer {
    std::string own_ns{};  ///< Empty when the peer has a namespace selector.
    PodPeer peer{};
    friend auto operator<=>(const BoundPeer&, const BoundPeer&) = default;
};
BoundPeer bind(const PodPeer& peer, const std::string& policy_ns);

/// A named port of a policy that is looked up on every selected pod (N41).
struct NamedTarget {
    bool any_peer = false;         ///< Every pod of the cluster (N45).
    BoundPeer pods{};              ///< Unless any_peer or a block.
    std::vector<IpBlock> block{};  ///< One block: the pods inside it (N46); else empty.
    std::string port{};
    Protocol protocol = Protocol::tcp;
    friend auto operator<=>(const NamedTarget&, const NamedTarget&) = default;
};

/// Who may be at the other end: a union. Sorted and unique once `normalize`d, so equal unions
/// compare and hash equal.
struct PeerUnion {
    bool any = false;
    std::vector<BoundPeer> pods{};
    std::vector<IpBlock> blocks{};
    void normalize();
    bool empty() const { return !any && pods.empty() && blocks.empty(); }
    PeerUnion& operator|=(const PeerUnion& other);
    friend auto operator<=>(const PeerUnion&, const PeerUnion&) = default;
};

/// The addresses of a block (N30).
nft::RangeSet ranges_of(const IpBlock& block);

/// For comments: "pods app=web in namespace shop".
std::string describe(const BoundPeer& peer);
/// One text an item.
std::vector<std::string> describe(const PeerUnion& peers);

}  // namespace podfence
