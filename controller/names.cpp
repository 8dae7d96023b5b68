#include "controller/names.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <openssl/sha.h>

#include "nft/ruleset.hpp"

namespace podfence {

namespace {

/// The kernel finds sets and chains by comparing names one by one: long ones cost at every commit.
constexpr std::size_t kReadableBytesMax = 20;
constexpr std::size_t kHashBytes = 10;

void append_length(std::string& out, std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

}  // namespace

NameHash& NameHash::add(std::string_view field) {
    append_length(fields_, field.size());
    fields_ += field;
    return *this;
}

NameHash& NameHash::add(std::uint64_t number) {
    append_length(fields_, number);
    return *this;
}

std::string NameHash::text() const {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(fields_.data()), fields_.size(), digest.data());
    constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::string text;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (std::size_t i = 0; i < kHashBytes; ++i) {
        bits = bits << 8 | digest[i];
        for (count += 8; count >= 5; count -= 5) text += alphabet[bits >> (count - 5) & 31U];
    }
    return text;
}

std::string make_name(std::string_view kind, const NameHash& hash, std::string_view readable) {
    std::string name(kind);
    name += '-';
    name += hash.text();
    if (readable.empty()) return name;
    name += '-';
    for (const char c : readable.substr(0, kReadableBytesMax)) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
        name += plain ? c : '_';
    }
    return name;
}

std::string make_comment(const std::vector<std::string>& texts) {
    constexpr std::size_t room_for_rest = 12;  // ", +9999 more"
    std::string comment;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::string separator = i == 0 ? "" : ", ";
        const bool last = i + 1 == texts.size();
        const std::size_t room = nft::kCommentBytesMax - (last ? 0 : room_for_rest);
        if (comment.size() + separator.size() + texts[i].size() > room) {
            if (i == 0) {
                comment = texts[i].substr(0, room - 3) + "...";
                if (last) return comment;
                ++i;
            }
            return comment + (comment.empty() ? "" : ", ") + "+" +
                   std::to_string(std::min<std::size_t>(texts.size() - i, 9999)) + " more";
        }
        comment += separator + texts[i];
    }
    return comment;
}

}  // namespace podfence
