#include "controller/live_sets.hpp"

#include <algorithm>

#include "controller/sorted.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

using Kind = LiveDefinition::Kind;

/// No policy's peer: it chooses every pod, also one of which too little is known for a selector.
const BoundPeer kAnyPod{};

}  // namespace

void LiveSets::changed(const Address& address, const Side& before, const Side& after) {
    affected_.clear();
    for (const auto& side : {before, after}) {
        for (const auto* selection : side.selections) {
            affected_.insert(affected_.end(), selection->sets.begin(), selection->sets.end());
        }
    }
    sort_unique(affected_);
    for (auto* set : affected_) {
        const auto elements = set->size();
        const auto effect = set->changed(address, before, after);
        if (effect == LiveSet::Effect::none) continue;
        if (is_written(*set)) counts_.elements += set->size() - elements;  // Modulo 2^64.
        touch(*set);
        const bool watched = set->definition().kind == Kind::watched;
        if (set->stale || (!watched && effect != LiveSet::Effect::capacity)) continue;
        set->stale = true;
        stale_.push_back(set);
    }
}

void LiveSets::touch(LiveSet& set) {
    if (set.touched) return;
    set.touched = true;
    touched_.push_back(&set);
}

void LiveSets::clear_stale() {
    for (auto* set : stale_) set->stale = false;
    stale_.clear();
}

LiveSet& LiveSets::find(LiveDefinition definition) {
    const auto known = sets_.find(definition);
    if (known != sets_.end()) return known->second;
    auto targets = targets_of(definition);
    // The set refers to its key.
    const auto node = sets_.try_emplace(std::move(definition)).first;
    node->second.start(node->first, std::move(targets));
    return node->second;
}

std::vector<LiveTarget> LiveSets::targets_of(const LiveDefinition& definition) {
    std::vector<LiveTarget> targets;
    for (const auto& peer : definition.peers) {
        targets.push_back({.selection = &index_.select(peer)});
    }
    for (const auto& named : definition.targets) {
        const bool all = named.any_peer || !named.block.empty();
        targets.push_back({.selection = &index_.select(all ? kAnyPod : named.pods),
                           .port = named.port,
                           .protocol = named.protocol});
        if (!named.block.empty()) targets.back().inside = ranges_of(named.block.front());
    }
    return targets;
}

bool LiveSets::is_written(const LiveSet& set) {
    return set.users > 0 && set.definition().kind != Kind::watched;
}

void LiveSets::acquire(LiveSet& set) {
    if (set.users++ > 0) return;
    touch(set);
    if (!is_written(set)) return;
    counts_.sets += kFamilies.size();
    counts_.elements += set.size();
}

void LiveSets::release(LiveSet& set) {
    PODFENCE_CHECK(set.users > 0);
    const bool written = is_written(set);
    if (--set.users > 0) return;
    touch(set);
    if (!written) return;
    counts_.sets -= kFamilies.size();
    counts_.elements -= set.size();
}

void LiveSets::forget(LiveSet& set) {
    PODFENCE_CHECK(!set.stale);
    for (const auto& target : set.targets()) {
        erase(target.selection->sets, &set);
        index_.release(*target.selection);
    }
    sets_.erase(sets_.find(set.definition()));
}

void LiveSets::write(nft::Table& table) const {
    for (const auto& [definition, set] : sets_) {
        if (is_written(set)) set.write(table);
    }
}

void LiveSets::tell(Difference& difference) {
    for (auto* set : touched_) {
        set->touched = false;
        if (set->definition().kind != Kind::watched) set->tell(set->users > 0, difference);
        if (set->users == 0) forget(*set);
    }
    touched_.clear();
}

nft::RangeSet ClassSets::ranges(const PeerUnion& peers) {
    std::vector<nft::Range> all;
    if (!peers.pods.empty()) {
        auto& set = live_.find({.kind = Kind::watched, .peers = peers.pods});
        use(set);
        all = set.ranges();
    }
    for (const auto& block : peers.blocks) {
        const auto ranges = ranges_of(block);
        all.insert(all.end(), ranges.ranges().begin(), ranges.ranges().end());
    }
    return nft::RangeSet::of(std::move(all));
}

std::vector<SetRef> ClassSets::named_ports(const std::vector<NamedTarget>& targets) {
    return use(live_.find({.kind = Kind::named, .targets = targets}));
}

std::vector<SetRef> ClassSets::pod_sets(const std::vector<BoundPeer>& peers) {
    return use(live_.find({.kind = Kind::pods, .peers = peers}));
}

std::vector<SetRef> ClassSets::block_sets(const std::vector<IpBlock>& blocks) {
    std::vector<SetRef> refs;
    for (auto& block : sets_of(blocks)) {
        refs.push_back(block.ref);
        out_.sets.emplace(std::move(block.ref.name), std::move(block.set));
    }
    return refs;
}

std::vector<SetRef> ClassSets::use(LiveSet& set) {
    if (!contains(used_, &set)) {
        live_.acquire(set);
        insert(used_, &set);
    }
    std::vector<SetRef> refs;
    for (const auto family : kFamilies) refs.push_back({family, set.name(family)});
    return refs;
}

}  // namespace podfence
