#include "test/sim/under_way.hpp"

#include <algorithm>
#include <vector>

namespace podfence::test {

namespace {

/// Walks from chain to chain.
class Reach {
  public:
    explicit Reach(const nft::Table& table) : table_(table) {
        for (const auto& [name, chain] : table.chains) {
            if (chain.base) go_to(name);
        }
        while (!open_.empty()) {
            const std::string name = open_.back();
            open_.pop_back();
            for (const nft::Rule& rule : table.chains.at(name).rules) {
                for (const nft::Statement& statement : rule.statements)
                    std::visit(*this, statement);
            }
        }
    }
    std::set<std::string> take() { return std::move(seen_); }

    void operator()(const nft::MatchSet& match) { seen_.insert(match.set); }
    void operator()(const nft::LookupVerdict& look_up) {
        if (!seen_.insert(look_up.map).second) return;
        for (const nft::MapEntry& entry : table_.maps.at(look_up.map).entries)
            (*this)(entry.verdict);
    }
    void operator()(const nft::Verdict& verdict) {
        if (!verdict.chain.empty()) go_to(verdict.chain);
    }
    template <class Other>
    void operator()(const Other& /*statement*/) {}

  private:
    void go_to(const std::string& chain) {
        if (seen_.insert(chain).second) open_.push_back(chain);
    }

    const nft::Table& table_;
    std::set<std::string> seen_;
    std::vector<std::string> open_;
};

/// What an operation takes away; nullptr: nothing, or a base chain, whose successor comes with it.
const std::string* taken_by(const nft::Op& op) {
    if (const auto* set = std::get_if<nft::DeleteSet>(&op)) return &set->name;
    const auto* chain = std::get_if<nft::DeleteChain>(&op);
    return chain == nullptr || chain->base ? nullptr : &chain->name;
}

/// What it takes the content of, or some.
const std::string* emptied_by(const nft::Op& op) {
    if (const auto* chain = std::get_if<nft::FlushChain>(&op)) return &chain->name;
    if (const auto* some = std::get_if<nft::DeleteElements>(&op)) return &some->set;
    const auto* some = std::get_if<nft::DeleteEntries>(&op);
    return some == nullptr ? nullptr : &some->map;
}

bool makes_any(const nft::Batch& batch, const std::set<std::string>& names) {
    return std::ranges::any_of(batch.ops, [&](const nft::Op& op) {
        const std::string* name = nft::object_of(op);
        return name != nullptr && names.contains(*name);
    });
}

bool has(const nft::Table& table, const std::string& name) {
    return table.chains.contains(name) || table.sets.contains(name) || table.maps.contains(name);
}

}  // namespace

std::set<std::string> reached(const nft::Table& table) {
    return Reach(table).take();
}

void UnderWay::forget(const nft::Table* table) {
    left_.clear();
    emptied_.clear();
    hurried_.clear();
    reached_ = table == nullptr ? std::set<std::string>() : reached(*table);
}

bool UnderWay::in_the_way(const std::string& name) const {
    const auto left = left_.find(name);
    return reached_.contains(name) || (left != left_.end() && left->second > awaited_);
}

std::string UnderWay::committed(const nft::Batch& batch, const nft::Table& table) {
    std::string wrong;
    if (!hurried_.empty() && !makes_any(batch, hurried_)) wrong = *hurried_.begin();
    hurried_.clear();
    std::set<std::string> now = reached(table);
    ++commits_;
    bool anew = false;
    std::set<std::string> gone;
    for (const nft::Op& op : batch.ops) {
        anew = anew || std::holds_alternative<nft::DeleteTable>(op);
        if (const auto* emptied = emptied_by(op); emptied != nullptr && in_the_way(*emptied)) {
            emptied_.insert(*emptied);
        }
        const std::string* taken = taken_by(op);
        if (taken == nullptr || has(table, *taken)) continue;
        if (reached_.contains(*taken)) wrong = *taken;
        if (in_the_way(*taken) || emptied_.erase(*taken) > 0) gone.insert(*taken);
    }
    for (const std::string& name : reached_) {
        if (!now.contains(name)) left_[name] = commits_;
    }
    for (const std::string& name : now) {
        left_.erase(name);
        emptied_.erase(name);
    }
    reached_ = std::move(now);
    // In one instant, and the only change of which packets may notice more than the outcome.
    if (anew) return "";
    hurried_ = std::move(gone);
    return wrong;
}

}  // namespace podfence::test
