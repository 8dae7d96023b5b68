#include "controller/live_set.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "controller/sorted.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

std::optional<std::uint16_t> find_port(const Traits& traits, const LiveTarget& target) {
    for (const auto& port : traits.ports) {  // The first hit counts (N44).
        if (port.name == target.port && port.protocol == target.protocol) return port.number;
    }
    return std::nullopt;
}

SetForm form_of(const LiveDefinition& definition) {
    return definition.kind == LiveDefinition::Kind::named ? form_of(definition.targets)
                                                          : form_of(definition.peers);
}

}  // namespace

void LiveSet::start(const LiveDefinition& definition, std::vector<LiveTarget> targets) {
    definition_ = &definition;
    form_ = form_of(definition);
    targets_ = std::move(targets);
    std::ranges::stable_sort(targets_, {}, &LiveTarget::selection);
    for (const auto& target : targets_) insert(target.selection->sets, this);
    for (const auto& entry : entries()) ++count_[index(entry.address.family())];
}

LiveSet::Entries LiveSet::entries_of(const Address& address, const Side& side) const {
    Entries result;
    for (auto* selection : side.selections) {
        for (const auto& target :
             std::ranges::equal_range(targets_, selection, {}, &LiveTarget::selection)) {
            if (target.inside && !target.inside->contains(address)) continue;
            if (!form_.with_ports) {
                result.push_back({.address = address});
                return result;
            }
            if (const auto port = find_port(*side.identity->traits, target)) {
                insert(result, {.address = address,
                                .protocol = static_cast<std::uint8_t>(target.protocol),
                                .port = *port});
            }
        }
    }
    return result;
}

std::vector<LiveEntry> LiveSet::entries() const {
    std::vector<LiveEntry> all;
    const Selection* last = nullptr;
    for (const auto& target : targets_) {
        if (target.selection == last) continue;
        last = target.selection;
        for (const auto* identity : last->identities) {
            const Side side{.identity = identity, .selections = identity->selections};
            for (const auto& address : identity->members) {
                const auto some = entries_of(address, side);
                all.insert(all.end(), some.begin(), some.end());
            }
        }
    }
    sort_unique(all);
    return all;
}

LiveSet::Effect LiveSet::changed(const Address& address, const Side& before, const Side& after) {
    const auto old_entries = entries_of(address, before);
    const auto new_entries = entries_of(address, after);
    if (old_entries == new_entries) return Effect::none;
    const auto family = address.family();
    const auto capacity = form_.spec(family, count_[index(family)]).size;
    for (const auto& entry : old_entries) {
        if (!contains(new_entries, entry)) toggle(entry, false);
    }
    for (const auto& entry : new_entries) {
        if (!contains(old_entries, entry)) toggle(entry, true);
    }
    const bool same = capacity == form_.spec(family, count_[index(family)]).size;
    return same ? Effect::elements : Effect::capacity;
}

void LiveSet::toggle(const LiveEntry& entry, bool now) {
    auto& count = count_[index(entry.address.family())];
    now ? ++count : --count;
    if (!told_) return;
    const auto [known, added] = toggled_.try_emplace(entry, now);
    if (!added) toggled_.erase(known);  // There and back.
}

std::size_t LiveSet::size() const {
    return std::accumulate(count_.begin(), count_.end(), std::size_t{0});
}

nft::Element LiveSet::element(const LiveEntry& entry) const {
    if (!form_.with_ports) return address_element(entry.address);
    return port_element(entry.address, static_cast<Protocol>(entry.protocol), entry.port);
}

std::vector<nft::Range> LiveSet::ranges() const {
    std::vector<nft::Range> result;
    for (const auto& entry : entries()) result.push_back({entry.address, entry.address});
    return result;
}

std::vector<nft::Element> LiveSet::elements(nft::Family family) const {
    std::vector<nft::Element> result;
    for (const auto& entry : entries()) {
        if (entry.address.family() == family) result.push_back(element(entry));
    }
    PODFENCE_CHECK(result.size() == count_[index(family)]);
    return result;
}

void LiveSet::write(nft::Table& table) const {
    for (const auto family : kFamilies) {
        table.sets.emplace(name(family), nft::Set{.spec = form_.spec(family, count_[index(family)]),
                                                  .elements = elements(family)});
    }
}

void LiveSet::tell(bool wanted, Difference& difference) {
    PerFamily<bool> stays{};
    for (const auto family : kFamilies) {
        const auto now = count_[index(family)];
        const auto spec = form_.spec(family, now);
        if (told_) {
            const auto before = (*told_)[index(family)];
            auto& old = difference.before.sets[form_.name(family, before)];
            old.spec = form_.spec(family, before);
            stays[index(family)] = wanted && old.spec == spec;
        }
        if (!wanted) continue;
        auto& set = difference.now.sets[form_.name(family, now)];
        set.spec = spec;
        if (!stays[index(family)]) set.elements = elements(family);
    }
    for (const auto& [entry, added] : toggled_) {
        const auto family = entry.address.family();
        if (!stays[index(family)]) continue;
        auto& table = added ? difference.now : difference.before;
        table.sets[name(family)].elements.push_back(element(entry));
    }
    toggled_.clear();
    told_ = wanted ? std::optional(count_) : std::nullopt;
}

}  // namespace podfence
