#include "controller/set_pool.hpp"

#include <algorithm>
#include <utility>

#include "controller/families.hpp"
#include "controller/sorted.hpp"

namespace podfence {

nft::RangeSet SetPool::ranges(const PeerUnion& peers) {
    std::vector<nft::Range> all;
    for (const auto& peer : peers.pods) {
        for (const auto* identity : index_.select(peer.peer, peer.own_ns)) {
            for (const auto& member : identity->members) {
                all.push_back({member.address, member.address});
            }
        }
    }
    for (const auto& block : peers.blocks) {
        const auto ranges = ranges_of(block);
        all.insert(all.end(), ranges.ranges().begin(), ranges.ranges().end());
    }
    return nft::RangeSet::of(std::move(all));
}

std::vector<SetRef> SetPool::write(const SetForm& form,
                                   PerFamily<std::vector<nft::Element>> elements) {
    std::vector<SetRef> refs;
    for (const auto family : kFamilies) {
        auto& own = elements[index(family)];
        sort_unique(own);
        const auto name = form.name(family, own.size());
        nft::SetSpec spec = form.spec(family, own.size());
        nft::Set set{.spec = std::move(spec), .elements = std::move(own)};
        table_.sets.emplace(name, std::move(set));
        refs.push_back({.family = family, .name = name});
    }
    return refs;
}

std::vector<SetRef> SetPool::pod_sets(const std::vector<BoundPeer>& peers) {
    const auto [entry, added] = pods_known_.try_emplace(peers);
    if (!added) return entry->second;
    PerFamily<std::vector<nft::Element>> elements;
    for (const auto& peer : peers) {
        for (const auto* identity : index_.select(peer.peer, peer.own_ns)) {
            for (const auto& member : identity->members) {
                elements[index(member.address.family())].push_back(address_element(member.address));
            }
        }
    }
    entry->second = write(form_of(peers), std::move(elements));
    return entry->second;
}

std::vector<SetRef> SetPool::block_sets(const std::vector<IpBlock>& blocks) {
    const auto [entry, added] = blocks_known_.try_emplace(blocks);
    if (!added) return entry->second;
    for (auto& block : sets_of(blocks)) {
        table_.sets.emplace(block.ref.name, std::move(block.set));
        entry->second.push_back(std::move(block.ref));
    }
    return entry->second;
}

std::vector<Member> SetPool::members(const NamedTarget& target) {
    std::vector<Member> members;
    if (!target.any_peer && target.block.empty()) {
        for (const auto* identity : index_.select(target.pods.peer, target.pods.own_ns)) {
            members.insert(members.end(), identity->members.begin(), identity->members.end());
        }
        return members;
    }
    const auto ranges = target.any_peer ? nft::RangeSet{} : ranges_of(target.block.front());
    for (const auto& identity : index_.identities()) {
        for (const auto& member : identity.members) {
            if (target.any_peer || ranges.contains(member.address)) members.push_back(member);
        }
    }
    return members;
}

std::vector<SetRef> SetPool::named_ports(const std::vector<NamedTarget>& targets) {
    const auto [entry, added] = named_known_.try_emplace(targets);
    if (!added) return entry->second;
    PerFamily<std::vector<nft::Element>> elements;
    for (const auto& target : targets) {
        for (const auto& member : members(target)) {
            const auto port = find_port(*member.pod, target.port, target.protocol);
            if (!port) continue;
            elements[index(member.address.family())].push_back(
                port_element(member.address, target.protocol, *port));
        }
    }
    entry->second = write(form_of(targets), std::move(elements));
    return entry->second;
}

}  // namespace podfence
