#include "nft/fake_transaction.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "nft/error.hpp"
#include "nft/fake_elements.hpp"

namespace podfence::nft::fake {

namespace {

/// The operation is fine and does nothing: a batch of such is no commit.
constexpr int kNothing = -1;

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

/// One batch on a copy of the table; each `apply` gives 0, kNothing, or the errno that the kernel
/// would.
class Transaction {
  public:
    Transaction(std::optional<Table> table, TableId id, bool validate_each)
        : id_(std::move(id)), table_(std::move(table)), validate_each_(validate_each) {}

    std::optional<Table> take() { return std::move(table_); }

    /// Refuses what goes deeper than the kernel's jump stack from a base chain, as every loop does
    /// (EMLINK). What no base chain leads to is not looked at (nft_table_validate).
    int validate() const {
        if (!table_) return 0;
        std::map<std::string, std::size_t> depths;  // of finished chains
        std::set<std::string> open;
        for (const auto& [name, chain] : table_->chains) {
            if (chain.base && depth(name, depths, open) >= kJumpsMax) return EMLINK;
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
        if (const int error = check_new_set(op.name)) return error;
        table_->sets.emplace(op.name, Set{.spec = op.spec});
        return 0;
    }
    int apply(const AddMap& op) {
        if (const int error = check_new_set(op.name)) return error;
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
    // Of no elements no message is made, and so nobody looks for the set.
    int apply(const AddElements& op) {
        if (op.elements.empty()) return kNothing;
        Set* set = find(&Table::sets, op.set);
        return set == nullptr ? missing(op.set) : add(set->spec, set->elements, op.elements);
    }
    int apply(const DeleteElements& op) {
        return remove(op.set, op.elements, [](const Element& e) -> const Element& { return e; });
    }
    int apply(const AddEntries& op) {
        if (op.entries.empty()) return kNothing;
        Map* map = find(&Table::maps, op.map);
        if (map == nullptr) return missing(op.map);
        if (const int error = add(map->spec, map->entries, op.entries)) return error;
        return validate_each_ ? validate() : 0;
    }
    int apply(const DeleteEntries& op) {
        return remove(op.map, op.entries,
                      [](const MapEntry& e) -> const Element& { return e.key; });
    }
    int apply(const AddChain& op) {
        if (!table_) return ENOENT;
        if (table_->chains.contains(op.name)) return EEXIST;
        table_->chains.emplace(op.name, Chain{.base = op.base, .comment = op.comment});
        return 0;
    }
    int apply(const FlushChain& op) {
        Chain* chain = find(&Table::chains, op.name);
        if (chain == nullptr) return ENOENT;
        if (chain->rules.empty()) return kNothing;
        chain->rules.clear();
        return 0;
    }
    int apply(const DeleteChain& op) {
        Chain* chain = find(&Table::chains, op.name);
        if (chain == nullptr) return ENOENT;
        // The kernel takes its rules along, but counts what they refer to as it was before.
        if (is_target(op.name)) return EBUSY;
        table_->chains.erase(op.name);
        return 0;
    }
    int apply(const AddRules& op) {
        if (op.rules.empty()) return kNothing;
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
    /// EINVAL: the name is that of the other kind, which takes no such elements.
    int missing(const std::string& name) const {
        return table_ && (table_->sets.contains(name) || table_->maps.contains(name)) ? EINVAL
                                                                                      : ENOENT;
    }

    template <class Items>
    typename Items::mapped_type* find(Items Table::*items, const std::string& name) {
        if (!table_) return nullptr;
        const auto entry = ((*table_).*items).find(name);
        return entry == ((*table_).*items).end() ? nullptr : &entry->second;
    }

    int check_new_set(const std::string& name) const {
        if (!table_) return ENOENT;
        return table_->sets.contains(name) || table_->maps.contains(name) ? EEXIST : 0;
    }

    /// By key alone, so that it does not matter whether the name is a set's or a map's.
    template <class Item, class KeyOf>
    int remove(const std::string& name, const std::vector<Item>& items, KeyOf key_of) {
        if (items.empty()) return kNothing;
        Set* set = find(&Table::sets, name);
        Map* map = find(&Table::maps, name);
        if (set == nullptr && map == nullptr) return ENOENT;
        for (const Item& item : items) {
            const int error = set != nullptr ? fake::erase(set->spec, set->elements, key_of(item))
                                             : fake::erase(map->spec, map->entries, key_of(item));
            if (error != 0) return error;
        }
        return 0;
    }

    int check_target(const Element& /*element*/) const { return 0; }
    int check_target(const MapEntry& entry) const { return check_target(entry.verdict); }

    template <class Item>
    int add(const SetSpec& spec, std::vector<Item>& to, const std::vector<Item>& items) const {
        for (const auto& item : items) {
            if (const int error = check_target(item)) return error;
            if (const int error = fake::insert(spec, to, item)) return error;
            // Counted after the insertion, as in nft_add_set_elem.
            if (spec.size != 0 && to.size() > spec.size) return ENFILE;
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
        const auto types_fit = [](const std::vector<Field>& fields, const SetSpec& spec) {
            return std::ranges::equal(fields, spec.key, {}, type_of);
        };
        if (const auto* match = std::get_if<MatchSet>(&statement)) {
            const auto set = table_->sets.find(match->set);
            if (set == table_->sets.end()) return missing(match->set);
            return types_fit(match->key, set->second.spec) ? 0 : EINVAL;
        }
        if (const auto* look_up = std::get_if<LookupVerdict>(&statement)) {
            const auto map = table_->maps.find(look_up->map);
            if (map == table_->maps.end()) return missing(look_up->map);
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
        if (open.size() > kJumpsMax || !open.insert(name).second) return kJumpsMax;
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

}  // namespace

Outcome run(const Batch& batch, std::optional<Table>& table, bool validate_each) {
    Transaction transaction(table, batch.table, validate_each);
    Outcome outcome;
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        const int error =
            std::visit([&](const auto& op) { return transaction.apply(op); }, batch.ops[i]);
        if (error > 0) return {.error = error, .op = i};
        outcome.changed = outcome.changed || error == 0;
        outcome.made = outcome.made || std::holds_alternative<AddTable>(batch.ops[i]);
    }
    if (transaction.validate() != 0) {
        PODFENCE_CHECK(!validate_each);
        return run(batch, table, true);
    }
    table = transaction.take();
    return outcome;
}

}  // namespace podfence::nft::fake
