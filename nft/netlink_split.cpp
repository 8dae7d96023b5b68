#include "nft/netlink_split.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace podfence::nft {

namespace {

using Names = std::set<std::string, std::less<>>;

/// What a batch takes away; sets and chains have names of their own kinds.
struct Deleted {
    bool table = false;
    Names sets{};
    Names chains{};

    void operator()(const DeleteTable&) { table = true; }
    void operator()(const DeleteSet& op) { sets.insert(op.name); }
    void operator()(const DeleteChain& op) { chains.insert(op.name); }
    template <class Other>
    void operator()(const Other&) {}
};

/// Judges operations in the order of the batch, in which things are made before they are filled.
class Early {
  public:
    explicit Early(const Deleted& deleted) : deleted_(deleted) {}

    bool operator()(const AddTable&) const { return true; }
    bool operator()(const AddSet& op) { return make(new_sets_, deleted_.sets, op.name); }
    bool operator()(const AddMap& op) { return make(new_sets_, deleted_.sets, op.name); }
    bool operator()(const AddChain& op) {
        return !op.base && make(new_chains_, deleted_.chains, op.name);
    }
    bool operator()(const AddElements& op) const { return new_sets_.contains(op.set); }
    bool operator()(const AddEntries& op) const {
        return new_sets_.contains(op.map) &&
               std::ranges::all_of(op.entries,
                                   [this](const MapEntry& entry) { return lasts(entry.verdict); });
    }
    bool operator()(const AddRules& op) const {
        return new_chains_.contains(op.chain) &&
               std::ranges::all_of(op.rules, [this](const Rule& rule) {
                   return std::ranges::all_of(rule.statements, [this](const Statement& statement) {
                       return std::visit([this](const auto& s) { return lasts(s); }, statement);
                   });
               });
    }
    template <class Other>
    bool operator()(const Other&) const {
        return false;
    }

  private:
    static bool make(Names& made, const Names& deleted, const std::string& name) {
        if (deleted.contains(name)) {
            return false;
        }
        made.insert(name);
        return true;
    }

    /// Whether what is referred to is the same before and after the batch.
    bool lasts(const Verdict& verdict) const { return !deleted_.chains.contains(verdict.chain); }
    bool lasts(const MatchSet& match) const { return !deleted_.sets.contains(match.set); }
    bool lasts(const LookupVerdict& lookup) const { return !deleted_.sets.contains(lookup.map); }
    template <class Other>
    bool lasts(const Other&) const {
        return true;
    }

    const Deleted& deleted_;
    Names new_sets_;
    Names new_chains_;
};

}  // namespace

std::vector<std::size_t> early_operations(const Batch& batch) {
    Deleted deleted;
    for (const Op& op : batch.ops) std::visit(deleted, op);
    std::vector<std::size_t> early;
    if (deleted.table) {
        return early;
    }
    Early judge(deleted);
    for (std::size_t i = 0; i < batch.ops.size(); ++i) {
        if (std::visit(judge, batch.ops[i])) {
            early.push_back(i);
        }
    }
    return early;
}

Batch undo_of(const Batch& batch, std::span<const std::size_t> early) {
    Batch flush{.table = batch.table};
    std::vector<Op> sets;
    std::vector<Op> chains;
    for (const std::size_t i : early) {
        const Op& op = batch.ops[i];
        if (std::holds_alternative<AddTable>(op)) {
            return {.table = batch.table, .ops = {DeleteTable{}}};
        }
        if (const auto* set = std::get_if<AddSet>(&op)) {
            sets.emplace_back(DeleteSet{set->name});
        } else if (const auto* map = std::get_if<AddMap>(&op)) {
            sets.emplace_back(DeleteSet{map->name});
        } else if (const auto* chain = std::get_if<AddChain>(&op)) {
            flush.ops.emplace_back(FlushChain{chain->name});
            chains.emplace_back(DeleteChain{chain->name});
        }
    }
    std::ranges::move(sets, std::back_inserter(flush.ops));
    std::ranges::move(chains, std::back_inserter(flush.ops));
    return flush;
}

std::optional<std::vector<Part>> split(const Batch& batch, wire::Bytes messages,
                                       std::uint32_t sequence, std::size_t bytes_max) {
    const std::vector<std::size_t> early = early_operations(batch);
    std::vector<Part> parts(1);
    Part last;
    wire::MessageReader reader(messages);
    std::size_t offset = 0;
    while (const std::optional<wire::Message> message = reader.next()) {
        const std::size_t bytes = wire::aligned(message->header.nlmsg_len);
        const std::size_t op = message->header.nlmsg_seq - sequence - 1;
        Part* part = &last;
        if (std::ranges::binary_search(early, op)) {
            if (!parts.back().messages.empty() && parts.back().bytes + bytes > bytes_max) {
                parts.emplace_back();
            }
            part = &parts.back();
        }
        part->messages.push_back(messages.subspan(offset, bytes));
        part->bytes += bytes;
        offset += bytes;
    }
    if (parts.back().messages.empty()) {
        parts.pop_back();
    }
    parts.push_back(std::move(last));
    const bool fits = std::ranges::all_of(
        parts, [bytes_max](const Part& part) { return part.bytes <= bytes_max; });
    return fits ? std::optional(std::move(parts)) : std::nullopt;
}

}  // namespace podfence::nft
