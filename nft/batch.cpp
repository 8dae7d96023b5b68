#include "nft/batch.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace podfence::nft {

namespace {

struct Summarizer {
    BatchSummary& sum;
    /// Flushed or deleted so far; whether a flush was a replacement or the start of a deletion is
    /// known only at the end.
    std::set<std::string_view>& flushed;
    std::set<std::string_view>& deleted;

    void operator()(const AddTable&) const { sum.table_added = true; }
    void operator()(const DeleteTable&) const { sum.table_deleted = true; }
    void operator()(const AddSet&) const { ++sum.sets_added; }
    void operator()(const AddMap&) const { ++sum.sets_added; }
    void operator()(const DeleteSet&) const { ++sum.sets_deleted; }
    void operator()(const AddElements& op) const { sum.elements_added += op.elements.size(); }
    void operator()(const DeleteElements& op) const { sum.elements_deleted += op.elements.size(); }
    void operator()(const AddEntries& op) const { sum.elements_added += op.entries.size(); }
    void operator()(const DeleteEntries& op) const { sum.elements_deleted += op.entries.size(); }
    void operator()(const AddChain&) const { ++sum.chains_added; }
    void operator()(const FlushChain& op) const { flushed.insert(op.name); }
    void operator()(const DeleteChain& op) const {
        ++sum.chains_deleted;
        deleted.insert(op.name);
    }
    void operator()(const AddRules& op) const { sum.rules_added += op.rules.size(); }
};

}  // namespace

const std::string* object_of(const Op& op) {
    constexpr auto name = [](const auto& of) -> const std::string* {
        if constexpr (requires { of.name; }) {
            return &of.name;
        } else if constexpr (requires { of.set; }) {
            return &of.set;
        } else if constexpr (requires { of.map; }) {
            return &of.map;
        } else if constexpr (requires { of.chain; }) {
            return &of.chain;
        } else {
            return nullptr;
        }
    };
    return std::visit(name, op);
}

BatchSummary summarize(const Batch& batch) {
    BatchSummary sum;
    std::set<std::string_view> flushed;
    std::set<std::string_view> deleted;
    for (const Op& op : batch.ops) std::visit(Summarizer{sum, flushed, deleted}, op);
    sum.chains_replaced = static_cast<std::size_t>(std::ranges::count_if(
        flushed, [&](std::string_view chain) { return !deleted.contains(chain); }));
    return sum;
}

}  // namespace podfence::nft
