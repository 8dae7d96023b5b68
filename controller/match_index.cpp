#include "controller/match_index.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "controller/selector.hpp"

namespace podfence {

MatchIndex::MatchIndex(const Cluster& cluster) : cluster_(cluster) {
    const auto less = [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first < b.first : *a.second < *b.second;
    };
    std::map<std::pair<std::string_view, const Labels*>, std::uint32_t, decltype(less)> known(less);
    for (const auto& [name, pod] : cluster.pods()) {
        if (!can_hold_addresses(pod)) continue;
        for (const auto& address : pod.addresses) {
            if (!cluster.holds(pod, address)) continue;
            const auto id = static_cast<std::uint32_t>(identities_.size());
            const auto [entry, added] = known.try_emplace({name.ns, &pod.labels.get()}, id);
            if (added) identities_.push_back({.ns = name.ns, .labels = &pod.labels.get()});
            identities_[entry->second].members.push_back({.pod = &pod, .address = address});
        }
    }
    for (std::uint32_t id = 0; id < identities_.size(); ++id) {
        if (!may_be_peer(*identities_[id].labels)) continue;
        by_namespace_[identities_[id].ns].push_back(id);
        for (const auto& [key, value] : *identities_[id].labels) {
            by_label_[{key, value}].push_back(id);
        }
    }
}

const MatchIndex::NamespaceSet& MatchIndex::namespaces_of(const LabelSelector& selector) {
    const auto [entry, added] = namespace_matches_.try_emplace(selector);
    if (added) {
        for (const auto& [ns, ids] : by_namespace_) {
            if (cluster_.namespace_matches(selector, ns)) entry->second.insert(ns);
        }
    }
    return entry->second;
}

bool MatchIndex::candidates(const LabelSelector& selector, Ids& out) const {
    std::optional<std::size_t> best_size;
    const Requirement* best = nullptr;
    const auto ids_of = [&](const Requirement& r, const std::string& value) -> const Ids* {
        const auto entry = by_label_.find({r.key, value});
        return entry == by_label_.end() ? nullptr : &entry->second;
    };
    for (const auto& requirement : selector.requirements) {
        if (requirement.op != SelectorOp::in) continue;
        std::size_t size = 0;
        for (const auto& value : requirement.values) {
            if (const Ids* ids = ids_of(requirement, value)) size += ids->size();
        }
        if (!best_size || size < *best_size) {
            best_size = size;
            best = &requirement;
        }
    }
    if (best == nullptr) return false;
    for (const auto& value : best->values) {
        if (const Ids* ids = ids_of(*best, value)) out.insert(out.end(), ids->begin(), ids->end());
    }
    return true;
}

std::vector<const MatchIndex::Identity*> MatchIndex::select(const PodPeer& peer,
                                                            std::string_view own_ns) {
    std::vector<const Identity*> selected;
    if (!peer.namespaces && !peer.pods) return selected;  // N16: a peer without a field
    static const LabelSelector everything;
    const LabelSelector& pods = peer.pods ? *peer.pods : everything;
    const NamespaceSet* namespaces = peer.namespaces ? &namespaces_of(*peer.namespaces) : nullptr;
    const auto take = [&](std::uint32_t id) {
        if (matches(pods, *identities_[id].labels)) selected.push_back(&identities_[id]);
    };

    Ids ids;
    if (candidates(pods, ids)) {
        for (const auto id : ids) {
            const auto ns = identities_[id].ns;
            if (namespaces != nullptr ? namespaces->contains(ns) : ns == own_ns) take(id);
        }
        return selected;
    }
    const auto take_namespace = [&](std::string_view ns) {
        const auto entry = by_namespace_.find(ns);
        if (entry == by_namespace_.end()) return;
        for (const auto id : entry->second) take(id);
    };
    if (namespaces == nullptr) {
        take_namespace(own_ns);
    } else {
        for (const auto ns : *namespaces) take_namespace(ns);
    }
    return selected;
}

}  // namespace podfence
