#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/match_index.hpp"
#include "nft/ranges.hpp"
#include "nft/ruleset.hpp"

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

/// One text an item, for comments: "pods app=web in shop", "10.0.0.0/8 except 10.1.0.0/16".
std::vector<std::string> describe(const PeerUnion& peers);

/// A set that a rule can look up, with the address family it is for.
struct SetRef {
    nft::Family family;
    std::string name;
};

/// The sets of the table being compiled, shared by content: what is defined by the same selectors
/// or blocks is one set, whoever uses it. A set's name says its definition, never its present
/// members, so that members change in place; declared capacity grows in steps and then changes the
/// name.
class SetPool {
  public:
    SetPool(nft::Table& table, MatchIndex& index) : table_(table), index_(index) {}

    /// Hash sets of the pods' addresses, a few of them or one of the whole union, each for either
    /// family and present even when empty; and interval sets of the blocks for the families that
    /// have any. In the order in which rules should try them.
    std::vector<SetRef> peers(const PeerUnion& peers);

    /// All addresses of a union that is not `any`, present members and blocks together.
    nft::RangeSet ranges(const PeerUnion& peers);

    /// address . protocol . port of every pod that has the named port, one set a family.
    std::vector<SetRef> named_ports(const std::vector<NamedTarget>& targets);

  private:
    std::vector<SetRef> pod_sets(const std::vector<BoundPeer>& peers);
    std::vector<SetRef> block_sets(const std::vector<IpBlock>& blocks);
    std::vector<Member> members(const NamedTarget& target);

    nft::Table& table_;
    MatchIndex& index_;
    std::map<std::vector<BoundPeer>, std::vector<SetRef>> pods_known_;
    std::map<std::vector<IpBlock>, std::vector<SetRef>> blocks_known_;
    std::map<std::vector<NamedTarget>, std::vector<SetRef>> named_known_;
};

/// The capacity to declare for `count` elements: steps of eight from `least` on.
std::uint32_t capacity_for(std::size_t count, std::uint32_t least);
/// `name`, with the capacity appended when it is not the least: another capacity is another set.
std::string sized_name(std::string name, std::uint32_t capacity, std::uint32_t least);

/// Text of the addresses of a family: "v4", "v6".
std::string_view family_suffix(nft::Family family);

}  // namespace podfence
