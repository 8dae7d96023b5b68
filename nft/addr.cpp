#include "nft/addr.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

#include "nft/error.hpp"

namespace podfence::nft {

namespace {

/// A decimal number without sign and without leading zeros, at most `max`.
std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
    if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) {
        return std::nullopt;
    }
    unsigned value = 0;
    for (const char digit : text) {
        if (digit < '0' || digit > '9') return std::nullopt;
        value = value * 10 + static_cast<unsigned>(digit - '0');
    }
    return value <= max ? std::optional(value) : std::nullopt;
}

/// By hand rather than by inet_pton: libcs differ on leading zeros, which some read as octal
/// (semantics, corner case 19).
std::optional<Address> parse_v4(std::string_view text) {
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i) {
        const std::size_t dot = text.find('.');
        if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
        const auto octet = parse_decimal(text.substr(0, dot), 255);
        if (!octet) return std::nullopt;
        number = number << 8 | *octet;
        text.remove_prefix(i == 3 ? text.size() : dot + 1);
    }
    return Address::v4(number);
}

std::optional<Address> parse_v6(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};  // filled with zeros, so it stays terminated
    if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    std::ranges::copy(text, buffer.begin());
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(AF_INET6, buffer.data(), bytes.data()) != 1) return std::nullopt;
    return Address::v6(bytes);
}

Address from_bytes(Family family, const std::array<std::uint8_t, 16>& bytes) {
    if (family == Family::ipv6) return Address::v6(bytes);
    return Address::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                       std::uint32_t{bytes[2]} << 8 | bytes[3]);
}

/// The address with all bits from `length` on set or cleared.
Address fill_host_bits(const Address& address, unsigned length, bool set) {
    auto bytes = address.bytes();
    for (std::size_t i = length / 8; i < address.size(); ++i) {
        const unsigned kept = i == length / 8 ? length % 8 : 0;
        const auto host = static_cast<std::uint8_t>(0xffU >> kept);
        bytes[i] = static_cast<std::uint8_t>(set ? bytes[i] | host : bytes[i] & ~host);
    }
    return from_bytes(address.family(), bytes);
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
    return text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
}

std::optional<Address> Address::next() const {
    Address result = *this;
    for (std::size_t i = size(); i-- > 0;) {
        if (++result.bytes_[i] != 0) return result;
    }
    return std::nullopt;
}

std::optional<Address> Address::previous() const {
    Address result = *this;
    for (std::size_t i = size(); i-- > 0;) {
        if (result.bytes_[i]-- != 0) return result;
    }
    return std::nullopt;
}

std::string to_string(const Address& address) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    const int family = address.family() == Family::ipv4 ? AF_INET : AF_INET6;
    const char* text = inet_ntop(family, address.bytes().data(), buffer.data(), buffer.size());
    PODFENCE_CHECK(text != nullptr);
    return text;
}

std::optional<Prefix> Prefix::make(const Address& address, unsigned length) {
    if (length > address_bits(address.family())) return std::nullopt;
    Prefix prefix;
    prefix.first_ = fill_host_bits(address, length, false);
    prefix.length_ = static_cast<std::uint8_t>(length);
    return prefix;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto address = Address::parse(text.substr(0, slash));
    const auto length = parse_decimal(text.substr(slash + 1), 128);
    if (!address || !length) return std::nullopt;
    return make(*address, *length);
}

Address Prefix::last() const {
    return fill_host_bits(first_, length_, true);
}

bool Prefix::contains(const Address& address) const {
    return address.family() == family() && fill_host_bits(address, length_, false) == first_;
}

bool Prefix::contains(const Prefix& other) const {
    return length_ <= other.length_ && contains(other.first_);
}

std::string to_string(const Prefix& prefix) {
    return to_string(prefix.first()) + "/" + std::to_string(prefix.length());
}

}  // namespace podfence::nft

std::size_t std::hash<podfence::nft::Address>::operator()(
    const podfence::nft::Address& address) const noexcept {
    // Two words, multiplied and folded: IPv4 addresses of one node differ in few low bits, which
    // must reach every bit of the result.
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, address.bytes().data(), sizeof high);
    std::memcpy(&low, address.bytes().data() + sizeof high, sizeof low);
    std::uint64_t mixed = (high ^ (low * 0x9e3779b97f4a7c15U)) + address.size();
    mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93U;
    mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93U;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}
