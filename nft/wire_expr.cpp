#include "nft/wire_expr.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include "nft/wire_types.hpp"

namespace podfence::nft::wire {

namespace {

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::uint16_t kArpHardwareEther = 1;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolIcmpv6 = 58;

// RFC 9293: the flags' place in the header, and some of them.
constexpr LoadPayload kLoadTcpFlags{NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, 0};
constexpr std::uint8_t kTcpFin = 1;
constexpr std::uint8_t kTcpSyn = 2;
constexpr std::uint8_t kTcpRst = 4;
constexpr std::uint8_t kTcpAck = 16;

Immediate one_byte(std::uint8_t value) {
    return {.bytes = {value}, .size = 1};
}
Immediate two_bytes(std::uint16_t value) {  // network order
    return {.bytes = {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)},
            .size = 2};
}
Immediate host_u16(std::uint16_t value) {
    Immediate data{.size = sizeof value};
    std::memcpy(data.bytes.data(), &value, sizeof value);
    return data;
}
Immediate host_u32(std::uint32_t value) {
    Immediate data{.size = sizeof value};
    std::memcpy(data.bytes.data(), &value, sizeof value);
    return data;
}

/// What a packet must be for a field to mean something: its EtherType. nullopt: anything. Of the
/// target of neighbour discovery nft 1.0.6 knows no name and so no dependency: it prints raw
/// payload, and the rule stands where nothing else comes by.
std::optional<std::uint16_t> network_of(Field field) {
    switch (field) {
        case Field::ip_saddr:
        case Field::ip_daddr:
            return kEtherTypeIpv4;
        case Field::ip6_saddr:
        case Field::ip6_daddr:
        case Field::icmpv6_type:
            return kEtherTypeIpv6;
        case Field::arp_saddr_ip:
        case Field::arp_daddr_ip:
            return kEtherTypeArp;
        case Field::l4proto:
        case Field::th_dport:
        case Field::th_sport:
        case Field::iif:
        case Field::ether_type:
        case Field::nd_target:
            return std::nullopt;
    }
    return std::nullopt;
}

/// Offsets in the IPv4 (RFC 791), IPv6 (RFC 8200), TCP/UDP/SCTP and ICMPv6 (RFC 4443) headers, in
/// Ethernet's, in ARP for IPv4 (RFC 826) and in neighbour discovery (RFC 4861).
Expr load(Field field, unsigned word) {
    switch (field) {
        case Field::ip_saddr:
            return LoadPayload{NFT_PAYLOAD_NETWORK_HEADER, 12, 4, word};
        case Field::ip_daddr:
            return LoadPayload{NFT_PAYLOAD_NETWORK_HEADER, 16, 4, word};
        case Field::ip6_saddr:
            return LoadPayload{NFT_PAYLOAD_NETWORK_HEADER, 8, 16, word};
        case Field::ip6_daddr:
            return LoadPayload{NFT_PAYLOAD_NETWORK_HEADER, 24, 16, word};
        case Field::l4proto:
            return LoadMeta{NFT_META_L4PROTO, word};
        case Field::th_dport:
            return LoadPayload{NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, word};
        case Field::icmpv6_type:
            return LoadPayload{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, word};
        case Field::th_sport:
            return LoadPayload{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, word};
        case Field::iif:
            return LoadMeta{NFT_META_IIF, word};
        case Field::ether_type:
            return LoadPayload{NFT_PAYLOAD_LL_HEADER, 12, 2, word};
        case Field::arp_saddr_ip:
            return LoadPayload{NFT_PAYLOAD_NETWORK_HEADER, 14, 4, word};
        case Field::arp_daddr_ip:
            return LoadPayload{NFT_PAYLOAD_NETWORK_HEADER, 24, 4, word};
        case Field::nd_target:
            return LoadPayload{NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16, word};
    }
    return Unknown{"field"};
}

/// The inverse of load(), without the register.
std::optional<Field> field_of(const Expr& expr) {
    for (const Field field :
         {Field::ip_saddr, Field::ip_daddr, Field::ip6_saddr, Field::ip6_daddr, Field::l4proto,
          Field::th_dport, Field::icmpv6_type, Field::th_sport, Field::iif, Field::ether_type,
          Field::arp_saddr_ip, Field::arp_daddr_ip, Field::nd_target}) {
        if (const auto* meta = std::get_if<LoadMeta>(&expr);
            meta != nullptr && load(field, meta->word) == expr) {
            return field;
        }
        if (const auto* payload = std::get_if<LoadPayload>(&expr);
            payload != nullptr && load(field, payload->word) == expr) {
            return field;
        }
    }
    return std::nullopt;
}

/// Lowers one rule. Remembers which dependencies the rule has stated already: nft states each once.
class Lowering {
  public:
    explicit Lowering(TableFamily family) : table_family_(family) {}

    void operator()(const MatchCtState& match) {
        // ct state established,related
        exprs_.emplace_back(LoadCt{NFT_CT_STATE, 0});
        exprs_.emplace_back(Mask{0, host_u32(match.any_of)});
        exprs_.emplace_back(Compare{NFT_CMP_NEQ, 0, host_u32(0)});
    }
    void operator()(const MatchCtMark& match) {
        // ct mark & 0x10000000 == 0x10000000
        exprs_.emplace_back(LoadCt{NFT_CT_MARK, 0});
        exprs_.emplace_back(Mask{0, host_u32(match.mask)});
        exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, host_u32(match.value)});
    }
    void operator()(const MatchSourceLocal&) {
        // fib saddr type local
        exprs_.emplace_back(LoadFib{NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR, 0});
        exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, host_u32(RTN_LOCAL)});
    }
    void operator()(const MatchSet& match) {
        // ip saddr . ip daddr @name
        load_key(match.key);
        exprs_.emplace_back(Lookup{.set = match.set, .verdict = false});
    }
    void operator()(const LookupVerdict& lookup) {
        // meta l4proto . th dport vmap @name
        load_key(lookup.key);
        exprs_.emplace_back(Lookup{.set = lookup.map, .verdict = true});
    }
    void operator()(const Counter& counter) { exprs_.emplace_back(counter); }  // counter
    void operator()(const Limit& limit) { exprs_.emplace_back(limit); }  // limit rate 10/second
    void operator()(const Log& log) { exprs_.emplace_back(log); }        // log prefix "x" group 5
    void operator()(const Verdict& verdict) { exprs_.emplace_back(verdict); }  // jump name
    void operator()(const RejectTcpReset& reset) {
        // meta l4proto tcp reject with tcp reset
        exprs_.emplace_back(LoadMeta{NFT_META_L4PROTO, 0});
        exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, one_byte(kProtocolTcp)});
        if (reset.opening_only) {
            // tcp flags syn / fin,syn,rst,ack
            exprs_.emplace_back(kLoadTcpFlags);
            exprs_.emplace_back(Mask{0, one_byte(kTcpFin | kTcpSyn | kTcpRst | kTcpAck)});
            exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, one_byte(kTcpSyn)});
        }
        exprs_.emplace_back(Reject{NFT_REJECT_TCP_RST, 0});
    }
    void operator()(const RejectProhibited&) {
        // reject with icmpx admin-prohibited
        exprs_.emplace_back(Reject{NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED});
    }
    void operator()(const Opaque& opaque) { exprs_.emplace_back(Unknown{opaque.what}); }

    std::vector<Expr> take() { return std::move(exprs_); }

  private:
    void load_key(std::span<const Field> key) {
        for (const Field field : key) {
            depend(field);
        }
        unsigned word = 0;
        for (const Field field : key) {
            if (word >= kRegisterWords) {  // Longer than all registers: nothing the kernel takes.
                exprs_.emplace_back(Unknown{"key"});
                return;
            }
            exprs_.push_back(load(field, word));
            word += static_cast<unsigned>(padded_size_of(type_of(field)) / 4);
        }
    }

    void depend(Field field) {
        const std::optional<std::uint16_t> network = network_of(field);
        if (network && network != stated_network_) {
            state_network(*network);
            stated_network_ = network;
        }
        if (field == Field::ether_type && table_family_ == TableFamily::netdev && !stated_ether_) {
            // meta iiftype ether
            exprs_.emplace_back(LoadMeta{NFT_META_IIFTYPE, 0});
            exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, host_u16(kArpHardwareEther)});
            stated_ether_ = true;
        }
        if (field == Field::icmpv6_type && !stated_icmpv6_) {
            // meta l4proto ipv6-icmp
            exprs_.emplace_back(LoadMeta{NFT_META_L4PROTO, 0});
            exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, one_byte(kProtocolIcmpv6)});
            stated_icmpv6_ = true;
        }
    }

    void state_network(std::uint16_t network) {
        const bool ipv4 = network == kEtherTypeIpv4;
        if (table_family_ == TableFamily::netdev || network == kEtherTypeArp) {
            // meta protocol ip
            exprs_.emplace_back(LoadMeta{NFT_META_PROTOCOL, 0});
            exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, two_bytes(network)});
            return;
        }
        // meta nfproto ipv4
        exprs_.emplace_back(LoadMeta{NFT_META_NFPROTO, 0});
        exprs_.emplace_back(Compare{NFT_CMP_EQ, 0, one_byte(ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6)});
    }

    TableFamily table_family_;
    std::vector<Expr> exprs_;
    std::optional<std::uint16_t> stated_network_;
    bool stated_ether_ = false;
    bool stated_icmpv6_ = false;
};

/// Reads a rule as generously as can be: what it overlooks (a dependency, a register), the
/// comparison with the lowered result finds.
class Raising {
  public:
    void operator()(const LoadMeta& meta) { load_field(meta); }
    void operator()(const LoadPayload& payload) {
        if (payload == kLoadTcpFlags) {
            opening_ = true;
            ct_.reset();
        }
        load_field(payload);
    }
    void operator()(const LoadCt& load) { ct_ = load.key; }
    void operator()(const LoadFib& /*load*/) { statements_.emplace_back(MatchSourceLocal{}); }
    void operator()(const Mask& mask) {
        if (ct_ == NFT_CT_MARK) {
            statements_.emplace_back(MatchCtMark{.mask = u32_of(mask.mask)});
        } else if (ct_) {
            statements_.emplace_back(MatchCtState{u32_of(mask.mask)});
        }
    }
    void operator()(const Compare& compare) {
        key_.clear();  // What was loaded was for a dependency.
        if (ct_ != NFT_CT_MARK || statements_.empty()) return;
        if (auto* match = std::get_if<MatchCtMark>(&statements_.back())) {
            match->value = u32_of(compare.value);
        }
        ct_.reset();
    }
    void operator()(const Reject& reject) {
        if (reject.type == NFT_REJECT_TCP_RST) {
            statements_.emplace_back(RejectTcpReset{.opening_only = opening_});
        } else {
            statements_.emplace_back(RejectProhibited{});
        }
    }
    void operator()(const Lookup& lookup) {
        if (lookup.verdict) {
            statements_.emplace_back(LookupVerdict{.key = std::move(key_), .map = lookup.set});
        } else {
            statements_.emplace_back(MatchSet{.key = std::move(key_), .set = lookup.set});
        }
        key_.clear();
    }
    void operator()(const Verdict& verdict) { statements_.emplace_back(verdict); }
    void operator()(const Counter& counter) { statements_.emplace_back(counter); }
    void operator()(const Limit& limit) { statements_.emplace_back(limit); }
    void operator()(const Log& log) { statements_.emplace_back(log); }
    void operator()(const Unknown& unknown) { statements_.emplace_back(Opaque{unknown.name}); }

    std::vector<Statement> take() { return std::move(statements_); }

  private:
    static std::uint32_t u32_of(const Immediate& immediate) {
        std::uint32_t value = 0;
        std::memcpy(&value, immediate.bytes.data(), sizeof value);
        return value;
    }
    void load_field(const Expr& expr) {
        if (const std::optional<Field> field = field_of(expr)) {
            key_.push_back(*field);
        }
    }

    std::vector<Statement> statements_;
    std::vector<Field> key_;
    std::optional<std::uint32_t> ct_;  ///< What was loaded of the connection.
    bool opening_ = false;             ///< The flags of TCP were.
};

struct NameOf {
    std::string operator()(const LoadMeta&) const { return "meta"; }
    std::string operator()(const LoadPayload&) const { return "payload"; }
    std::string operator()(const LoadCt&) const { return "ct"; }
    std::string operator()(const LoadFib&) const { return "fib"; }
    std::string operator()(const Mask&) const { return "bitwise"; }
    std::string operator()(const Compare&) const { return "cmp"; }
    std::string operator()(const Lookup& lookup) const { return "lookup @" + lookup.set; }
    std::string operator()(const Verdict&) const { return "verdict"; }
    std::string operator()(const Counter&) const { return "counter"; }
    std::string operator()(const Limit&) const { return "limit"; }
    std::string operator()(const Log&) const { return "log"; }
    std::string operator()(const Reject&) const { return "reject"; }
    std::string operator()(const Unknown& unknown) const { return unknown.name; }
};

}  // namespace

std::vector<Expr> lower(TableFamily family, std::span<const Statement> statements) {
    Lowering lowering(family);
    for (const Statement& statement : statements) {
        std::visit(lowering, statement);
    }
    return lowering.take();
}

std::vector<Statement> raise(TableFamily family, std::span<const Expr> exprs) {
    Raising raising;
    bool known = true;
    for (const Expr& expr : exprs) {
        std::visit(raising, expr);
        known = known && !std::holds_alternative<Unknown>(expr);
    }
    std::vector<Statement> statements = raising.take();
    if (known && std::ranges::equal(lower(family, statements), exprs)) {
        return statements;
    }
    std::string what;
    for (const Expr& expr : exprs) {
        what += (what.empty() ? "" : ", ") + std::visit(NameOf{}, expr);
    }
    return {Opaque{"expressions: " + what}};
}

}  // namespace podfence::nft::wire
