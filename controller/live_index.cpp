#include "controller/live_index.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

#include "controller/fingerprint.hpp"
#include "controller/selector.hpp"
#include "controller/sorted.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

std::size_t mix(std::size_t hash, std::size_t value) {
    constexpr std::size_t golden = 0x9e3779b97f4a7c15;
    return (hash ^ value) * golden;
}

std::size_t hash_of(std::string_view ns, const Labels& labels,
                    const std::vector<ContainerPort>& ports) {
    constexpr std::hash<std::string_view> text;
    std::size_t hash = text(ns);
    for (const auto& [key, value] : labels) hash = mix(mix(hash, text(key)), text(value));
    for (const auto& port : ports) {
        if (!port.name.empty()) hash = mix(mix(hash, text(port.name)), port.number);
    }
    return hash;
}

std::vector<ContainerPort> named(const std::vector<ContainerPort>& ports) {
    std::vector<ContainerPort> result;
    std::copy_if(ports.begin(), ports.end(), std::back_inserter(result),
                 [](const auto& port) { return !port.name.empty(); });
    return result;
}

/// As far as the pod alone is asked.
bool chooses(const Selection& selection, const Identity& identity) {
    const auto& pods = selection.peer.peer.pods;
    return may_be_peer(identity.traits->labels) &&
           (!pods || matches(*pods, identity.traits->labels));
}

void link(Selection& selection, Identity& identity) {
    insert(selection.identities, &identity);
    insert(identity.selections, &selection);
}

void unlink(Selection& selection, Identity& identity) {
    erase(selection.identities, &identity);
    erase(identity.selections, &selection);
}

Side side_of(const Identity* identity) {
    if (identity == nullptr) return {};
    return {.identity = identity, .selections = identity->selections};
}

}  // namespace

std::size_t LiveIndex::Hash::operator()(const Traits& traits) const {
    return hash_of(traits.ns, traits.labels, traits.ports);
}

std::size_t LiveIndex::Hash::operator()(const Pod& pod) const {
    return hash_of(pod.name.ns, pod.labels, pod.ports);
}

bool LiveIndex::Equal::operator()(const Pod& pod, const Traits& traits) const {
    if (pod.name.ns != traits.ns || pod.labels != traits.labels) return false;
    auto expected = traits.ports.begin();
    for (const auto& port : pod.ports) {
        if (port.name.empty()) continue;
        if (expected == traits.ports.end() || *expected++ != port) return false;
    }
    return expected == traits.ports.end();
}

LiveIndex::Place* LiveIndex::place_of(const Address& address) {
    return holders_.find(hash_of(address), [&](const Place& place) {
        return place.identity->members[place.position] == address;
    });
}

void LiveIndex::hold(const Address& address, const Pod* pod) {
    Place* held = place_of(address);
    Identity* before = held == nullptr ? nullptr : held->identity;
    Identity* after = pod == nullptr ? nullptr : &identity_of(*pod);
    if (before == after) return;
    listener_.changed(address, side_of(before), side_of(after));
    if (before != nullptr) remove_member(*held);
    if (after == nullptr) {
        holders_.erase(held);
    } else {
        const auto position = static_cast<std::uint32_t>(after->members.size());
        after->members.push_back(address);
        Place& place =
            held == nullptr ? holders_.add({.identity = after, .hash = hash_of(address)}) : *held;
        place.identity = after;
        place.position = position;
    }
    if (before != nullptr) drop_if_empty(*before);
}

/// The last member takes its position.
void LiveIndex::remove_member(const Place& place) {
    auto& members = place.identity->members;
    const std::size_t last = members.size() - 1;
    if (place.position < last) {
        place_of(members[last])->position = place.position;
        members[place.position] = members[last];
    }
    members.pop_back();
}

Identity& LiveIndex::identity_of(const Pod& pod) {
    const auto known = identities_.find(pod);
    if (known != identities_.end()) return known->second;
    const auto added =
        identities_
            .try_emplace({.ns = pod.name.ns, .labels = pod.labels, .ports = named(pod.ports)})
            .first;
    Identity& identity = added->second;
    identity.traits = &added->first;
    auto& space = space_of(pod.name.ns)->second;
    insert(space.identities, &identity);
    choose_for(identity, space);
    return identity;
}

void LiveIndex::choose_for(Identity& identity, Space& space) {
    if (everyone_ != nullptr) link(*everyone_, identity);
    for (auto* selection : space.own) {
        if (chooses(*selection, identity)) link(*selection, identity);
    }
    for (const auto* scope : space.scopes) {
        for (auto* selection : scope->broad) {
            if (chooses(*selection, identity)) link(*selection, identity);
        }
    }
    if (filed_.empty()) return;
    for (const auto& label : identity.traits->labels) {
        const auto filed = filed_.find(label);
        if (filed == filed_.end()) continue;
        for (auto* selection : filed->second) {
            if (!chooses(*selection, identity)) continue;
            auto* scope = &scopes_.at(*selection->peer.peer.namespaces);
            if (contains(space.scopes, scope)) link(*selection, identity);
        }
    }
}

void LiveIndex::drop_if_empty(const Identity& identity) {
    if (!identity.members.empty()) return;
    const auto entry = identities_.find(*identity.traits);
    for (auto* selection : identity.selections) erase(selection->identities, &entry->second);
    const auto space = spaces_.find(identity.traits->ns);
    erase(space->second.identities, &entry->second);
    identities_.erase(entry);
    drop_if_empty(space);
}

LiveIndex::Spaces::iterator LiveIndex::space_of(const std::string& name) {
    const auto [entry, added] = spaces_.try_emplace(name);
    if (!added) return entry;
    for (auto& [selector, scope] : scopes_) {
        if (!cluster_.namespace_matches(selector, name)) continue;
        insert(entry->second.scopes, &scope);
        insert(scope.spaces, &*entry);
    }
    return entry;
}

void LiveIndex::drop_if_empty(Spaces::iterator space) {
    if (!space->second.identities.empty() || !space->second.own.empty()) return;
    for (auto* scope : space->second.scopes) erase(scope->spaces, &*space);
    spaces_.erase(space);
}

void LiveIndex::namespace_changed(const std::string& name) {
    const auto entry = spaces_.find(name);
    if (entry == spaces_.end()) return;
    auto& space = entry->second;
    std::vector<Selection*> toggled;
    for (auto& [selector, scope] : scopes_) {
        const bool covered = contains(space.scopes, &scope);
        if (covered == cluster_.namespace_matches(selector, name)) continue;
        if (covered) {
            erase(space.scopes, &scope);
            erase(scope.spaces, &*entry);
        } else {
            insert(space.scopes, &scope);
            insert(scope.spaces, &*entry);
        }
        toggled.insert(toggled.end(), scope.all.begin(), scope.all.end());
    }
    if (toggled.empty()) return;
    for (auto* identity : space.identities) {
        const auto before = identity->selections;
        for (auto* selection : toggled) {
            if (contains(before, selection)) {
                unlink(*selection, *identity);
            } else if (chooses(*selection, *identity)) {
                link(*selection, *identity);
            }
        }
        if (identity->selections == before) continue;
        for (const auto& address : identity->members) {
            listener_.changed(address, {.identity = identity, .selections = before},
                              side_of(identity));
        }
    }
}

LiveIndex::Scope& LiveIndex::scope_of(const LabelSelector& selector) {
    const auto [entry, added] = scopes_.try_emplace(selector);
    auto& scope = entry->second;
    if (!added) return scope;
    const auto cover = [&](Spaces::value_type& space) {
        insert(space.second.scopes, &scope);
        insert(scope.spaces, &space);
    };
    if (const auto* names = names_asked(selector)) {  // The commonest kind, and it need not search.
        for (const auto& name : *names) {
            const auto space = spaces_.find(name);
            if (space != spaces_.end()) cover(*space);
        }
        return scope;
    }
    for (auto& space : spaces_) {
        if (cluster_.namespace_matches(selector, space.first)) cover(space);
    }
    return scope;
}

const Requirement* LiveIndex::best_requirement(const BoundPeer& peer) const {
    if (!peer.peer.pods) return nullptr;
    const Requirement* best = nullptr;
    std::size_t best_size = 0;
    for (const auto& requirement : peer.peer.pods->requirements) {
        if (requirement.op != SelectorOp::in) continue;
        std::size_t size = requirement.values.size();
        for (const auto& value : requirement.values) {
            const auto filed = filed_.find({requirement.key, value});
            if (filed != filed_.end()) size += filed->second.size();
        }
        if (best != nullptr && size >= best_size) continue;
        best = &requirement;
        best_size = size;
    }
    return best;
}

void LiveIndex::file(Selection& selection, Scope& scope) {
    insert(scope.all, &selection);
    selection.filed_under = best_requirement(selection.peer);
    if (selection.filed_under == nullptr) {
        insert(scope.broad, &selection);
        return;
    }
    for (const auto& value : selection.filed_under->values) {
        insert(filed_[{selection.filed_under->key, value}], &selection);
    }
}

void LiveIndex::unfile(Selection& selection, Scope& scope) {
    erase(scope.all, &selection);
    if (selection.filed_under == nullptr) {
        erase(scope.broad, &selection);
        return;
    }
    for (const auto& value : selection.filed_under->values) {
        const auto filed = filed_.find({selection.filed_under->key, value});
        erase(filed->second, &selection);
        if (filed->second.empty()) filed_.erase(filed);
    }
}

Selection& LiveIndex::select(const BoundPeer& peer) {
    const auto [entry, added] = selections_.try_emplace(peer);
    auto& selection = entry->second;
    ++selection.users;
    if (!added) return selection;
    selection.peer = peer;
    choose_all(selection);
    return selection;
}

void LiveIndex::choose_all(Selection& selection) {
    const auto& peer = selection.peer;
    if (peer == BoundPeer{}) {
        everyone_ = &selection;
        for (auto& [traits, identity] : identities_) link(selection, identity);
        return;
    }
    const auto choose_in = [&](Space& space) {
        for (auto* identity : space.identities) {
            if (chooses(selection, *identity)) link(selection, *identity);
        }
    };
    if (!peer.peer.namespaces) {
        auto& space = space_of(peer.own_ns)->second;
        insert(space.own, &selection);
        choose_in(space);
        return;
    }
    auto& scope = scope_of(*peer.peer.namespaces);
    file(selection, scope);
    for (auto* space : scope.spaces) choose_in(space->second);
}

void LiveIndex::release(Selection& selection) {
    PODFENCE_CHECK(selection.users > 0);
    if (--selection.users > 0) return;
    for (auto* identity : selection.identities) erase(identity->selections, &selection);
    if (&selection == everyone_) {
        everyone_ = nullptr;
    } else if (selection.peer.peer.namespaces) {
        const auto scope = scopes_.find(*selection.peer.peer.namespaces);
        unfile(selection, scope->second);
        if (scope->second.all.empty()) {
            for (auto* space : scope->second.spaces) erase(space->second.scopes, &scope->second);
            scopes_.erase(scope);
        }
    } else {
        const auto space = spaces_.find(selection.peer.own_ns);
        erase(space->second.own, &selection);
        drop_if_empty(space);
    }
    selections_.erase(selections_.find(selection.peer));
}

}  // namespace podfence
