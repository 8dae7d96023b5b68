#include "controller/peer_union.hpp"

#include <algorithm>
#include <utility>

#include "controller/selector.hpp"
#include "controller/sorted.hpp"

namespace podfence {

BoundPeer bind(const PodPeer& peer, const std::string& policy_ns) {
    return {.own_ns = peer.namespaces ? "" : policy_ns, .peer = peer};
}

void PeerUnion::normalize() {
    sort_unique(pods);
    sort_unique(blocks);
}

PeerUnion& PeerUnion::operator|=(const PeerUnion& other) {
    any = any || other.any;
    pods.insert(pods.end(), other.pods.begin(), other.pods.end());
    blocks.insert(blocks.end(), other.blocks.begin(), other.blocks.end());
    return *this;
}

nft::RangeSet ranges_of(const IpBlock& block) {
    std::vector<nft::Range> except;
    for (const auto& prefix : block.except) except.push_back(to_range(prefix));
    return nft::RangeSet::of(block.cidr) - nft::RangeSet::of(std::move(except));
}

std::string describe(const BoundPeer& bound) {
    if (bound.own_ns.empty()) return to_string(bound.peer);
    const bool all = !bound.peer.pods || bound.peer.pods->requirements.empty();
    return (all ? "all pods" : "pods " + to_string(*bound.peer.pods)) + " in namespace " +
           bound.own_ns;
}

std::vector<std::string> describe(const PeerUnion& peers) {
    std::vector<std::string> texts;
    for (const auto& peer : peers.pods) texts.push_back(describe(peer));
    for (const auto& block : peers.blocks) texts.push_back(to_string(block));
    return texts;
}

}  // namespace podfence
