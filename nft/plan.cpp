#include "nft/plan.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "nft/error.hpp"

namespace podfence::nft {

namespace {

/// The steps of a batch. Every reference (rule -> chain and set, map entry -> chain) is made after
/// what it refers to and taken away before it; entries are added after the rules, so that the
/// kernel's search for loops meets finished chains.
enum class Step : std::uint8_t {
    delete_table,
    add_table,
    add_set,
    add_map,
    add_base_chain,
    add_chain,
    delete_entries,
    delete_elements,
    add_elements,
    flush_chain,
    add_rules,
    add_entries,
    delete_set,
    delete_chain,
};

using Place = std::tuple<Step, std::string_view>;

/// Where an operation belongs; the name makes batches reproducible.
struct Placer {
    Place operator()(const DeleteTable&) const { return {Step::delete_table, {}}; }
    Place operator()(const AddTable&) const { return {Step::add_table, {}}; }
    Place operator()(const AddSet& op) const { return {Step::add_set, op.name}; }
    Place operator()(const AddMap& op) const { return {Step::add_map, op.name}; }
    Place operator()(const AddChain& op) const {
        return {op.base ? Step::add_base_chain : Step::add_chain, op.name};
    }
    Place operator()(const DeleteEntries& op) const { return {Step::delete_entries, op.map}; }
    Place operator()(const DeleteElements& op) const { return {Step::delete_elements, op.set}; }
    Place operator()(const AddElements& op) const { return {Step::add_elements, op.set}; }
    Place operator()(const FlushChain& op) const { return {Step::flush_chain, op.name}; }
    Place operator()(const AddRules& op) const { return {Step::add_rules, op.chain}; }
    Place operator()(const AddEntries& op) const { return {Step::add_entries, op.map}; }
    Place operator()(const DeleteSet& op) const { return {Step::delete_set, op.name}; }
    Place operator()(const DeleteChain& op) const { return {Step::delete_chain, op.name}; }
};

/// Walks two sorted maps side by side: `gone(key, have)`, `both(key, have, want)`,
/// `added(key, want)`.
template <class Map, class Gone, class Both, class Added>
void merge(const Map& have, const Map& want, Gone gone, Both both, Added added) {
    auto h = have.begin();
    auto w = want.begin();
    while (h != have.end() || w != want.end()) {
        const int side = h == have.end() ? 1 : w == want.end() ? -1 : h->first.compare(w->first);
        if (side < 0) {
            gone(h->first, h->second);
        } else if (side > 0) {
            added(w->first, w->second);
        } else {
            both(h->first, h->second, w->second);
        }
        if (side <= 0) ++h;
        if (side >= 0) ++w;
    }
}

/// What differs between two sorted lists. An item that changed under its key (only map entries
/// have more than a key) is deleted and added: the kernel refuses to add it over the old (EEXIST).
template <class Item>
struct ListDiff {
    std::vector<Item> gone;
    std::vector<Item> added;
};

const Element& key_of(const Element& element) {
    return element;
}
const Element& key_of(const MapEntry& entry) {
    return entry.key;
}

template <class Item>
ListDiff<Item> diff_lists(const std::vector<Item>& have, const std::vector<Item>& want) {
    ListDiff<Item> result;
    auto h = have.begin();
    auto w = want.begin();
    while (h != have.end() && w != want.end()) {
        if (*h == *w) {  // Nearly all are, and equality is cheaper to see than order.
            ++h;
            ++w;
            continue;
        }
        const auto side = key_of(*h) <=> key_of(*w);
        if (side <= 0) result.gone.push_back(*h++);
        if (side >= 0) result.added.push_back(*w++);
    }
    result.gone.insert(result.gone.end(), h, have.end());
    result.added.insert(result.added.end(), w, want.end());
    return result;
}

void add_set(const std::string& name, const Set& set, std::vector<Op>& ops) {
    ops.emplace_back(AddSet{.name = name, .spec = set.spec});
    if (set.elements.empty()) return;
    ops.emplace_back(AddElements{.set = name, .spec = set.spec, .elements = set.elements});
}

void add_map(const std::string& name, const Map& map, std::vector<Op>& ops) {
    ops.emplace_back(AddMap{.name = name, .spec = map.spec});
    if (map.entries.empty()) return;
    ops.emplace_back(AddEntries{.map = name, .spec = map.spec, .entries = map.entries});
}

void add_chain(const std::string& name, const Chain& chain, std::vector<Op>& ops) {
    ops.emplace_back(AddChain{.name = name, .base = chain.base, .comment = chain.comment});
    if (!chain.rules.empty()) ops.emplace_back(AddRules{.chain = name, .rules = chain.rules});
}

void add_everything(const Table& want, std::vector<Op>& ops) {
    ops.emplace_back(AddTable{});
    for (const auto& [name, set] : want.sets) add_set(name, set, ops);
    for (const auto& [name, map] : want.maps) add_map(name, map, ops);
    for (const auto& [name, chain] : want.chains) add_chain(name, chain, ops);
}

void diff_sets(const Table& have, const Table& want, std::vector<Op>& ops) {
    merge(
        have.sets, want.sets,
        [&](const std::string& name, const Set&) { ops.emplace_back(DeleteSet{.name = name}); },
        [&](const std::string& name, const Set& old, const Set& set) {
            auto [gone, added] = diff_lists(old.elements, set.elements);
            if (!gone.empty()) {
                ops.emplace_back(
                    DeleteElements{.set = name, .spec = set.spec, .elements = std::move(gone)});
            }
            if (!added.empty()) {
                ops.emplace_back(
                    AddElements{.set = name, .spec = set.spec, .elements = std::move(added)});
            }
        },
        [&](const std::string& name, const Set& set) { add_set(name, set, ops); });
}

void diff_maps(const Table& have, const Table& want, std::vector<Op>& ops) {
    const auto delete_entries = [&](const std::string& name, const SetSpec& spec,
                                    std::vector<MapEntry> entries) {
        if (entries.empty()) return;
        ops.emplace_back(DeleteEntries{.map = name, .spec = spec, .entries = std::move(entries)});
    };
    merge(
        have.maps, want.maps,
        [&](const std::string& name, const Map& old) {
            // Explicitly: only then are the chains they name free within the same batch.
            delete_entries(name, old.spec, old.entries);
            ops.emplace_back(DeleteSet{.name = name});
        },
        [&](const std::string& name, const Map& old, const Map& map) {
            auto [gone, added] = diff_lists(old.entries, map.entries);
            delete_entries(name, map.spec, std::move(gone));
            if (!added.empty()) {
                ops.emplace_back(
                    AddEntries{.map = name, .spec = map.spec, .entries = std::move(added)});
            }
        },
        [&](const std::string& name, const Map& map) { add_map(name, map, ops); });
}

void diff_chains(const Table& have, const Table& want, std::vector<Op>& ops) {
    merge(
        have.chains, want.chains,
        [&](const std::string& name, const Chain& old) {
            if (!old.rules.empty()) ops.emplace_back(FlushChain{.name = name});
            ops.emplace_back(DeleteChain{.name = name, .base = old.base.has_value()});
        },
        [&](const std::string& name, const Chain& old, const Chain& chain) {
            if (old.rules == chain.rules) return;
            if (!old.rules.empty()) ops.emplace_back(FlushChain{.name = name});
            if (!chain.rules.empty()) {
                ops.emplace_back(AddRules{.chain = name, .rules = chain.rules});
            }
        },
        [&](const std::string& name, const Chain& chain) { add_chain(name, chain, ops); });
}

/// Whether something that both tables have differs in what the kernel fixes when it is made.
template <class Map, class Same>
bool all_shared(const Map& have, const Map& want, Same same) {
    bool result = true;
    const auto ignore = [](const auto&, const auto&) {};
    merge(
        have, want, ignore,
        [&](const auto&, const auto& old, const auto& item) { result = result && same(old, item); },
        ignore);
    return result;
}

template <class A, class B>
bool share_no_name(const A& a, const B& b) {
    return std::ranges::none_of(a, [&](const auto& item) { return b.contains(item.first); });
}

bool can_be_amended(const Table& have, const Table& want) {
    const auto same_spec = [](const auto& a, const auto& b) { return a.spec == b.spec; };
    const auto same_kind = [](const Chain& a, const Chain& b) {
        return a.base == b.base && a.comment == b.comment;
    };
    return have.flags == want.flags && have.foreign.empty() &&
           all_shared(have.sets, want.sets, same_spec) &&
           all_shared(have.maps, want.maps, same_spec) &&
           all_shared(have.chains, want.chains, same_kind) &&
           // Sets and maps are of one namespace in the kernel; one cannot become the other.
           share_no_name(want.maps, have.sets) && share_no_name(have.maps, want.sets);
}

}  // namespace

Batch order(TableId table, std::vector<Op> ops) {
    const auto place = [](const Op& op) { return std::visit(Placer{}, op); };
    std::ranges::stable_sort(ops, {}, place);
    return {.table = std::move(table), .ops = std::move(ops)};
}

std::vector<Op> diff(const Table& have, const Table& want) {
    PODFENCE_CHECK(have.id == want.id);
    PODFENCE_CHECK(want.flags == 0 && want.foreign.empty());
    std::vector<Op> ops;
    if (!can_be_amended(have, want)) {
        ops.emplace_back(DeleteTable{});
        add_everything(want, ops);
        return ops;
    }
    diff_sets(have, want, ops);
    diff_maps(have, want, ops);
    diff_chains(have, want, ops);
    return ops;
}

Batch plan(const std::optional<Table>& have, const Table& want) {
    std::vector<Op> ops;
    if (have) {
        ops = diff(*have, want);
    } else {
        add_everything(want, ops);
    }
    return order(want.id, std::move(ops));
}

Batch plan_removal(const std::optional<Table>& have, const TableId& id) {
    Batch batch{.table = id};
    if (have) batch.ops.emplace_back(DeleteTable{});
    return batch;
}

}  // namespace podfence::nft
