#include "nft/stages.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "nft/netlink_split.hpp"

namespace podfence::nft {

namespace {

using Names = std::set<std::string, std::less<>>;

/// The names that a batch takes away for good and that no hook calls.
struct Gone {
    bool table = false;
    Names sets{};
    Names chains{};

    explicit Gone(const Batch& batch) {
        for (const Op& op : batch.ops) {
            if (std::holds_alternative<DeleteTable>(op)) table = true;
            if (const auto* set = std::get_if<DeleteSet>(&op)) sets.insert(set->name);
            const auto* chain = std::get_if<DeleteChain>(&op);
            if (chain != nullptr && !chain->base) chains.insert(chain->name);
        }
        for (const Op& op : batch.ops) {
            if (const auto* set = std::get_if<AddSet>(&op)) sets.erase(set->name);
            if (const auto* map = std::get_if<AddMap>(&op)) sets.erase(map->name);
            if (const auto* chain = std::get_if<AddChain>(&op)) chains.erase(chain->name);
        }
    }

    bool operator()(const DeleteSet& op) const { return sets.contains(op.name); }
    bool operator()(const DeleteEntries& op) const { return sets.contains(op.map); }
    bool operator()(const DeleteElements& op) const { return sets.contains(op.set); }
    bool operator()(const DeleteChain& op) const { return chains.contains(op.name); }
    bool operator()(const FlushChain& op) const { return chains.contains(op.name); }
    template <class Other>
    bool operator()(const Other& /*op*/) const {
        return false;
    }
};

}  // namespace

std::vector<std::size_t> late_operations(const Batch& batch) {
    const Gone gone(batch);
    std::vector<std::size_t> late;
    if (gone.table) {
        return late;
    }
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        if (std::visit(gone, batch.ops[i])) {
            late.push_back(i);
        }
    }
    return late;
}

Stages::Stages(const Batch& batch)
    : early{.table = batch.table}, turn{.table = batch.table}, late{.table = batch.table} {
    const auto earlies = early_operations(batch);
    const auto lates = late_operations(batch);
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        Batch& stage = std::ranges::binary_search(earlies, i) ? early
                       : std::ranges::binary_search(lates, i) ? late
                                                              : turn;
        stage.ops.push_back(batch.ops[i]);
    }
}

std::vector<Batch> Stages::up_to_turn() const {
    std::vector<Batch> result;
    for (const Batch* stage : {&early, &turn}) {
        if (!stage->empty()) result.push_back(*stage);
    }
    return result;
}

std::vector<Batch> Stages::all() const {
    std::vector<Batch> result = up_to_turn();
    if (!late.empty()) result.push_back(late);
    return result;
}

}  // namespace podfence::nft
