#include "controller/text_safety.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace podfence {

namespace {

unsigned char byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

bool is_continuation(std::string_view text, std::size_t at) {
    return at < text.size() && (byte_at(text, at) & 0xc0U) == 0x80U;
}

/// Length of the well-formed character that starts at `at` (Unicode, table 3-7); 0: there is none.
std::size_t character_length(std::string_view text, std::size_t at) {
    const unsigned char first = byte_at(text, at);
    if (first < 0x80) return 1;
    std::size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    } else {
        return 0;
    }
    if (at + 1 >= text.size() || byte_at(text, at + 1) < low || byte_at(text, at + 1) > high) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if (!is_continuation(text, at + i)) return 0;
    }
    return length;
}

void append_escape(std::string& out, unsigned code) {
    std::array<char, 8> text{};
    const int size = std::snprintf(text.data(), text.size(), "\\u%04x", code);
    out.append(text.data(), static_cast<std::size_t>(size));
}

/// C1 controls (U+0080 to U+009F) drive terminals as well as the others do.
bool is_c1_control(std::string_view text, std::size_t at) {
    return byte_at(text, at) == 0xc2 && byte_at(text, at + 1) < 0xa0;
}

void append_ascii(std::string& out, char c) {
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
        append_escape(out, byte);
    } else {
        out += c;
    }
}

}  // namespace

std::string shortened(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return std::string(text);
    std::size_t end = bytes;
    while (end > 0 && is_continuation(text, end)) --end;
    return std::string(text.substr(0, end)) + "... (" + std::to_string(text.size() - end) +
           " more bytes)";
}

std::string as_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character_length(text, at);
        out += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(at, length);
        at += std::max<std::size_t>(length, 1);
    }
    return out;
}

std::string json_quoted(std::string_view text) {
    std::string out = "\"";
    out.reserve(text.size() + 2);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character_length(text, at);
        if (length == 0) {
            out += "\\ufffd";
            ++at;
            continue;
        }
        if (length == 1) {
            append_ascii(out, text[at]);
        } else if (length == 2 && is_c1_control(text, at)) {
            append_escape(out, byte_at(text, at + 1));
        } else {
            out += text.substr(at, length);
        }
        at += length;
    }
    out += '"';
    return out;
}

}  // namespace podfence
