#include "nft/fake_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nft/error.hpp"

namespace podfence::nft {

namespace {

/// Deepest chain of jumps the kernel's validation takes (NFT_JUMP_STACK_SIZE).
constexpr std::size_t kJumpsMax = 16;

std::string describe(const TableId& id) {
    return std::string(id.family == TableFamily::inet ? "inet " : "netdev ") + id.name;
}

std::size_t key_size(const SetSpec& spec) {
    std::size_t size = 0;
    for (const auto type : spec.key) {
        size += spec.key.size() > 1 ? padded_size_of(type) : size_of(type);
    }
    return size;
}

/// Whether two elements of a set share a key.
bool overlap(const SetSpec& spec, const Element& a, const Element& b) {
    std::size_t at = 0;
    for (const auto type : spec.key) {
        const auto size = spec.key.size() > 1 ? padded_size_of(type) : size_of(type);
        const auto before = [&](const Key& x, const Key& y) {
            return std::ranges::lexicographical_compare(x.bytes().subspan(at, size),
                                                        y.bytes().subspan(at, size));
        };
        if (before(a.last, b.first) || before(b.last, a.first)) return false;
        at += size;
    }
    return true;
}

const Element& element_of(const Element& element) {
    return element;
}
const Element& element_of(const MapEntry& entry) {
    return entry.key;
}

/// Adds one item where it belongs; 0 or an errno.
template <class Item>
int insert(const SetSpec& spec, std::vector<Item>& items, const Item& item) {
    const auto& element = element_of(item);
    if (element.first.bytes().size() != key_size(spec) ||
        element.last.bytes().size() != key_size(spec) || element.last < element.first ||
        (!spec.interval && element.first != element.last)) {
        return EINVAL;
    }
    const auto at =
        std::ranges::lower_bound(items, element, {}, [](const Item& i) { return element_of(i); });
    const auto collides = [&](const Item& other) {
        return overlap(spec, element_of(other), element);
    };
    if (spec.interval && spec.key.size() > 1) {  // ranges per field have no total order
        if (std::ranges::any_of(items, collides)) return EEXIST;
    } else if ((at != items.end() && collides(*at)) ||
               (at != items.begin() && collides(*(at - 1)))) {
        return EEXIST;
    }
    items.insert(at, item);
    return 0;
}

template <class Item>
int erase(std::vector<Item>& items, const Element& element) {
    const auto at =
        std::ranges::lower_bound(items, element, {}, [](const Item& i) { return element_of(i); });
    if (at == items.end() || element_of(*at) != element) return ENOENT;
    items.erase(at);
    return 0;
}

bool refers_to_chain(const Verdict& verdict, const std::string& chain) {
    return (verdict.kind == VerdictKind::go_to || verdict.kind == VerdictKind::jump) &&
           verdict.chain == chain;
}

/// Names of the set or map and of the chain a statement refers to; empty when it has none.
const std::string& set_of(const Statement& statement) {
    static const std::string none;
    if (const auto* match = std::get_if<MatchSet>(&statement)) return match->set;
    if (const auto* look_up = std::get_if<LookupVerdict>(&statement)) return look_up->map;
    return none;
}

/// One batch on a copy of the table; each `apply` gives 0 or the errno that the kernel would.
class Transaction {
  public:
    Transaction(std::optional<Table> table, TableId id, bool validate_each)
        : id_(std::move(id)), table_(std::move(table)), validate_each_(validate_each) {}

    std::optional<Table> take() { return std::move(table_); }

    /// Refuses loops and graphs deeper than the kernel's jump stack (EMLINK).
    int validate() const {
        if (!table_) return 0;
        std::map<std::string, std::size_t> depths;  // of finished chains
        std::set<std::string> open;
        for (const auto& [name, chain] : table_->chains) {
            if (depth(name, depths, open) > kJumpsMax) return EMLINK;
        }
        return 0;
    }

    int apply(const AddTable& /*op*/) {
        if (table_) return EEXIST;
        table_ = Table{.id = id_};
        return 0;
    }
    int apply(const DeleteTable& /*op*/) {
        if (!table_) return ENOENT;
        table_.reset();
        return 0;
    }
    int apply(const AddSet& op) {
        if (const int error = check_new_set(op.name, op.spec)) return error;
        table_->sets.emplace(op.name, Set{.spec = op.spec});
        return 0;
    }
    int apply(const AddMap& op) {
        if (const int error = check_new_set(op.name, op.spec)) return error;
        table_->maps.emplace(op.name, Map{.spec = op.spec});
        return 0;
    }
    int apply(const DeleteSet& op) {
        if (!table_) return ENOENT;
        if (!table_->sets.contains(op.name) && !table_->maps.contains(op.name)) return ENOENT;
        for (const auto& [name, chain] : table_->chains) {
            for (const auto& rule : chain.rules) {
                for (const auto& statement : rule.statements) {
                    if (set_of(statement) == op.name) return EBUSY;
                }
            }
        }
        table_->sets.erase(op.name);
        table_->maps.erase(op.name);
        return 0;
    }
    int apply(const AddElements& op) {
        Set* set = find(&Table::sets, op.set);
        return set == nullptr ? ENOENT : add(set->spec, set->elements, op.elements);
    }
    int apply(const DeleteElements& op) {
        Set* set = find(&Table::sets, op.set);
        if (set == nullptr) return ENOENT;
        for (const auto& element : op.elements) {
            if (const int error = erase(set->elements, element)) return error;
        }
        return 0;
    }
    int apply(const AddEntries& op) {
        Map* map = find(&Table::maps, op.map);
        if (map == nullptr) return ENOENT;
        for (const auto& entry : op.entries) {
            if (const int error = check_target(entry.verdict)) return error;
        }
        if (const int error = add(map->spec, map->entries, op.entries)) return error;
        return validate_each_ ? validate() : 0;
    }
    int apply(const DeleteEntries& op) {
        Map* map = find(&Table::maps, op.map);
        if (map == nullptr) return ENOENT;
        for (const auto& entry : op.entries) {
            if (const int error = erase(map->entries, entry.key)) return error;
        }
        return 0;
    }
    int apply(const AddChain& op) {
        if (!table_) return ENOENT;
        if (op.name.size() > kNameBytesMax) return ERANGE;
        if (table_->chains.contains(op.name)) return EEXIST;
        table_->chains.emplace(op.name, Chain{.base = op.base, .comment = op.comment});
        return 0;
    }
    int apply(const FlushChain& op) {
        Chain* chain = find(&Table::chains, op.name);
        if (chain == nullptr) return ENOENT;
        chain->rules.clear();
        return 0;
    }
    int apply(const DeleteChain& op) {
        Chain* chain = find(&Table::chains, op.name);
        if (chain == nullptr) return ENOENT;
        chain->rules.clear();  // The kernel takes them along.
        if (is_target(op.name)) return EBUSY;
        table_->chains.erase(op.name);
        return 0;
    }
    int apply(const AddRules& op) {
        Chain* chain = find(&Table::chains, op.chain);
        if (chain == nullptr) return ENOENT;
        for (const auto& rule : op.rules) {
            for (const auto& statement : rule.statements) {
                if (const int error = check(statement)) return error;
            }
            chain->rules.push_back(rule);
        }
        return validate_each_ ? validate() : 0;
    }

  private:
    template <class Items>
    typename Items::mapped_type* find(Items Table::*items, const std::string& name) {
        if (!table_) return nullptr;
        const auto entry = ((*table_).*items).find(name);
        return entry == ((*table_).*items).end() ? nullptr : &entry->second;
    }

    int check_new_set(const std::string& name, const SetSpec& spec) const {
        if (!table_) return ENOENT;
        if (name.size() > kNameBytesMax) return ERANGE;
        if (spec.key.empty() || key_size(spec) > Key::kBytesMax) return EINVAL;
        return table_->sets.contains(name) || table_->maps.contains(name) ? EEXIST : 0;
    }

    template <class Item>
    static int add(const SetSpec& spec, std::vector<Item>& to, const std::vector<Item>& items) {
        if (spec.size != 0 && to.size() + items.size() > spec.size) return ENFILE;
        for (const auto& item : items) {
            if (const int error = insert(spec, to, item)) return error;
        }
        return 0;
    }

    int check_target(const Verdict& verdict) const {
        if (verdict.kind != VerdictKind::go_to && verdict.kind != VerdictKind::jump) return 0;
        const auto chain = table_->chains.find(verdict.chain);
        if (chain == table_->chains.end()) return ENOENT;
        return chain->second.base ? EOPNOTSUPP : 0;
    }

    int check(const Statement& statement) const {
        if (const auto* verdict = std::get_if<Verdict>(&statement)) return check_target(*verdict);
        if (std::holds_alternative<Opaque>(statement)) return EINVAL;
        const auto types_fit = [](const std::vector<Field>& fields, const SetSpec& spec) {
            return std::ranges::equal(fields, spec.key, {}, type_of);
        };
        if (const auto* match = std::get_if<MatchSet>(&statement)) {
            const auto set = table_->sets.find(match->set);
            if (set == table_->sets.end()) return ENOENT;
            return types_fit(match->key, set->second.spec) ? 0 : EINVAL;
        }
        if (const auto* look_up = std::get_if<LookupVerdict>(&statement)) {
            const auto map = table_->maps.find(look_up->map);
            if (map == table_->maps.end()) return ENOENT;
            return types_fit(look_up->key, map->second.spec) ? 0 : EINVAL;
        }
        return 0;
    }

    bool is_target(const std::string& name) const {
        for (const auto& [map_name, map] : table_->maps) {
            for (const auto& entry : map.entries) {
                if (refers_to_chain(entry.verdict, name)) return true;
            }
        }
        for (const auto& [chain_name, chain] : table_->chains) {
            for (const auto& rule : chain.rules) {
                for (const auto& statement : rule.statements) {
                    const auto* verdict = std::get_if<Verdict>(&statement);
                    if (verdict != nullptr && refers_to_chain(*verdict, name)) return true;
                }
            }
        }
        return false;
    }

    std::size_t depth(const std::string& name, std::map<std::string, std::size_t>& depths,
                      std::set<std::string>& open) const {
        if (const auto known = depths.find(name); known != depths.end()) return known->second;
        if (open.size() > kJumpsMax || !open.insert(name).second) return kJumpsMax + 1;
        std::size_t deepest = 0;
        const auto follow = [&](const Verdict& verdict) {
            if (verdict.kind != VerdictKind::go_to && verdict.kind != VerdictKind::jump) return;
            deepest = std::max(deepest, 1 + depth(verdict.chain, depths, open));
        };
        for (const auto& rule : table_->chains.at(name).rules) {
            for (const auto& statement : rule.statements) {
                if (const auto* verdict = std::get_if<Verdict>(&statement)) follow(*verdict);
                const auto* look_up = std::get_if<LookupVerdict>(&statement);
                if (look_up == nullptr) continue;
                for (const auto& entry : table_->maps.at(look_up->map).entries) {
                    follow(entry.verdict);
                }
            }
        }
        open.erase(name);
        depths[name] = deepest;
        return deepest;
    }

    TableId id_;
    std::optional<Table> table_;
    bool validate_each_;
};

struct Refusal {
    int error = 0;
    std::size_t op = 0;
};

/// Runs all of the batch. As the kernel does, the graph of chains is validated once at the end, and
/// only when that fails a second time after each operation, to find the one to blame.
Refusal run(const Batch& batch, std::optional<Table>& table, bool validate_each) {
    Transaction transaction(table, batch.table, validate_each);
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        const int error =
            std::visit([&](const auto& op) { return transaction.apply(op); }, batch.ops[i]);
        if (error != 0) return {.error = error, .op = i};
    }
    if (transaction.validate() != 0) {
        PODFENCE_CHECK(!validate_each);
        return run(batch, table, true);
    }
    table = transaction.take();
    return {};
}

}  // namespace

Result<Snapshot> FakeKernel::dump(const TableId& table) {
    if (fault_) {
        if (auto error = fault_()) return *error;
    }
    Snapshot snapshot{.table = std::nullopt, .generation = generation_};
    const auto entry = tables_.find(table);
    if (entry != tables_.end()) snapshot.table = entry->second;
    return snapshot;
}

Result<void> FakeKernel::commit(const Batch& batch, std::optional<std::uint32_t> generation) {
    if (fault_) {
        if (auto error = fault_()) return *error;
    }
    const auto doing = "commit to " + describe(batch.table);
    if (generation && *generation != generation_) {
        return Error{.code = Errc::stale, .os_error = ERESTART, .doing = doing};
    }
    if (batch.empty()) return {};
    const auto entry = tables_.find(batch.table);
    std::optional<Table> table;
    if (entry != tables_.end()) table = entry->second;
    if (const auto refusal = run(batch, table, false); refusal.error != 0) {
        return Error{.code = classify(refusal.error),
                     .os_error = refusal.error,
                     .doing = doing,
                     .op = refusal.op};
    }
    if (table) {
        tables_.insert_or_assign(batch.table, std::move(*table));
    } else {
        tables_.erase(batch.table);
    }
    ++generation_;
    return {};
}

}  // namespace podfence::nft
