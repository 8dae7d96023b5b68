#include "nft/text_parts.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "nft/error.hpp"
#include "nft/ranges.hpp"
#include "nft/text.hpp"

namespace podfence::nft {

namespace text {

namespace {

bool is_printable(char c) {
    return c >= ' ' && c <= '~';
}

std::string_view type_name(FieldType type) {
    switch (type) {
        case FieldType::ipv4_addr:
            return "ipv4_addr";
        case FieldType::ipv6_addr:
            return "ipv6_addr";
        case FieldType::inet_proto:
            return "inet_proto";
        case FieldType::inet_service:
            return "inet_service";
        case FieldType::icmpv6_type:
            return "icmpv6_type";
        case FieldType::iface_index:
            return "iface_index";
        case FieldType::ether_type:
            return "ether_type";
    }
    PODFENCE_CHECK(!"a field type without a name");
    return {};
}

struct NumberName {
    std::uint8_t number;
    std::string_view name;
};

/// As nft takes them from /etc/protocols; only those that policies are about.
constexpr std::array kProtocols{NumberName{1, "icmp"},       NumberName{2, "igmp"},
                                NumberName{6, "tcp"},        NumberName{17, "udp"},
                                NumberName{58, "ipv6-icmp"}, NumberName{132, "sctp"}};

/// nft's own names (icmp6_type_tbl in nftables' src/proto.c).
constexpr std::array kIcmpv6Types{
    NumberName{1, "destination-unreachable"}, NumberName{2, "packet-too-big"},
    NumberName{3, "time-exceeded"},           NumberName{4, "parameter-problem"},
    NumberName{128, "echo-request"},          NumberName{129, "echo-reply"},
    NumberName{130, "mld-listener-query"},    NumberName{131, "mld-listener-report"},
    NumberName{132, "mld-listener-done"},     NumberName{133, "nd-router-solicit"},
    NumberName{134, "nd-router-advert"},      NumberName{135, "nd-neighbor-solicit"},
    NumberName{136, "nd-neighbor-advert"},    NumberName{137, "nd-redirect"},
    NumberName{138, "router-renumbering"},    NumberName{141, "ind-neighbor-solicit"},
    NumberName{142, "ind-neighbor-advert"},   NumberName{143, "mld2-listener-report"}};

template <std::size_t size>
std::string name_or_number(const std::array<NumberName, size>& names, std::uint8_t number) {
    const auto found = std::ranges::find(names, number, &NumberName::number);
    return found != names.end() ? std::string(found->name) : std::to_string(number);
}

/// nft's own names (ethertype_tbl in its src/proto.c); the kernel has no others' packets for us.
std::string ether_type_text(std::uint16_t type) {
    switch (type) {
        case 0x0800:
            return "ip";
        case 0x0806:
            return "arp";
        case 0x86dd:
            return "ip6";
        default: {
            std::array<char, 8> number{};
            std::snprintf(number.data(), number.size(), "0x%04x", type);
            return number.data();
        }
    }
}

std::string value_text(FieldType type, const FieldValue& value) {
    if (const auto* address = std::get_if<Address>(&value)) return to_string(*address);
    if (const auto* index = std::get_if<std::uint32_t>(&value)) return std::to_string(*index);
    if (const auto* number = std::get_if<std::uint16_t>(&value)) {
        return type == FieldType::ether_type ? ether_type_text(*number) : std::to_string(*number);
    }
    const std::uint8_t number = std::get<std::uint8_t>(value);
    return type == FieldType::inet_proto ? name_or_number(kProtocols, number)
                                         : name_or_number(kIcmpv6Types, number);
}

/// nft prints the ends of a range as numbers, never as names.
std::string number_text(const FieldValue& value) {
    return std::visit(
        [](const auto& number) -> std::string {
            if constexpr (requires { std::to_string(number); }) {
                return std::to_string(number);
            } else {
                PODFENCE_CHECK(!"an address is no number");
                return {};
            }
        },
        value);
}

std::string range_text(FieldType type, const FieldValue& first, const FieldValue& last) {
    if (first == last) return value_text(type, first);
    if (const auto* address = std::get_if<Address>(&first)) {
        return to_string(Range{.first = *address, .last = std::get<Address>(last)});
    }
    return number_text(first) + "-" + number_text(last);
}

std::string_view hook_name(Hook hook) {
    switch (hook) {
        case Hook::prerouting:
            return "prerouting";
        case Hook::input:
            return "input";
        case Hook::forward:
            return "forward";
        case Hook::output:
            return "output";
        case Hook::postrouting:
            return "postrouting";
        case Hook::ingress:
            return "ingress";
    }
    PODFENCE_CHECK(!"a hook without a name");
    return {};
}

/// A standard priority and a distance of at most ten, else a number, as nft prints it
/// (prio2str in nftables' src/rule.c).
std::string priority_text(Hook hook, std::int32_t priority) {
    struct Standard {
        std::int32_t priority;
        std::string_view name;
        std::optional<Hook> only;
    };
    static constexpr std::array kStandard{
        Standard{-300, "raw", {}},    Standard{-150, "mangle", {}},
        Standard{0, "filter", {}},    Standard{-100, "dstnat", Hook::prerouting},
        Standard{50, "security", {}}, Standard{100, "srcnat", Hook::postrouting},
    };
    for (const Standard& standard : kStandard) {
        if (standard.only && standard.only != hook) continue;
        if (hook == Hook::ingress && standard.name != "filter") continue;
        const std::int64_t offset = std::int64_t{priority} - standard.priority;
        if (offset < -10 || offset > 10) continue;
        std::string text(standard.name);
        if (offset > 0) text += " + " + std::to_string(offset);
        if (offset < 0) text += " - " + std::to_string(-offset);
        return text;
    }
    return std::to_string(priority);
}

}  // namespace

std::string quoted(std::string_view text, bool variables) {
    std::string result = "\"";
    for (const char c : text) {
        result += c == '"' ? '\'' : !is_printable(c) || (variables && c == '$') ? '?' : c;
    }
    result += '"';
    return result;
}

std::string printable(std::string_view text) {
    std::string result(text);
    std::ranges::replace_if(
        result, [](char c) { return !is_printable(c); }, '?');
    return result;
}

std::string plain(std::string_view name) {
    std::string result = printable(name);
    std::ranges::replace(result, ' ', '?');
    return result;
}

std::string table_name(const TableId& id) {
    return std::string(id.family == TableFamily::inet ? "inet" : "netdev") + " " + plain(id.name);
}

std::vector<std::string> set_properties(const SetSpec& spec, bool is_map) {
    std::vector<std::string> lines{"type " + joined(spec.key, type_name, " . ") +
                                   (is_map ? " : verdict" : "")};
    if (spec.size != 0) lines.push_back("size " + std::to_string(spec.size));
    if (spec.interval) lines.emplace_back("flags interval");
    if (!spec.comment.empty()) lines.push_back("comment " + quoted(spec.comment));
    return lines;
}

std::string entry_text(const SetSpec& spec, const MapEntry& entry) {
    std::string text = to_text(spec, entry.key);
    if (!entry.comment.empty()) text += " comment " + quoted(entry.comment);
    return text + " : " + to_text(entry.verdict);
}

std::string base_text(const BaseChain& base) {
    const std::string device =
        base.device.empty() ? std::string() : " device " + quoted(base.device, true);
    return "type filter hook " + std::string(hook_name(base.hook)) + device + " priority " +
           priority_text(base.hook, base.priority) + "; policy " +
           (base.policy_accept ? "accept;" : "drop;");
}

}  // namespace text

std::string to_text(const SetSpec& spec, const Element& element) {
    const auto first = split_key(spec.key, element.first);
    const auto last = split_key(spec.key, element.last);
    std::string result;
    for (std::size_t i = 0; i < first.size(); ++i) {
        if (i > 0) result += " . ";
        result += text::range_text(spec.key[i], first[i], last[i]);
    }
    return result;
}

}  // namespace podfence::nft
