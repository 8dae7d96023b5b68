#include "nft/wire_decode_expr.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/wire_elements.hpp"
#include "nft/wire_types.hpp"

namespace podfence::nft::wire {

namespace {

using MaybeExpr = std::optional<Expr>;

/// The register word named by an attribute; nullopt: none, or no data register.
template <unsigned Max>
std::optional<unsigned> word_at(const Attrs<Max>& attrs, unsigned type) {
    const std::optional<std::uint32_t> reg = attrs.u32(type);
    return reg ? word_of(*reg) : std::nullopt;
}

/// NFTA_DATA_VALUE in a nest, if it fits.
std::optional<Immediate> immediate_of(Bytes nest) {
    const Bytes value = Attrs<NFTA_DATA_MAX>(nest).bytes(NFTA_DATA_VALUE);
    Immediate data;
    if (value.empty() || value.size() > data.bytes.size()) {
        return std::nullopt;
    }
    std::ranges::copy(value, data.bytes.begin());
    data.size = static_cast<std::uint8_t>(value.size());
    return data;
}

MaybeExpr decode_meta(Bytes data) {
    const Attrs<NFTA_META_MAX> attrs(data);
    const auto key = attrs.u32(NFTA_META_KEY);
    const auto word = word_at(attrs, NFTA_META_DREG);
    if (!key || !word || attrs.has(NFTA_META_SREG)) {
        return std::nullopt;
    }
    return LoadMeta{.key = *key, .word = *word};
}

MaybeExpr decode_payload(Bytes data) {
    const Attrs<NFTA_PAYLOAD_MAX> attrs(data);
    const auto word = word_at(attrs, NFTA_PAYLOAD_DREG);
    const auto base = attrs.u32(NFTA_PAYLOAD_BASE);
    const auto offset = attrs.u32(NFTA_PAYLOAD_OFFSET);
    const auto length = attrs.u32(NFTA_PAYLOAD_LEN);
    if (!word || !base || !offset || !length || attrs.has(NFTA_PAYLOAD_SREG)) {
        return std::nullopt;
    }
    return LoadPayload{.base = *base, .offset = *offset, .length = *length, .word = *word};
}

MaybeExpr decode_ct(Bytes data) {
    const Attrs<NFTA_CT_MAX> attrs(data);
    const auto word = word_at(attrs, NFTA_CT_DREG);
    const auto key = attrs.u32(NFTA_CT_KEY);
    if (!key || !word || attrs.has(NFTA_CT_DIRECTION) || attrs.has(NFTA_CT_SREG)) {
        return std::nullopt;
    }
    return LoadCt{.key = *key, .word = *word};
}

MaybeExpr decode_fib(Bytes data) {
    const Attrs<NFTA_FIB_MAX> attrs(data);
    const auto word = word_at(attrs, NFTA_FIB_DREG);
    const auto result = attrs.u32(NFTA_FIB_RESULT);
    const auto flags = attrs.u32(NFTA_FIB_FLAGS);
    if (!word || !result || !flags) {
        return std::nullopt;
    }
    return LoadFib{.result = *result, .flags = *flags, .word = *word};
}

MaybeExpr decode_bitwise(Bytes data) {
    const Attrs<NFTA_BITWISE_MAX> attrs(data);
    const auto source = word_at(attrs, NFTA_BITWISE_SREG);
    const auto mask = immediate_of(attrs.bytes(NFTA_BITWISE_MASK));
    const auto flip = immediate_of(attrs.bytes(NFTA_BITWISE_XOR));
    const bool boolean = attrs.u32(NFTA_BITWISE_OP).value_or(NFT_BITWISE_BOOL) == NFT_BITWISE_BOOL;
    if (!boolean || !source || source != word_at(attrs, NFTA_BITWISE_DREG) || !mask || !flip ||
        attrs.u32(NFTA_BITWISE_LEN) != mask->size || *flip != Immediate{.size = mask->size}) {
        return std::nullopt;
    }
    return Mask{.word = *source, .mask = *mask};
}

MaybeExpr decode_cmp(Bytes data) {
    const Attrs<NFTA_CMP_MAX> attrs(data);
    const auto word = word_at(attrs, NFTA_CMP_SREG);
    const auto op = attrs.u32(NFTA_CMP_OP);
    const auto value = immediate_of(attrs.bytes(NFTA_CMP_DATA));
    if (!word || !op || !value) {
        return std::nullopt;
    }
    return Compare{.op = *op, .word = *word, .value = *value};
}

MaybeExpr decode_lookup(Bytes data) {
    const Attrs<NFTA_LOOKUP_MAX> attrs(data);
    const auto word = word_at(attrs, NFTA_LOOKUP_SREG);
    const bool maps = attrs.has(NFTA_LOOKUP_DREG);
    if (!word || attrs.u32(NFTA_LOOKUP_FLAGS).value_or(0) != 0 ||
        (maps && attrs.u32(NFTA_LOOKUP_DREG) != NFT_REG_VERDICT)) {
        return std::nullopt;
    }
    return Lookup{.set = attrs.string(NFTA_LOOKUP_SET), .word = *word, .verdict = maps};
}

MaybeExpr decode_immediate(Bytes data) {
    const Attrs<NFTA_IMMEDIATE_MAX> attrs(data);
    const Attrs<NFTA_DATA_MAX> value(attrs.bytes(NFTA_IMMEDIATE_DATA));
    const auto verdict = decode_verdict(value.bytes(NFTA_DATA_VERDICT));
    if (attrs.u32(NFTA_IMMEDIATE_DREG) != NFT_REG_VERDICT || !verdict) {
        return std::nullopt;
    }
    return *verdict;
}

MaybeExpr decode_counter(Bytes /*numbers: no part of the value*/) {
    return Counter{};
}

MaybeExpr decode_limit(Bytes data) {
    const Attrs<NFTA_LIMIT_MAX> attrs(data);
    const auto rate = attrs.u64(NFTA_LIMIT_RATE);
    const auto burst = attrs.u32(NFTA_LIMIT_BURST);
    if (!rate || !burst || attrs.u64(NFTA_LIMIT_UNIT) != std::uint64_t{1} ||
        attrs.u32(NFTA_LIMIT_TYPE).value_or(NFT_LIMIT_PKTS) != NFT_LIMIT_PKTS ||
        attrs.u32(NFTA_LIMIT_FLAGS).value_or(0) != 0) {
        return std::nullopt;
    }
    return Limit{.packets_per_second = *rate, .burst = *burst};
}

MaybeExpr decode_log(Bytes data) {
    const Attrs<NFTA_LOG_MAX> attrs(data);
    const auto group = attrs.u16(NFTA_LOG_GROUP);
    if (!group || attrs.has(NFTA_LOG_LEVEL) || attrs.u32(NFTA_LOG_FLAGS).value_or(0) != 0 ||
        attrs.u32(NFTA_LOG_SNAPLEN).value_or(0) != 0 ||
        attrs.u16(NFTA_LOG_QTHRESHOLD).value_or(0) != 0) {
        return std::nullopt;
    }
    return Log{.group = *group, .prefix = attrs.string(NFTA_LOG_PREFIX)};
}

MaybeExpr decode_reject(Bytes data) {
    const Attrs<NFTA_REJECT_MAX> attrs(data);
    const auto type = attrs.u32(NFTA_REJECT_TYPE);
    if (!type) {
        return std::nullopt;
    }
    // The kernel tells no code where there is none.
    const Bytes code = attrs.bytes(NFTA_REJECT_ICMP_CODE);
    return Reject{.type = *type, .code = code.empty() ? std::uint8_t{0} : code.front()};
}

/// nft 1.0.6 puts a conversion of one byte as 16-bit numbers behind `meta l4proto` in the key of an
/// interval concatenation: the kernel converts 1 / 2 = 0 numbers, so it is nothing
/// (nft_byteorder_eval in net/netfilter/nft_byteorder.c).
bool is_nothing(std::string_view name, Bytes data) {
    const Attrs<NFTA_BYTEORDER_MAX> attrs(data);
    return name == "byteorder" && attrs.u32(NFTA_BYTEORDER_SIZE) == 2U &&
           attrs.u32(NFTA_BYTEORDER_LEN) == 1U &&
           attrs.u32(NFTA_BYTEORDER_SREG) == attrs.u32(NFTA_BYTEORDER_DREG);
}

struct Decoder {
    std::string_view name;
    MaybeExpr (*decode)(Bytes);
};
constexpr std::array<Decoder, 12> kDecoders{{{"meta", decode_meta},
                                             {"payload", decode_payload},
                                             {"ct", decode_ct},
                                             {"fib", decode_fib},
                                             {"bitwise", decode_bitwise},
                                             {"cmp", decode_cmp},
                                             {"lookup", decode_lookup},
                                             {"immediate", decode_immediate},
                                             {"counter", decode_counter},
                                             {"limit", decode_limit},
                                             {"log", decode_log},
                                             {"reject", decode_reject}}};

Expr decode_expr(const std::string& name, Bytes data) {
    const auto* const decoder = std::ranges::find(kDecoders, name, &Decoder::name);
    if (decoder != kDecoders.end()) {
        if (MaybeExpr expr = decoder->decode(data)) {
            return *std::move(expr);
        }
    }
    return Unknown{printable(name)};
}

}  // namespace

std::vector<Expr> decode_exprs(Bytes list) {
    std::vector<Expr> exprs;
    AttrReader reader(list);
    while (const std::optional<Attr> item = reader.next()) {
        const Attrs<NFTA_EXPR_MAX> attrs(item->value);
        const std::string name = attrs.string(NFTA_EXPR_NAME);
        const Bytes data = attrs.bytes(NFTA_EXPR_DATA);
        if (!is_nothing(name, data)) {
            exprs.push_back(decode_expr(name, data));
        }
    }
    return exprs;
}

std::optional<Verdict> decode_verdict(Bytes nest) {
    const Attrs<NFTA_VERDICT_MAX> attrs(nest);
    const std::optional<std::uint32_t> code = attrs.u32(NFTA_VERDICT_CODE);
    for (const VerdictKind kind : {VerdictKind::accept, VerdictKind::drop, VerdictKind::go_to,
                                   VerdictKind::jump, VerdictKind::ret}) {
        if (code == verdict_code(kind)) {
            return Verdict{.kind = kind, .chain = attrs.string(NFTA_VERDICT_CHAIN)};
        }
    }
    return std::nullopt;
}

std::string printable(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace podfence::nft::wire
