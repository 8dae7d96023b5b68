#include "controller/live_dispatch.hpp"

#include <utility>

#include "controller/hold_frame.hpp"
#include "controller/policy_class.hpp"

namespace podfence {

namespace {

void add_frame(const CompileOptions& options, const FrameCounts& counts, nft::Table& table) {
    Compiled frame;
    write_frame(frame, options, counts);
    table.chains.merge(frame.table.chains);
    table.sets.merge(frame.table.sets);
}

std::vector<nft::MapEntry>& items(nft::Map& map) {
    return map.entries;
}
std::vector<nft::Element>& items(nft::Set& set) {
    return set.elements;
}

template <class Part, class Item>
Part whole(const nft::SetSpec& spec, const std::map<Address, Item>& all) {
    Part part{.spec = spec};
    for (const auto& [address, item] : all) items(part).push_back(item);
    return part;
}

/// A map or set, as it is named and made for a number of items.
struct Sized {
    std::string name;
    nft::SetSpec spec;
};

template <class Part, class Item>
void tell_items(Tracked<Address, Item>& tracked, const std::optional<Sized>& was, Sized is,
                std::map<std::string, Part>& before, std::map<std::string, Part>& now) {
    if (was && was->name == is.name) {
        tracked.changes([&](const Address&, const Item* old, const Item* item) {
            auto& old_part = before[is.name];
            auto& part = now[is.name];
            old_part.spec = part.spec = is.spec;
            if (old != nullptr) items(old_part).push_back(*old);
            if (item != nullptr) items(part).push_back(*item);
        });
    } else {
        if (was) before.emplace(was->name, whole<Part>(was->spec, tracked.before()));
        now.emplace(is.name, whole<Part>(is.spec, tracked.now()));
    }
    tracked.mark();
}

}  // namespace

LiveDispatch::LiveDispatch(const CompileOptions& options) : options_(options) {
    reframe();
}

void LiveDispatch::reframe() {
    nft::Table frame;
    add_frame(options_, {}, frame);
    frame_ = nft::count(frame);
}

void LiveDispatch::put(const Address& address, const ObjectName& pod,
                       const PerDirection<std::string>& chains) {
    for (const auto direction : kDirections) {
        const auto& chain = chains[index(direction)];
        if (chain.empty()) continue;
        entries_[index(direction)][index(address.family())].put(
            address, dispatch_entry(direction, address, chain, pod));
    }
    hairpins_[index(address.family())].put(address, hairpin_element(address));
}

void LiveDispatch::erase(const Address& address) {
    for (const auto direction : kDirections) {
        auto& entries = entries_[index(direction)][index(address.family())];
        if (entries.now().contains(address)) entries.erase(address);
    }
    hairpins_[index(address.family())].erase(address);
}

void LiveDispatch::know(const Address& address, bool known) {
    auto& all = known_[index(address.family())];
    if (known) {
        all.put(address, address_element(address));
    } else if (all.now().contains(address)) {
        all.erase(address);
    }
}

FrameCounts LiveDispatch::frame_counts() const {
    FrameCounts counts;
    for (const auto family : kFamilies) {
        for (const auto direction : kDirections) {
            counts.dispatched[index(direction)][index(family)] =
                entries_[index(direction)][index(family)].now().size();
        }
        counts.hairpins[index(family)] = hairpins_[index(family)].now().size();
        counts.known[index(family)] = known_[index(family)].now().size();
    }
    return counts;
}

void LiveDispatch::write(nft::Table& table) const {
    const auto counts = frame_counts();
    add_frame(options_, counts, table);
    for (const auto family : kFamilies) {
        for (const auto direction : kDirections) {
            const auto& entries = entries_[index(direction)][index(family)].now();
            table.maps.emplace(dispatch_name(direction, family, entries.size()),
                               whole<nft::Map>(dispatch_spec(family, entries.size()), entries));
        }
        const auto& elements = hairpins_[index(family)].now();
        table.sets.emplace(hairpin_name(family, elements.size()),
                           whole<nft::Set>(hairpin_spec(family, elements.size()), elements));
        if (options_.held_ranges.empty()) continue;
        const auto& known = known_[index(family)].now();
        table.sets.emplace(known_name(family, known.size()),
                           whole<nft::Set>(known_spec(family, known.size()), known));
    }
}

void LiveDispatch::write_closed(nft::Table& table) const {
    write(table);
    const auto counts = frame_counts();
    for (const auto direction : kDirections) {
        for (const auto family : kFamilies) {
            const auto entries = counts.dispatched[index(direction)][index(family)];
            for (auto& entry : table.maps.at(dispatch_name(direction, family, entries)).entries) {
                entry.verdict.chain = ClassCompiler::deny_chain(direction);
                entry.comment.clear();  // What is not sent need not be read.
            }
        }
    }
}

nft::TableCounts LiveDispatch::counts() const {
    auto counts = frame_;
    for (const auto family : kFamilies) {
        for (const auto direction : kDirections) {
            counts +=
                {.sets = 1, .elements = entries_[index(direction)][index(family)].now().size()};
        }
        counts += {.sets = 1, .elements = hairpins_[index(family)].now().size()};
        if (options_.held_ranges.empty()) continue;
        counts += {.sets = 1, .elements = known_[index(family)].now().size()};
    }
    return counts;
}

void LiveDispatch::tell(Difference& difference) {
    const auto counts = frame_counts();
    const auto sized = [&](const FrameCounts& of, Direction direction, nft::Family family) {
        const auto count = of.dispatched[index(direction)][index(family)];
        return Sized{dispatch_name(direction, family, count), dispatch_spec(family, count)};
    };
    const auto sized_hairpins = [&](const FrameCounts& of, nft::Family family) {
        const auto count = of.hairpins[index(family)];
        return Sized{hairpin_name(family, count), hairpin_spec(family, count)};
    };
    const auto sized_known = [&](const FrameCounts& of, nft::Family family) {
        const auto count = of.known[index(family)];
        return Sized{known_name(family, count), known_spec(family, count)};
    };
    for (const auto family : kFamilies) {
        for (const auto direction : kDirections) {
            std::optional<Sized> was;
            if (told_) was = sized(*told_, direction, family);
            tell_items(entries_[index(direction)][index(family)], was,
                       sized(counts, direction, family), difference.before.maps,
                       difference.now.maps);
        }
        std::optional<Sized> was;
        if (told_) was = sized_hairpins(*told_, family);
        tell_items(hairpins_[index(family)], was, sized_hairpins(counts, family),
                   difference.before.sets, difference.now.sets);
        if (options_.held_ranges.empty()) continue;
        was.reset();
        if (told_) was = sized_known(*told_, family);
        tell_items(known_[index(family)], was, sized_known(counts, family), difference.before.sets,
                   difference.now.sets);
    }
    if (told_ == counts) return;
    // Names may have changed with the counts, and rules with the names.
    if (told_) add_frame(options_, *told_, difference.before);
    add_frame(options_, counts, difference.now);
    told_ = counts;
}

}  // namespace podfence
