#include "nft/wire_rule.hpp"

#include <memory>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/error.hpp"
#include "nft/wire_encode.hpp"
#include "nft/wire_expr.hpp"
#include "nft/wire_types.hpp"

namespace podfence::nft::wire {

namespace {

/// NF_LOG_PREFIXLEN of the kernel counts the terminating zero.
constexpr std::size_t kLogPrefixBytesMax = 127;

struct FreeExpr {
    void operator()(nftnl_expr* expr) const { nftnl_expr_free(expr); }
};
struct FreeRule {
    void operator()(nftnl_rule* rule) const { nftnl_rule_free(rule); }
};
using ExprPtr = std::unique_ptr<nftnl_expr, FreeExpr>;
using RulePtr = std::unique_ptr<nftnl_rule, FreeRule>;

ExprPtr make(const char* name) {
    ExprPtr expr(nftnl_expr_alloc(name));
    PODFENCE_CHECK(expr != nullptr);  // Out of memory; all names are libnftnl's.
    return expr;
}

void set_u32(const ExprPtr& expr, std::uint16_t attribute, std::uint32_t value) {
    nftnl_expr_set_u32(expr.get(), attribute, value);
}
void set_data(const ExprPtr& expr, std::uint16_t attribute, const Immediate& data) {
    nftnl_expr_set(expr.get(), attribute, data.bytes.data(), data.size);
}

/// One expression as libnftnl has it.
struct Build {
    ExprPtr operator()(const LoadMeta& meta) const {
        ExprPtr expr = make("meta");
        set_u32(expr, NFTNL_EXPR_META_KEY, meta.key);
        set_u32(expr, NFTNL_EXPR_META_DREG, register_of(meta.word));
        return expr;
    }
    ExprPtr operator()(const LoadPayload& payload) const {
        ExprPtr expr = make("payload");
        set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, register_of(payload.word));
        set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, payload.base);
        set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, payload.offset);
        set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, payload.length);
        return expr;
    }
    ExprPtr operator()(const LoadCt& load) const {
        ExprPtr expr = make("ct");
        set_u32(expr, NFTNL_EXPR_CT_KEY, load.key);
        set_u32(expr, NFTNL_EXPR_CT_DREG, register_of(load.word));
        return expr;
    }
    ExprPtr operator()(const LoadFib& load) const {
        ExprPtr expr = make("fib");
        set_u32(expr, NFTNL_EXPR_FIB_RESULT, load.result);
        set_u32(expr, NFTNL_EXPR_FIB_FLAGS, load.flags);
        set_u32(expr, NFTNL_EXPR_FIB_DREG, register_of(load.word));
        return expr;
    }
    ExprPtr operator()(const Mask& mask) const {
        ExprPtr expr = make("bitwise");
        set_u32(expr, NFTNL_EXPR_BITWISE_SREG, register_of(mask.word));
        set_u32(expr, NFTNL_EXPR_BITWISE_DREG, register_of(mask.word));
        set_u32(expr, NFTNL_EXPR_BITWISE_LEN, mask.mask.size);
        set_data(expr, NFTNL_EXPR_BITWISE_MASK, mask.mask);
        set_data(expr, NFTNL_EXPR_BITWISE_XOR, {.size = mask.mask.size});
        return expr;
    }
    ExprPtr operator()(const Compare& compare) const {
        ExprPtr expr = make("cmp");
        set_u32(expr, NFTNL_EXPR_CMP_SREG, register_of(compare.word));
        set_u32(expr, NFTNL_EXPR_CMP_OP, compare.op);
        set_data(expr, NFTNL_EXPR_CMP_DATA, compare.value);
        return expr;
    }
    ExprPtr operator()(const Lookup& lookup) const {
        ExprPtr expr = make("lookup");
        set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, register_of(lookup.word));
        nftnl_expr_set_str(expr.get(), NFTNL_EXPR_LOOKUP_SET, lookup.set.c_str());
        if (lookup.verdict) {
            set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
        }
        return expr;
    }
    ExprPtr operator()(const Verdict& verdict) const {
        ExprPtr expr = make("immediate");
        set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        set_u32(expr, NFTNL_EXPR_IMM_VERDICT, verdict_code(verdict.kind));
        if (!verdict.chain.empty()) {
            nftnl_expr_set_str(expr.get(), NFTNL_EXPR_IMM_CHAIN, verdict.chain.c_str());
        }
        return expr;
    }
    ExprPtr operator()(const Counter&) const { return make("counter"); }
    ExprPtr operator()(const Limit& limit) const {
        ExprPtr expr = make("limit");
        nftnl_expr_set_u64(expr.get(), NFTNL_EXPR_LIMIT_RATE, limit.packets_per_second);
        nftnl_expr_set_u64(expr.get(), NFTNL_EXPR_LIMIT_UNIT, 1);  // second
        set_u32(expr, NFTNL_EXPR_LIMIT_BURST, limit.burst);
        set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
        set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, 0);
        return expr;
    }
    ExprPtr operator()(const Log& log) const {
        ExprPtr expr = make("log");
        nftnl_expr_set_u16(expr.get(), NFTNL_EXPR_LOG_GROUP, log.group);
        if (!log.prefix.empty()) {
            nftnl_expr_set_str(expr.get(), NFTNL_EXPR_LOG_PREFIX, log.prefix.c_str());
        }
        return expr;
    }
    ExprPtr operator()(const Reject& reject) const {
        ExprPtr expr = make("reject");
        set_u32(expr, NFTNL_EXPR_REJECT_TYPE, reject.type);
        nftnl_expr_set_u8(expr.get(), NFTNL_EXPR_REJECT_CODE, reject.code);
        return expr;
    }
    ExprPtr operator()(const Unknown&) const { return nullptr; }
};

/// What the kernel would refuse, or take and give back differently.
struct Check {
    Refusal operator()(const Lookup& lookup) const {
        return lookup.set.empty() || lookup.set.size() > kNameBytesMax
                   ? Refusal("a set's name is empty or too long")
                   : std::nullopt;
    }
    Refusal operator()(const Verdict& verdict) const {
        return verdict.chain.size() > kNameBytesMax ? Refusal("a chain's name is too long")
                                                    : std::nullopt;
    }
    Refusal operator()(const Limit& limit) const {
        // 0 means the kernel's default there, and would be read back as another value.
        return limit.burst == 0 ? Refusal("a limit without burst") : std::nullopt;
    }
    Refusal operator()(const Log& log) const {
        return log.prefix.size() > kLogPrefixBytesMax ? Refusal("a log prefix is too long")
                                                      : std::nullopt;
    }
    Refusal operator()(const Unknown&) const { return "a statement that is not ours"; }
    template <class Other>
    Refusal operator()(const Other&) const {
        return std::nullopt;
    }
};

}  // namespace

Refusal put_rule(const RuleTarget& target, const Rule& rule, WireBuffer& out) {
    const std::vector<Expr> exprs = lower(target.family, rule.statements);
    if (exprs.size() > kExprsMax) {
        return "a rule has too many expressions";
    }
    if (rule.comment.size() > kCommentBytesMax) {
        return "a comment is too long";
    }
    const RulePtr message_rule(nftnl_rule_alloc());
    PODFENCE_CHECK(message_rule != nullptr);
    nftnl_rule_set_str(message_rule.get(), NFTNL_RULE_TABLE, target.table.c_str());
    nftnl_rule_set_str(message_rule.get(), NFTNL_RULE_CHAIN, target.chain.c_str());
    for (const Expr& expr : exprs) {
        if (const Refusal refusal = std::visit(Check{}, expr)) {
            return refusal;
        }
        nftnl_rule_add_expr(message_rule.get(), std::visit(Build{}, expr).release());
    }
    if (!rule.comment.empty()) {
        UdataWriter udata;
        udata.put_string(Udata::rule_comment, rule.comment);
        nftnl_rule_set_data(message_rule.get(), NFTNL_RULE_USERDATA, udata.bytes().data(),
                            static_cast<std::uint32_t>(udata.bytes().size()));
    }
    nlmsghdr* const message =
        out.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                  protocol_of(target.family), target.sequence);
    nftnl_rule_nlmsg_build_payload(message, message_rule.get());
    out.end();
    return std::nullopt;
}

}  // namespace podfence::nft::wire
