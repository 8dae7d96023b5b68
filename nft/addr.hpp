#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace podfence::nft {

enum class Family : std::uint8_t { ipv4, ipv6 };

/// Length of an address in bits: 32 or 128.
constexpr unsigned address_bits(Family family) {
    return family == Family::ipv4 ? 32U : 128U;
}

/// An IPv4 or IPv6 address. Ordered by family, then numerically. An IPv4-mapped IPv6 address is an
/// IPv6 address here; families are never mixed (semantics N34).
class Address {
  public:
    constexpr Address() = default;  ///< 0.0.0.0

    /// From the number in host byte order, e.g. 0x0a000001 for 10.0.0.1.
    static constexpr Address v4(std::uint32_t host_order) {
        Address a;
        a.bytes_ = {static_cast<std::uint8_t>(host_order >> 24),
                    static_cast<std::uint8_t>(host_order >> 16),
                    static_cast<std::uint8_t>(host_order >> 8),
                    static_cast<std::uint8_t>(host_order)};
        return a;
    }
    /// From 16 bytes in network order.
    static constexpr Address v6(const std::array<std::uint8_t, 16>& bytes) {
        Address a;
        a.family_ = Family::ipv6;
        a.bytes_ = bytes;
        return a;
    }
    /// Strict: dotted decimal without leading zeros, or RFC 4291 text without zone. nullopt else.
    static std::optional<Address> parse(std::string_view text);

    constexpr Family family() const { return family_; }
    /// Length in bytes: 4 or 16.
    constexpr std::size_t size() const { return family_ == Family::ipv4 ? 4 : 16; }
    /// Network byte order; IPv4 uses the first four, the rest are zero.
    constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    /// The bit `index` counted from the most significant.
    constexpr bool bit(unsigned index) const {
        return (bytes_[index / 8] >> (7U - index % 8U) & 1U) != 0;
    }

    /// The following or preceding address of the family; nullopt past the ends.
    std::optional<Address> next() const;
    std::optional<Address> previous() const;

    friend constexpr auto operator<=>(const Address&, const Address&) = default;

  private:
    Family family_ = Family::ipv4;
    std::array<std::uint8_t, 16> bytes_{};
};

/// Canonical text (RFC 5952 for IPv6).
std::string to_string(const Address& address);

/// A CIDR block. Host bits are always zero: `make` masks them (semantics N36).
class Prefix {
  public:
    constexpr Prefix() = default;  ///< 0.0.0.0/0

    /// Masks the host bits. nullopt when `length` exceeds the family's bits.
    static std::optional<Prefix> make(const Address& address, unsigned length);
    /// "10.0.0.0/8". Strict address text, decimal length without sign or leading zeros; host bits
    /// are accepted and masked. nullopt otherwise.
    static std::optional<Prefix> parse(std::string_view text);

    constexpr const Address& first() const { return first_; }
    Address last() const;
    constexpr unsigned length() const { return length_; }
    constexpr Family family() const { return first_.family(); }
    bool contains(const Address& address) const;
    /// True when every address of `other` is also in this block (equal blocks included).
    bool contains(const Prefix& other) const;

    friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

  private:
    Address first_;
    std::uint8_t length_ = 0;
};

std::string to_string(const Prefix& prefix);

}  // namespace podfence::nft

template <>
struct std::hash<podfence::nft::Address> {
    std::size_t operator()(const podfence::nft::Address& address) const noexcept;
};
