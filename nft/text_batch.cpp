#include "nft/text.hpp"
#include "nft/text_parts.hpp"

namespace podfence::nft {

using text::base_text;
using text::entry_text;
using text::joined;
using text::plain;
using text::quoted;
using text::set_properties;
using text::table_name;

namespace {

/// One command, or one a rule.
struct OpPrinter {
    const TableId& table;

    std::string command(std::string_view verb, std::string_view object) const {
        return std::string(verb) + " " + std::string(object) + " " + table_name(table);
    }
    std::string command(std::string_view verb, std::string_view object,
                        const std::string& name) const {
        return command(verb, object) + " " + plain(name);
    }

    std::string add_set(const std::string& name, const SetSpec& spec, bool is_map) const {
        const auto property = [](const std::string& line) { return line + ";"; };
        return command("add", is_map ? "map" : "set", name) + " { " +
               joined(set_properties(spec, is_map), property, " ") + " }";
    }
    template <class Items, class Print>
    std::string elements(std::string_view verb, const std::string& name, const Items& items,
                         Print print) const {
        if (items.empty()) return {};  // nft has no such command, and the kernel no such message
        return command(verb, "element", name) + " { " + joined(items, print, ", ") + " }";
    }
    std::string elements(std::string_view verb, const std::string& name, const SetSpec& spec,
                         const std::vector<Element>& items) const {
        return elements(verb, name, items,
                        [&](const Element& element) { return to_text(spec, element); });
    }
    std::string entries(std::string_view verb, const std::string& name, const SetSpec& spec,
                        const std::vector<MapEntry>& items) const {
        return elements(verb, name, items,
                        [&](const MapEntry& entry) { return entry_text(spec, entry); });
    }

    std::string operator()(const AddTable&) const { return command("add", "table"); }
    std::string operator()(const DeleteTable&) const { return command("delete", "table"); }
    std::string operator()(const AddSet& op) const { return add_set(op.name, op.spec, false); }
    std::string operator()(const AddMap& op) const { return add_set(op.name, op.spec, true); }
    std::string operator()(const DeleteSet& op) const {
        return command("delete", "set", op.name);  // nft takes it for a map as well
    }
    std::string operator()(const AddElements& op) const {
        return elements("add", op.set, op.spec, op.elements);
    }
    std::string operator()(const DeleteElements& op) const {
        return elements("delete", op.set, op.spec, op.elements);
    }
    std::string operator()(const AddEntries& op) const {
        return entries("add", op.map, op.spec, op.entries);
    }
    std::string operator()(const DeleteEntries& op) const {
        return entries("delete", op.map, op.spec, op.entries);
    }
    std::string operator()(const AddChain& op) const {
        std::string text = command("add", "chain", op.name);
        if (!op.base && op.comment.empty()) return text;
        text += " {";
        if (op.base) text += " " + base_text(*op.base);
        if (!op.comment.empty()) text += " comment " + quoted(op.comment) + ";";
        return text + " }";
    }
    std::string operator()(const FlushChain& op) const {
        return command("flush", "chain", op.name);
    }
    std::string operator()(const DeleteChain& op) const {
        return command("delete", "chain", op.name);
    }
    std::string operator()(const AddRules& op) const {
        const std::string head = command("add", "rule", op.chain) + " ";
        return joined(
            op.rules, [&](const Rule& rule) { return head + to_text(rule); }, "\n");
    }
};

}  // namespace

std::string to_text(const TableId& table, const Op& op) {
    return std::visit(OpPrinter{table}, op);
}

std::string to_text(const Batch& batch) {
    std::string text;
    for (const Op& op : batch.ops) {
        const std::string lines = to_text(batch.table, op);
        if (!lines.empty()) text += lines + "\n";
    }
    return text;
}

}  // namespace podfence::nft
