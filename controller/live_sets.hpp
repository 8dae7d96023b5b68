#pragma once

#include <map>
#include <utility>
#include <vector>

#include "controller/live_index.hpp"
#include "controller/live_set.hpp"
#include "controller/sets.hpp"
#include "nft/table_counts.hpp"

namespace podfence {

/// The sets of pods' addresses that the node's classes use, one per definition, kept up to date by
/// the index of pods.
class LiveSets final : public LiveIndex::Listener {
  public:
    /// The cluster is asked about namespaces only.
    explicit LiveSets(const Cluster& cluster) : index_(cluster, *this) {}
    ~LiveSets() override = default;

    LiveIndex& pods() { return index_; }

    void acquire(LiveSet& set);
    void release(LiveSet& set);

    /// Whether some set's `stale` is set; whoever looks at that clears it.
    bool stale() const { return !stale_.empty(); }
    void clear_stale();

    void write(nft::Table& table) const;
    nft::TableCounts counts() const { return counts_; }
    /// Adds what changed since it was asked last, and forgets sets that nobody uses any more: until
    /// then they are kept, since they are often asked for again.
    void tell(Difference& difference);

  private:
    friend class ClassSets;

    /// Made when first asked for.
    LiveSet& find(LiveDefinition definition);
    std::vector<LiveTarget> targets_of(const LiveDefinition& definition);
    void changed(const Address& address, const Side& before, const Side& after) override;
    void touch(LiveSet& set);
    void forget(LiveSet& set);
    /// Whether it stands in the table.
    static bool is_written(const LiveSet& set);

    LiveIndex index_;
    std::map<LiveDefinition, LiveSet> sets_;
    std::vector<LiveSet*> stale_;
    std::vector<LiveSet*> touched_;
    std::vector<LiveSet*> affected_;  ///< Scratch of `changed`.
    nft::TableCounts counts_;         ///< Of those that stand in the table.
};

/// The sets of one class while it is compiled. Pods' sets are shared and live; blocks are constant
/// and written beside the class's chains.
class ClassSets final : public Sets {
  public:
    ClassSets(LiveSets& live, nft::Table& out) : live_(live), out_(out) {}
    ~ClassSets() override = default;

    nft::RangeSet ranges(const PeerUnion& peers) override;
    std::vector<SetRef> named_ports(const std::vector<NamedTarget>& targets) override;

    /// The live sets that were asked for; the caller releases them.
    std::vector<LiveSet*> take_used() { return std::move(used_); }

  private:
    std::vector<SetRef> pod_sets(const std::vector<BoundPeer>& peers) override;
    std::vector<SetRef> block_sets(const std::vector<IpBlock>& blocks) override;
    std::vector<SetRef> use(LiveSet& set);

    LiveSets& live_;
    nft::Table& out_;
    std::vector<LiveSet*> used_;
};

}  // namespace podfence
