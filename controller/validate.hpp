#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nft/addr.hpp"

/// Forms of names and values as the API server checks them (N48). ASCII only, so no locale.
namespace podfence {

bool is_dns_label(std::string_view text);      ///< RFC 1123, at most 63 (V1)
bool is_dns_subdomain(std::string_view text);  ///< Labels joined by dots, at most 253 (V1)
bool is_label_value(std::string_view text);    ///< At most 63, may be empty (V14)
bool is_label_key(std::string_view text);      ///< Qualified name: [subdomain/]name (V14)
bool is_port_name(std::string_view text);      ///< IANA service name (V5)

/// What a CIDR means and what about it is odd (V11, V13).
struct CheckedPrefix {
    std::optional<nft::Prefix> prefix{};
    std::string error{};    ///< Why there is no prefix.
    std::string warning{};  ///< Why the text will be refused by stricter servers.
};
/// Leading zeros in IPv4 octets have the meaning older servers gave them, decimal (case 19); bits
/// behind the prefix are masked (N36); IPv4-mapped IPv6 is refused.
CheckedPrefix check_prefix(std::string_view text);

/// ::ffff:0:0/96, which no pod address or CIDR may be in.
bool is_ipv4_mapped(const nft::Address& address);

/// Without blanks and line ends around it. A part of `text`.
std::string_view trimmed(std::string_view text);

/// RFC 3339, as Kubernetes prints times; seconds since 1970.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace podfence
