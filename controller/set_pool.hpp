#pragma once

#include <map>
#include <vector>

#include "controller/families.hpp"
#include "controller/match_index.hpp"
#include "controller/sets.hpp"

namespace podfence {

/// The sets of a table that is compiled at once: each is written, complete, when first asked for.
class SetPool final : public Sets {
  public:
    SetPool(nft::Table& table, MatchIndex& index) : table_(table), index_(index) {}

    nft::RangeSet ranges(const PeerUnion& peers) override;
    std::vector<SetRef> named_ports(const std::vector<NamedTarget>& targets) override;

  private:
    std::vector<SetRef> pod_sets(const std::vector<BoundPeer>& peers) override;
    std::vector<SetRef> block_sets(const std::vector<IpBlock>& blocks) override;
    std::vector<Member> members(const NamedTarget& target);
    /// Writes a set of each family.
    std::vector<SetRef> write(const SetForm& form, PerFamily<std::vector<nft::Element>> elements);

    nft::Table& table_;
    MatchIndex& index_;
    std::map<std::vector<BoundPeer>, std::vector<SetRef>> pods_known_;
    std::map<std::vector<IpBlock>, std::vector<SetRef>> blocks_known_;
    std::map<std::vector<NamedTarget>, std::vector<SetRef>> named_known_;
};

}  // namespace podfence
