#include "controller/node.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "controller/limits.hpp"

namespace podfence {

namespace {

constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                    "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                     "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 12> kSpecialReals = {".nan",  ".NaN",  ".NAN",  ".inf",
                                                            ".Inf",  ".INF",  "+.inf", "+.Inf",
                                                            "+.INF", "-.inf", "-.Inf", "-.INF"};

template <std::size_t N>
bool among(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
    while (at < text.size() && is_digit(text[at])) ++at;
    return at;
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_real(std::string_view text) {
    std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    const std::size_t whole = skip_digits(text, at);
    const bool has_whole = whole > at;
    at = whole;
    if (at < text.size() && text[at] == '.') {
        const std::size_t fraction = skip_digits(text, at + 1);
        if (!has_whole && fraction == at + 1) return false;
        at = fraction;
    } else if (!has_whole) {
        return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
        const std::size_t exponent = skip_digits(text, at);
        if (exponent == at) return false;
        at = exponent;
    }
    return at == text.size();
}

int take_base(std::string_view& digits) {
    if (digits.size() < 2 || digits[0] != '0') return 10;
    const char mark = digits[1];
    const int base = mark == 'x' || mark == 'X'   ? 16
                     : mark == 'o' || mark == 'O' ? 8
                     : mark == 'b' || mark == 'B' ? 2
                                                  : 0;
    digits.remove_prefix(base == 0 ? 1 : 2);
    return base == 0 ? 8 : base;
}

}  // namespace

const Node* Node::find(std::string_view name) const {
    if (!is_map()) return nullptr;
    const auto found = std::find_if(children.rbegin(), children.rend(),
                                    [&](const Node& child) { return child.key == name; });
    return found == children.rend() ? nullptr : &*found;
}

const Node* Node::get(std::string_view name) const {
    const Node* node = find(name);
    return node == nullptr || node->is_null() ? nullptr : node;
}

std::string_view Node::string_at(std::string_view name) const {
    const Node* node = find(name);
    return node != nullptr && node->is_string() ? std::string_view(node->text) : std::string_view();
}

std::optional<bool> parse_boolean(std::string_view text) {
    if (among(text, kTrue)) return true;
    if (among(text, kFalse)) return false;
    return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::string plain(text);
    std::erase(plain, '_');
    std::string_view digits = plain;
    const bool negative = !digits.empty() && digits[0] == '-';
    if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
    const int base = take_base(digits);
    std::uint64_t magnitude = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (magnitude > kMax) return std::nullopt;
    const auto value = static_cast<std::int64_t>(magnitude);
    return negative ? -value : value;
}

Node::Kind kind_of_plain(std::string_view text) {
    if (among(text, kNull)) return Node::Kind::null;
    const char first = text[0];
    if (!is_digit(first) && first != '-' && first != '+' && first != '.') {
        // Only these letters start a boolean; most scalars are decided here.
        if (std::string_view("yYnNtTfFoO").find(first) == std::string_view::npos) {
            return Node::Kind::string;
        }
        return parse_boolean(text).has_value() ? Node::Kind::boolean : Node::Kind::string;
    }
    if (parse_integer(text)) return Node::Kind::integer;
    if (looks_real(text) || among(text, kSpecialReals)) return Node::Kind::real;
    return Node::Kind::string;
}

std::string quoted(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text.substr(0, limits::kQuotedBytes)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte >= 0x7f) {
            // Escaped as well: what is cut or foreign need not be valid UTF-8.
            out += "\\x";
            out += kHex[byte >> 4];
            out += kHex[byte & 15U];
        } else {
            out += c;
        }
    }
    out += text.size() > limits::kQuotedBytes ? "\"..." : "\"";
    return out;
}

std::string describe(const Node& node) {
    const auto bare = [&] {
        const std::string text = quoted(node.text);
        return text.ends_with("...") ? text : text.substr(1, text.size() - 2);
    };
    switch (node.kind) {
        case Node::Kind::null:
            return "null";
        case Node::Kind::boolean:
            return "the boolean " + bare();
        case Node::Kind::integer:
        case Node::Kind::real:
            return "the number " + bare();
        case Node::Kind::string:
            return "the string " + quoted(node.text);
        case Node::Kind::list:
            return "a list";
        case Node::Kind::map:
            return "a map";
    }
    return "a value";
}

}  // namespace podfence
