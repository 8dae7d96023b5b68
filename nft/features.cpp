#include "nft/features.hpp"

#include <array>
#include <cerrno>
#include <functional>
#include <memory>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "nft/batch.hpp"
#include "nft/netlink_dump.hpp"
#include "nft/netlink_exchange.hpp"
#include "nft/wire_encode.hpp"

namespace podfence::nft {

namespace {

/// linux/netfilter/nf_tables.h of kernel 6.9.
constexpr std::uint32_t kTableOwner = 2;
constexpr std::uint32_t kTablePersist = 4;

struct FreeTable {
    void operator()(nftnl_table* table) const { nftnl_table_free(table); }
};
struct FreeChain {
    void operator()(nftnl_chain* chain) const { nftnl_chain_free(chain); }
};
struct FreeRule {
    void operator()(nftnl_rule* rule) const { nftnl_rule_free(rule); }
};
struct FreeExpr {
    void operator()(nftnl_expr* expr) const { nftnl_expr_free(expr); }
};
using ExprPtr = std::unique_ptr<nftnl_expr, FreeExpr>;

/// One transaction on a table of its own.
class Probe {
  public:
    Probe(NetlinkSocket& socket, Feature feature)
        : socket_(socket), table_("podfence-probe-" + std::string(to_string(feature))) {
        wire::begin_batch(std::nullopt, socket_.take_sequence(1), out_);
    }

    void table(std::uint8_t family = NFPROTO_INET, std::uint32_t flags = 0) {
        family_ = family;
        const std::unique_ptr<nftnl_table, FreeTable> t(nftnl_table_alloc());
        nftnl_table_set_str(t.get(), NFTNL_TABLE_NAME, table_.c_str());
        if (flags != 0) nftnl_table_set_u32(t.get(), NFTNL_TABLE_FLAGS, flags);
        nftnl_table_nlmsg_build_payload(begin(NFT_MSG_NEWTABLE), t.get());
        out_.end();
    }

    /// What our own rules are made of, as they are encoded for them.
    void ops(std::vector<Op> ops) {
        const Batch batch{.table = {TableFamily::inet, table_}, .ops = std::move(ops)};
        const auto sequence =
            socket_.take_sequence(static_cast<std::uint32_t>(batch.ops.size()) + 2);
        wire::WireBuffer framed;
        const auto encoded = wire::encode(batch, std::nullopt, sequence, framed);
        PODFENCE_CHECK(encoded.has_value());  // They are constants.
        wire::MessageReader reader(framed.bytes());
        while (const std::optional<wire::Message> message = reader.next()) {
            if (message->subsystem() != NFNL_SUBSYS_NFTABLES) continue;  // The frame.
            out_.append({message->body.data() - sizeof(nlmsghdr), message->header.nlmsg_len});
        }
    }

    /// Appended to `chain`, one expression a rule.
    void rule(const char* chain, std::vector<ExprPtr> exprs) {
        const std::unique_ptr<nftnl_rule, FreeRule> r(nftnl_rule_alloc());
        nftnl_rule_set_str(r.get(), NFTNL_RULE_TABLE, table_.c_str());
        nftnl_rule_set_str(r.get(), NFTNL_RULE_CHAIN, chain);
        for (ExprPtr& expr : exprs) nftnl_rule_add_expr(r.get(), expr.release());
        nftnl_rule_nlmsg_build_payload(begin(NFT_MSG_NEWRULE, NLM_F_APPEND), r.get());
        out_.end();
    }

    /// type filter hook ingress device "lo" priority 0;
    void ingress_chain() {
        const std::unique_ptr<nftnl_chain, FreeChain> c(nftnl_chain_alloc());
        nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TABLE, table_.c_str());
        nftnl_chain_set_str(c.get(), NFTNL_CHAIN_NAME, "ingress");
        nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TYPE, "filter");
        nftnl_chain_set_u32(c.get(), NFTNL_CHAIN_HOOKNUM, NF_NETDEV_INGRESS);
        nftnl_chain_set_s32(c.get(), NFTNL_CHAIN_PRIO, 0);
        nftnl_chain_set_str(c.get(), NFTNL_CHAIN_DEV, "lo");
        nftnl_chain_nlmsg_build_payload(begin(NFT_MSG_NEWCHAIN), c.get());
        out_.end();
    }

    /// 0, or the errno of the first refusal. Errors: the socket's.
    Result<int> commit() {
        out_.last()->nlmsg_flags |= NLM_F_ACK;
        const std::uint32_t confirming = out_.last()->nlmsg_seq;
        wire::end_batch(socket_.take_sequence(1), out_);
        if (auto sent = socket_.send(out_.bytes()); !sent) return sent.error();
        int first = 0;
        for (;;) {
            const auto received = socket_.receive(NetlinkSocket::Wait::no);
            if (!received) return received.error();
            if (!*received) break;
            wire::MessageReader reader(**received);
            while (const std::optional<wire::Message> message = reader.next()) {
                if (message->header.nlmsg_type != NLMSG_ERROR) continue;
                const int error = -wire::read_object<int>(message->body);
                if (first == 0) first = error;
                confirmed_ |= message->header.nlmsg_seq == confirming;
            }
        }
        return first == 0 && !confirmed_ ? EPROTO : first;
    }

  private:
    nlmsghdr* begin(unsigned type, std::uint16_t flags = 0) {
        return out_.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                          static_cast<std::uint16_t>(NLM_F_CREATE | flags), family_,
                          socket_.take_sequence(1));
    }

    NetlinkSocket& socket_;
    std::string table_;
    std::uint8_t family_ = NFPROTO_INET;
    wire::WireBuffer out_;
    bool confirmed_ = false;
};

AddChain forward_chain() {
    return {.name = "forward", .base = BaseChain{.hook = Hook::forward}, .comment = {}};
}

AddRules rule_of(std::vector<Statement> statements) {
    return {.chain = "forward", .rules = {{.statements = std::move(statements)}}};
}

Key port_key(std::uint16_t port) {
    const std::array types{FieldType::inet_proto, FieldType::inet_service};
    const std::array<FieldValue, 2> values{std::uint8_t{IPPROTO_TCP}, port};
    return make_key(types, values);
}

/// A map of verdicts with one entry that ends in a chain, looked up by the base chain.
std::vector<Op> map_ops(const SetSpec& spec, const Element& key, std::vector<Field> fields) {
    return {forward_chain(), AddChain{.name = "class", .base = std::nullopt, .comment = {}},
            AddMap{.name = "map", .spec = spec},
            AddEntries{.map = "map",
                       .spec = spec,
                       .entries = {{.key = key, .verdict = {VerdictKind::go_to, "class"}}}},
            rule_of({LookupVerdict{std::move(fields), "map"}})};
}

std::vector<Op> set_ops(const SetSpec& spec, const Element& element) {
    return {forward_chain(), AddSet{.name = "set", .spec = spec},
            AddElements{.set = "set", .spec = spec, .elements = {element}},
            rule_of({MatchSet{{Field::ip_saddr}, "set"}, Verdict{VerdictKind::accept}})};
}

Element addresses(std::uint32_t first, std::uint32_t last) {
    const std::array types{FieldType::ipv4_addr};
    const std::array<FieldValue, 1> from{Address::v4(first)};
    const std::array<FieldValue, 1> to{Address::v4(last)};
    return {.first = make_key(types, from), .last = make_key(types, to)};
}

ExprPtr expr(const char* name, std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> u32) {
    ExprPtr made(nftnl_expr_alloc(name));
    PODFENCE_CHECK(made != nullptr);
    for (const auto& [attribute, value] : u32) nftnl_expr_set_u32(made.get(), attribute, value);
    return made;
}

/// ct mark, read into a register
void put_ct_mark(Probe& probe) {
    probe.ops({forward_chain()});
    std::vector<ExprPtr> exprs;
    exprs.push_back(
        expr("ct", {{NFTNL_EXPR_CT_KEY, NFT_CT_MARK}, {NFTNL_EXPR_CT_DREG, NFT_REG_1}}));
    probe.rule("forward", std::move(exprs));
}

void put(Probe& probe, Feature feature) {
    constexpr std::uint32_t kFirst = 0xc6120000;  // 198.18.0.0
    const std::uint8_t family = feature == Feature::netdev_ingress ? NFPROTO_NETDEV : NFPROTO_INET;
    const std::uint32_t flags = feature == Feature::owned_table     ? kTableOwner
                                : feature == Feature::lasting_table ? kTableOwner | kTablePersist
                                                                    : 0;
    probe.table(family, flags);
    const std::vector<FieldType> address{FieldType::ipv4_addr};
    switch (feature) {
        case Feature::inet_table:
            return probe.ops({forward_chain()});
        case Feature::verdict_map:
            return probe.ops(
                map_ops({.key = address}, addresses(kFirst, kFirst), {Field::ip_saddr}));
        case Feature::hash_set:
            return probe.ops(set_ops({.key = address, .size = 16}, addresses(kFirst, kFirst)));
        case Feature::interval_set:
            return probe.ops(
                set_ops({.key = address, .interval = true}, addresses(kFirst, kFirst + 9)));
        case Feature::concat_ranges:
            return probe.ops(map_ops(
                {.key = {FieldType::inet_proto, FieldType::inet_service}, .interval = true},
                {.first = port_key(80), .last = port_key(89)}, {Field::l4proto, Field::th_dport}));
        case Feature::ct_state:
            return probe.ops({forward_chain(), rule_of({MatchCtState{ct_established | ct_related},
                                                        Verdict{VerdictKind::accept}})});
        case Feature::counter:
            return probe.ops({forward_chain(), rule_of({Counter{}})});
        case Feature::limit:
            return probe.ops({forward_chain(), rule_of({Limit{.packets_per_second = 10}})});
        case Feature::log:
            return probe.ops({forward_chain(), rule_of({Log{.group = 1, .prefix = "x"}})});
        case Feature::reject:
            return probe.ops(
                {forward_chain(), rule_of({RejectTcpReset{}}), rule_of({RejectProhibited{}})});
        case Feature::ct_mark:
            return put_ct_mark(probe);
        case Feature::netdev_ingress:
            return probe.ingress_chain();
        case Feature::owned_table:
        case Feature::lasting_table:
        case Feature::conntrack_table:
            return;
    }
}

/// A question that changes nothing: how many connections there are.
Result<int> ask_conntrack(NetlinkSocket& socket) {
    wire::WireBuffer request;
    // The one answer is flagged as one of many: the ack is what ends it.
    request.begin(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC,
                  socket.take_sequence(1));
    request.end();
    const auto answered = exchange(socket, request, "ask conntrack", [](const wire::Message&) {});
    if (answered) return 0;
    if (answered.error().code == Errc::io) return answered.error();
    return answered.error().os_error;
}

}  // namespace

std::string_view to_string(Feature feature) {
    switch (feature) {
        case Feature::inet_table:
            return "inet-table";
        case Feature::verdict_map:
            return "verdict-map";
        case Feature::hash_set:
            return "hash-set";
        case Feature::interval_set:
            return "interval-set";
        case Feature::concat_ranges:
            return "concat-ranges";
        case Feature::ct_state:
            return "ct-state";
        case Feature::counter:
            return "counter";
        case Feature::limit:
            return "limit";
        case Feature::log:
            return "log";
        case Feature::reject:
            return "reject";
        case Feature::ct_mark:
            return "ct-mark";
        case Feature::netdev_ingress:
            return "netdev-ingress";
        case Feature::owned_table:
            return "owned-table";
        case Feature::lasting_table:
            return "lasting-table";
        case Feature::conntrack_table:
            return "conntrack-table";
    }
    return "?";
}

Result<std::vector<ProbedFeature>> probe_features(NetlinkSocket& socket) {
    wire::WireBuffer scratch;
    // Tells whether we may, and whether there is an nf_tables at all.
    if (auto generation = read_generation(socket, scratch); !generation) return generation.error();
    std::vector<ProbedFeature> probed;
    for (std::size_t i = 0; i < kFeatureCount; ++i) {
        const auto feature = static_cast<Feature>(i);
        Result<int> error = 0;
        if (feature == Feature::conntrack_table) {
            error = ask_conntrack(socket);
        } else {
            Probe probe(socket, feature);
            put(probe, feature);
            error = probe.commit();
        }
        if (!error) return error.error();
        probed.push_back({.feature = feature, .present = *error == 0, .os_error = *error});
    }
    return probed;
}

}  // namespace podfence::nft
