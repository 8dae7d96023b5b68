#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/peer_union.hpp"
#include "nft/ranges.hpp"
#include "nft/ruleset.hpp"

namespace podfence {

/// A set that a rule can look up, with the address family it is for.
struct SetRef {
    nft::Family family;
    std::string name;
};

/// The sets that a policy class asks for, shared by content: what is defined by the same selectors
/// or blocks is one set, whoever uses it. A set's name says its definition, never its present
/// members, so that members change in place; declared capacity grows in steps and then changes the
/// name.
class Sets {
  public:
    Sets() = default;
    Sets(const Sets&) = delete;
    Sets& operator=(const Sets&) = delete;
    Sets(Sets&&) = delete;
    Sets& operator=(Sets&&) = delete;
    virtual ~Sets() = default;

    /// Hash sets of the pods' addresses, a few of them or one of the whole union, each for either
    /// family and present even when empty; and interval sets of the blocks for the families that
    /// have any. In the order in which rules should try them.
    std::vector<SetRef> peers(const PeerUnion& peers);

    /// All addresses of a union that is not `any`, present members and blocks together.
    virtual nft::RangeSet ranges(const PeerUnion& peers) = 0;

    /// address . protocol . port of every pod that has the named port, one set a family.
    virtual std::vector<SetRef> named_ports(const std::vector<NamedTarget>& targets) = 0;

  protected:
    /// One set a family of all that these peers select.
    virtual std::vector<SetRef> pod_sets(const std::vector<BoundPeer>& peers) = 0;
    virtual std::vector<SetRef> block_sets(const std::vector<IpBlock>& blocks) = 0;
};

/// What is fixed about a pair of sets of pods' addresses: all but the members.
struct SetForm {
    std::string base{};  ///< Of the name: kind, hash of the definition, something readable.
    std::string comment{};
    bool with_ports = false;  ///< address . protocol . port

    std::string name(nft::Family family, std::size_t members) const;
    nft::SetSpec spec(nft::Family family, std::size_t members) const;
};
SetForm form_of(const std::vector<BoundPeer>& peers);
SetForm form_of(const std::vector<NamedTarget>& targets);

nft::Element address_element(const Address& address);
/// Elements of an interval set of addresses: the family's share.
std::vector<nft::Element> range_elements(const nft::RangeSet& ranges, nft::Family family);
/// All addresses of some prefixes, of both families.
nft::RangeSet ranges_of(std::span<const Prefix> prefixes);
nft::Element port_element(const Address& address, Protocol protocol, std::uint16_t port);

/// The interval sets of some blocks, complete, for the families that have any.
struct BlockSet {
    SetRef ref;
    nft::Set set;
};
std::vector<BlockSet> sets_of(const std::vector<IpBlock>& blocks);

/// The capacity to declare for `count` elements: steps of eight from `least` on.
std::uint32_t capacity_for(std::size_t count, std::uint32_t least);
/// `name`, with the capacity appended when it is not the least: another capacity is another set.
std::string sized_name(std::string name, std::uint32_t capacity, std::uint32_t least);

/// Text of the addresses of a family: "v4", "v6".
std::string_view family_suffix(nft::Family family);

}  // namespace podfence
