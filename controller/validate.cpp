#include "controller/validate.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

namespace podfence {

namespace {

bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/// Letters and digits at both ends, `inner` characters as well between them.
template <class Alnum>
bool is_name(std::string_view text, std::size_t max, std::string_view inner, Alnum alnum) {
    return !text.empty() && text.size() <= max && alnum(text.front()) && alnum(text.back()) &&
           std::all_of(text.begin(), text.end(),
                       [&](char c) { return alnum(c) || inner.find(c) != std::string_view::npos; });
}

template <class Number>
std::optional<Number> parse_digits(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool digits =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (text.empty() || !digits || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

/// Decimal octets without their leading zeros; `text` itself where there are none.
std::string without_leading_zeros(std::string_view text) {
    std::string out;
    bool at_start = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool digit_follows = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
        if (at_start && text[i] == '0' && digit_follows) continue;
        out += text[i];
        at_start = text[i] == '.';
    }
    return out;
}

void add_warning(std::string& warning, std::string_view text) {
    if (!warning.empty()) warning += "; ";
    warning += text;
}

}  // namespace

bool is_dns_label(std::string_view text) {
    return is_name(text, 63, "-", is_lower_alnum);
}

bool is_dns_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    while (true) {
        const std::size_t dot = std::min(text.find('.'), text.size());
        // Unlike a label, a part of a subdomain has no length limit of its own.
        if (!is_name(text.substr(0, dot), 253, "-", is_lower_alnum)) return false;
        if (dot == text.size()) return true;
        text.remove_prefix(dot + 1);
    }
}

bool is_label_value(std::string_view text) {
    return text.empty() || is_name(text, 63, "-_.", is_alnum);
}

bool is_label_key(std::string_view text) {
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
        if (!is_dns_subdomain(text.substr(0, slash))) return false;
        text.remove_prefix(slash + 1);
    }
    return is_name(text, 63, "-_.", is_alnum);
}

bool is_port_name(std::string_view text) {
    return is_name(text, 15, "-", is_lower_alnum) &&
           std::any_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; }) &&
           text.find("--") == std::string_view::npos;
}

bool is_ipv4_mapped(const nft::Address& address) {
    constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return address.family() == nft::Family::ipv6 &&
           std::equal(kMapped.begin(), kMapped.end(), address.bytes().begin());
}

CheckedPrefix check_prefix(std::string_view text) {
    CheckedPrefix out;
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        out.error = "has no /length";
        return out;
    }
    const std::string_view base = text.substr(0, slash);
    const std::string_view length_text = text.substr(slash + 1);
    auto address = nft::Address::parse(base);
    if (!address && base.find(':') == std::string_view::npos) {
        address = nft::Address::parse(without_leading_zeros(base));
        if (address) {
            add_warning(out.warning, "leading zeros, read as decimal: " + to_string(*address));
        }
    }
    if (!address) {
        out.error = "is no CIDR: " + std::string(base.empty() ? "no" : "bad") + " address";
        return out;
    }
    const auto length = parse_digits<unsigned>(length_text);
    if (!length || length_text.size() > 3 || *length > nft::address_bits(address->family())) {
        out.error = "is no CIDR: the length must be 0 to " +
                    std::to_string(nft::address_bits(address->family()));
        return out;
    }
    if (length_text.size() > 1 && length_text[0] == '0') {
        add_warning(out.warning, "leading zeros in the length");
    }
    if (is_ipv4_mapped(*address)) {
        out.error = "is an IPv4-mapped IPv6 block";
        return out;
    }
    out.prefix = nft::Prefix::make(*address, *length);
    if (out.prefix && out.prefix->first() != *address) {
        add_warning(out.warning, "bits set behind the prefix, masked: " + to_string(*out.prefix));
    }
    return out;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
    // 2026-03-04T05:06:07[.fraction](Z|+hh:mm|-hh:mm)
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
    if (text.size() <= kForm.size()) return std::nullopt;
    for (std::size_t i = 0; i < kForm.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return std::nullopt;
    }
    const auto number = [&](std::size_t at, std::size_t size) {
        return parse_digits<int>(text.substr(at, size)).value_or(-1);
    };
    const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                           std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                           std::chrono::day(static_cast<unsigned>(number(8, 2)))};
    if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60) {
        return std::nullopt;
    }
    std::int64_t seconds =
        std::chrono::sys_seconds(std::chrono::sys_days(date)).time_since_epoch().count();
    seconds += number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
    std::string_view zone = text.substr(kForm.size());
    if (zone[0] == '.') {
        const std::size_t digits = std::min(zone.find_first_not_of("0123456789", 1), zone.size());
        if (digits == 1) return std::nullopt;
        zone.remove_prefix(digits);
    }
    if (zone == "Z") return seconds;
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') {
        return std::nullopt;
    }
    const auto hours = parse_digits<int>(zone.substr(1, 2));
    const auto minutes = parse_digits<int>(zone.substr(4, 2));
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const std::int64_t offset = *hours * 3600 + *minutes * 60;
    return zone[0] == '+' ? seconds - offset : seconds + offset;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

}  // namespace podfence
