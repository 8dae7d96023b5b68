#include "nft/text.hpp"

#include <array>
#include <cstdio>
#include <string_view>

#include "nft/error.hpp"
#include "nft/text_parts.hpp"

namespace podfence::nft {

using text::base_text;
using text::entry_text;
using text::joined;
using text::plain;
using text::printable;
using text::quoted;
using text::set_properties;
using text::table_name;

namespace {

// Sets and chains are printed as `nft list` indents them; `elements` aligns with its brace.
constexpr std::string_view kElementBreak = ",\n\t\t\t     ";

std::string_view field_name(Field field) {
    switch (field) {
        case Field::ip_saddr:
            return "ip saddr";
        case Field::ip_daddr:
            return "ip daddr";
        case Field::ip6_saddr:
            return "ip6 saddr";
        case Field::ip6_daddr:
            return "ip6 daddr";
        case Field::l4proto:
            return "meta l4proto";
        case Field::th_dport:
            return "th dport";
        case Field::icmpv6_type:
            return "icmpv6 type";
        case Field::th_sport:
            return "th sport";
        case Field::iif:
            return "iif";
        case Field::ether_type:
            return "ether type";
        case Field::arp_saddr_ip:
            return "arp saddr ip";
        case Field::arp_daddr_ip:
            return "arp daddr ip";
        case Field::nd_target:
            return "icmpv6 taddr";
    }
    PODFENCE_CHECK(!"a field without a name");
    return {};
}

/// How many elements nft lists on one line, by their type (calculate_delim in nftables'
/// src/expression.c); a concatenation is alone on its line.
std::size_t elements_a_line(const SetSpec& spec) {
    if (spec.key.size() != 1) return 1;
    switch (spec.key.front()) {
        case FieldType::ipv4_addr:
            return 2;
        case FieldType::inet_proto:
        case FieldType::inet_service:
            return 5;
        default:
            return 1;
    }
}

template <class Items, class Print>
void append_elements(std::string& out, const SetSpec& spec, const Items& items, Print print) {
    if (items.empty()) return;
    const std::size_t a_line = elements_a_line(spec);
    out += "\t\telements = { ";
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out += i % a_line == 0 ? kElementBreak : ", ";
        out += print(items[i]);
    }
    out += " }\n";
}

void append_set_head(std::string& out, const std::string& name, const SetSpec& spec, bool is_map) {
    out += std::string("\t") + (is_map ? "map " : "set ") + plain(name) + " {\n";
    for (const auto& line : set_properties(spec, is_map)) out += "\t\t" + line + "\n";
}

void append_chain(std::string& out, const std::string& name, const Chain& chain) {
    out += "\tchain " + plain(name) + " {\n";
    if (!chain.comment.empty()) out += "\t\tcomment " + quoted(chain.comment) + "\n";
    if (chain.base) out += "\t\t" + base_text(*chain.base) + "\n";
    for (const Rule& rule : chain.rules) out += "\t\t" + to_text(rule) + "\n";
    out += "\t}\n";
}

/// Bits without a name are printed as numbers, in nft's order.
std::string ct_states_text(std::uint32_t any_of) {
    struct State {
        std::uint32_t bit;
        std::string_view name;
    };
    static constexpr std::array kStates{State{ct_invalid, "invalid"},
                                        State{ct_established, "established"},
                                        State{ct_related, "related"}, State{ct_new, "new"}};
    std::vector<std::string> names;
    for (const auto& [bit, name] : kStates) {
        if ((any_of & bit) != 0) names.emplace_back(name);
        any_of &= ~bit;
    }
    if (any_of != 0 || names.empty()) {
        std::array<char, 16> number{};
        std::snprintf(number.data(), number.size(), "0x%x", any_of);
        names.emplace_back(number.data());
    }
    return joined(
        names, [](const auto& name) { return name; }, ",");
}

/// As nft prints marks.
std::string mark_text(std::uint32_t mark) {
    std::array<char, 16> number{};
    std::snprintf(number.data(), number.size(), "0x%08x", mark);
    return number.data();
}

struct StatementPrinter {
    std::string operator()(const MatchCtState& match) const {
        return "ct state " + ct_states_text(match.any_of);
    }
    std::string operator()(const MatchCtMark& match) const {
        return "ct mark & " + mark_text(match.mask) + " == " + mark_text(match.value);
    }
    std::string operator()(const MatchSourceLocal&) const { return "fib saddr type local"; }
    std::string operator()(const MatchSet& match) const {
        return joined(match.key, field_name, " . ") + " @" + plain(match.set);
    }
    std::string operator()(const LookupVerdict& lookup) const {
        return joined(lookup.key, field_name, " . ") + " vmap @" + plain(lookup.map);
    }
    std::string operator()(const Counter&) const { return "counter"; }
    std::string operator()(const Limit& limit) const {
        // nft leaves its default out.
        return "limit rate " + std::to_string(limit.packets_per_second) + "/second" +
               (limit.burst == 5 ? "" : " burst " + std::to_string(limit.burst) + " packets");
    }
    std::string operator()(const Log& log) const {
        return (log.prefix.empty() ? "log" : "log prefix " + quoted(log.prefix, true)) + " group " +
               std::to_string(log.group);
    }
    std::string operator()(const Verdict& verdict) const { return to_text(verdict); }
    std::string operator()(const RejectTcpReset& reset) const {
        return std::string(reset.opening_only ? "tcp flags syn / fin,syn,rst,ack"
                                              : "meta l4proto tcp") +
               " reject with tcp reset";
    }
    std::string operator()(const RejectProhibited&) const {
        return "reject with icmpx admin-prohibited";
    }
    /// In brackets, so that nft refuses the rule instead of loading it without this condition.
    std::string operator()(const Opaque& opaque) const {
        return "<" + printable(opaque.what) + ">";
    }
};

}  // namespace

std::string to_text(const Verdict& verdict) {
    switch (verdict.kind) {
        case VerdictKind::accept:
            return "accept";
        case VerdictKind::drop:
            return "drop";
        case VerdictKind::go_to:
            return "goto " + plain(verdict.chain);
        case VerdictKind::jump:
            return "jump " + plain(verdict.chain);
        case VerdictKind::ret:
            return "return";
    }
    PODFENCE_CHECK(!"a verdict without a name");
    return {};
}

std::string to_text(const Statement& statement) {
    return std::visit(StatementPrinter{}, statement);
}

std::string to_text(const Rule& rule) {
    std::string text = joined(
        rule.statements, [](const Statement& statement) { return to_text(statement); }, " ");
    if (rule.comment.empty()) return text;
    if (!text.empty()) text += " ";
    return text + "comment " + quoted(rule.comment);
}

std::string to_text(const Table& table) {
    std::string out = "table " + table_name(table.id) + " {\n";
    std::string_view gap;
    if (table.flags != 0) {
        out += "\tflags " + (table.flags == 1 ? "dormant" : std::to_string(table.flags)) + "\n";
        gap = "\n";
    }
    for (const std::string& line : table.foreign) {
        out += "\t# not expressible here: " + printable(line) + "\n";
        gap = "\n";
    }
    const auto next = [&] {
        out += gap;
        gap = "\n";
    };
    for (const auto& [name, set] : table.sets) {
        next();
        append_set_head(out, name, set.spec, false);
        append_elements(out, set.spec, set.elements,
                        [&](const Element& element) { return to_text(set.spec, element); });
        out += "\t}\n";
    }
    for (const auto& [name, map] : table.maps) {
        next();
        append_set_head(out, name, map.spec, true);
        append_elements(out, map.spec, map.entries,
                        [&](const MapEntry& entry) { return entry_text(map.spec, entry); });
        out += "\t}\n";
    }
    // Packets enter at the base chains; a reader begins there too.
    for (const bool base : {true, false}) {
        for (const auto& [name, chain] : table.chains) {
            if (chain.base.has_value() != base) continue;
            next();
            append_chain(out, name, chain);
        }
    }
    return out + "}\n";
}

}  // namespace podfence::nft
