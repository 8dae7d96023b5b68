#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "nft/ruleset.hpp"

/// The kernel's expressions of a rule as values, between statements and netlink attributes:
/// encoding lowers statements to them, decoding raises them. A rule is understood exactly when
/// lowering what was raised gives the same expressions again; so there is no second grammar that
/// could disagree with the encoder.
namespace podfence::nft::wire {

/// Up to 4 bytes of an immediate value; nothing that we compare with is longer.
struct Immediate {
    std::array<std::uint8_t, 4> bytes{};
    std::uint8_t size = 0;
    friend bool operator==(const Immediate&, const Immediate&) = default;
};

struct LoadMeta {  ///< NFT_META_* into a register word
    std::uint32_t key = 0;
    unsigned word = 0;
    friend bool operator==(const LoadMeta&, const LoadMeta&) = default;
};
struct LoadPayload {  ///< NFT_PAYLOAD_*_HEADER bytes into a register word
    std::uint32_t base = 0;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    unsigned word = 0;
    friend bool operator==(const LoadPayload&, const LoadPayload&) = default;
};
struct LoadCt {  ///< NFT_CT_* of the packet's connection into a register word
    std::uint32_t key = 0;
    unsigned word = 0;
    friend bool operator==(const LoadCt&, const LoadCt&) = default;
};
struct LoadFib {  ///< NFT_FIB_RESULT_* of a route lookup for NFTA_FIB_F_* into a register word
    std::uint32_t result = 0;
    std::uint32_t flags = 0;
    unsigned word = 0;
    friend bool operator==(const LoadFib&, const LoadFib&) = default;
};
struct Mask {  ///< reg &= mask, in place
    unsigned word = 0;
    Immediate mask;
    friend bool operator==(const Mask&, const Mask&) = default;
};
struct Compare {  ///< NFT_CMP_EQ or NFT_CMP_NEQ; the rule ends here if it does not hold
    std::uint32_t op = 0;
    unsigned word = 0;
    Immediate value;
    friend bool operator==(const Compare&, const Compare&) = default;
};
struct Lookup {
    std::string set;
    unsigned word = 0;
    bool verdict = false;  ///< A verdict map: the element's verdict becomes the rule's.
    friend bool operator==(const Lookup&, const Lookup&) = default;
};
struct Reject {  ///< NFT_REJECT_*, and for ICMP a code
    std::uint32_t type = 0;
    std::uint8_t code = 0;
    friend bool operator==(const Reject&, const Reject&) = default;
};
struct Unknown {  ///< Something we never write.
    std::string name;
    friend bool operator==(const Unknown&, const Unknown&) = default;
};

using Expr = std::variant<LoadMeta, LoadPayload, LoadCt, LoadFib, Mask, Compare, Lookup, Verdict,
                          Counter, Limit, Log, Reject, Unknown>;

/// NFT_RULE_MAXEXPRS: the kernel takes no more in one rule.
inline constexpr std::size_t kExprsMax = 128;

/// What the kernel runs for these statements, with the dependencies that nft generates, so that
/// `nft list ruleset` prints the statements and not raw payload. An Opaque becomes an Unknown.
std::vector<Expr> lower(TableFamily family, std::span<const Statement> statements);

/// The statements of a rule, or a single Opaque when it is not one that we write.
std::vector<Statement> raise(TableFamily family, std::span<const Expr> exprs);

}  // namespace podfence::nft::wire
