#pragma once

#include <string>
#include <variant>
#include <vector>

#include "nft/ruleset.hpp"

namespace podfence::nft {

// The operations of a batch, each one or more netlink messages. They name things within the batch's
// table. All of a batch takes effect in one instant or not at all.
struct AddTable {
    friend bool operator==(const AddTable&, const AddTable&) = default;
};
struct DeleteTable {  ///< With everything in it.
    friend bool operator==(const DeleteTable&, const DeleteTable&) = default;
};
struct AddSet {
    std::string name;
    SetSpec spec;
    friend bool operator==(const AddSet&, const AddSet&) = default;
};
struct AddMap {
    std::string name;
    SetSpec spec;
    friend bool operator==(const AddMap&, const AddMap&) = default;
};
struct DeleteSet {  ///< A set or a map.
    std::string name;
    friend bool operator==(const DeleteSet&, const DeleteSet&) = default;
};
// How elements are written and printed depends on the type of their set, and a port is stateless:
// operations on elements carry the set's spec, which must be the one it was made with.
struct AddElements {
    std::string set;
    SetSpec spec{};  ///< The set's.
    std::vector<Element> elements{};
    friend bool operator==(const AddElements&, const AddElements&) = default;
};
struct DeleteElements {
    std::string set;
    SetSpec spec{};  ///< The set's.
    std::vector<Element> elements{};
    friend bool operator==(const DeleteElements&, const DeleteElements&) = default;
};
struct AddEntries {
    std::string map;
    SetSpec spec{};  ///< The map's.
    std::vector<MapEntry> entries{};
    friend bool operator==(const AddEntries&, const AddEntries&) = default;
};
struct DeleteEntries {  ///< The entries as they are now, so that text and undo need no look-up.
    std::string map;
    SetSpec spec{};  ///< The map's.
    std::vector<MapEntry> entries{};
    friend bool operator==(const DeleteEntries&, const DeleteEntries&) = default;
};
struct AddChain {
    std::string name;
    std::optional<BaseChain> base;
    std::string comment;
    friend bool operator==(const AddChain&, const AddChain&) = default;
};
struct FlushChain {  ///< Deletes all its rules.
    std::string name;
    friend bool operator==(const FlushChain&, const FlushChain&) = default;
};
struct DeleteChain {
    std::string name;
    bool base = false;  ///< Whether it hangs on a hook: then packets notice when it goes.
    friend bool operator==(const DeleteChain&, const DeleteChain&) = default;
};
struct AddRules {  ///< Appended in order.
    std::string chain;
    std::vector<Rule> rules;
    friend bool operator==(const AddRules&, const AddRules&) = default;
};

using Op =
    std::variant<AddTable, DeleteTable, AddSet, AddMap, DeleteSet, AddElements, DeleteElements,
                 AddEntries, DeleteEntries, AddChain, FlushChain, DeleteChain, AddRules>;

/// The name of the set, map or chain that the operation is about, within `op`; nullptr: the table.
const std::string* object_of(const Op& op);

struct Batch {
    TableId table;
    std::vector<Op> ops{};

    bool empty() const { return ops.empty(); }
    friend bool operator==(const Batch&, const Batch&) = default;
};

/// What a batch does, for the summary of `apply`. `replaced_chains` counts flushed and refilled
/// ones.
struct BatchSummary {
    std::size_t sets_added = 0, sets_deleted = 0;
    std::size_t elements_added = 0, elements_deleted = 0;
    std::size_t chains_added = 0, chains_deleted = 0, chains_replaced = 0;
    std::size_t rules_added = 0;
    bool table_added = false, table_deleted = false;
    friend bool operator==(const BatchSummary&, const BatchSummary&) = default;
};
BatchSummary summarize(const Batch& batch);

}  // namespace podfence::nft
