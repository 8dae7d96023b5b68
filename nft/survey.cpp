#include "nft/survey.hpp"

#include <map>
#include <utility>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/netlink_exchange.hpp"
#include "nft/wire_attr.hpp"

namespace podfence::nft {

namespace {

using wire::Attr;
using wire::AttrReader;
using wire::Attrs;
using wire::Bytes;

constexpr int kAttemptsMax = 4;

std::string family_name(std::uint8_t family) {
    switch (family) {
        case NFPROTO_INET:
            return "inet";
        case NFPROTO_IPV4:
            return "ip";
        case NFPROTO_IPV6:
            return "ip6";
        case NFPROTO_ARP:
            return "arp";
        case NFPROTO_BRIDGE:
            return "bridge";
        case NFPROTO_NETDEV:
            return "netdev";
        default:
            return "family " + std::to_string(family);
    }
}

std::string hook_name(std::uint8_t family, std::uint32_t hook) {
    if (family == NFPROTO_NETDEV) return hook == NF_NETDEV_INGRESS ? "ingress" : "egress";
    switch (hook) {
        case NF_INET_PRE_ROUTING:
            return "prerouting";
        case NF_INET_LOCAL_IN:
            return "input";
        case NF_INET_FORWARD:
            return "forward";
        case NF_INET_LOCAL_OUT:
            return "output";
        case NF_INET_POST_ROUTING:
            return "postrouting";
        default:
            return "ingress";  // NF_INET_INGRESS
    }
}

/// The list NFTA_HOOK_DEVS; of older kernels NFTA_HOOK_DEV alone, which newer ones give as well
/// where there is one device.
template <class Nest>
std::vector<std::string> devices_of(const Nest& hook, unsigned one, unsigned many) {
    constexpr std::uint16_t kPrefix = 2;  // NFTA_DEVICE_PREFIX, seen with Linux 6.18.
    std::vector<std::string> devices;
    AttrReader list(hook.bytes(many));
    while (const std::optional<Attr> device = list.next()) {
        std::string name(reinterpret_cast<const char*>(device->value.data()), device->value.size());
        devices.push_back(name.substr(0, name.find('\0')) + (device->type == kPrefix ? "*" : ""));
    }
    if (devices.empty() && hook.has(one)) devices.push_back(hook.string(one));
    return devices;
}

void add_verdict(RuleEffects& effects, Bytes immediate) {
    const Attrs<NFTA_IMMEDIATE_MAX> data(immediate);
    const Attrs<NFTA_DATA_MAX> value(data.bytes(NFTA_IMMEDIATE_DATA));
    const Attrs<NFTA_VERDICT_MAX> verdict(value.bytes(NFTA_DATA_VERDICT));
    const auto code = verdict.u32(NFTA_VERDICT_CODE);
    if (!code) return;
    if (*code == NF_DROP) ++effects.drops;
    if ((*code & NF_VERDICT_MASK) == NF_QUEUE) ++effects.queues;
}

/// Targets of iptables that were translated as they are.
void add_target(RuleEffects& effects, Bytes target) {
    const std::string name = Attrs<NFTA_TARGET_MAX>(target).string(NFTA_TARGET_NAME);
    if (name == "REJECT" || name == "DROP") ++effects.drops;
    if (name == "NFQUEUE") ++effects.queues;
    if (name == "TPROXY" || name == "TEE") ++effects.diverts;
    if (name == "FLOWOFFLOAD") ++effects.offloads;
}

/// Drops in the elements of verdict maps are not seen.
void add_effects(RuleEffects& effects, Bytes expressions) {
    AttrReader list(expressions);
    while (const std::optional<Attr> element = list.next()) {
        const Attrs<NFTA_EXPR_MAX> expr(element->value);
        const std::string name = expr.string(NFTA_EXPR_NAME);
        const Bytes data = expr.bytes(NFTA_EXPR_DATA);
        if (name == "immediate") add_verdict(effects, data);
        if (name == "target") add_target(effects, data);
        if (name == "reject") ++effects.drops;
        if (name == "queue") ++effects.queues;
        if (name == "fwd") ++effects.forwards;
        if (name == "dup" || name == "tproxy") ++effects.diverts;
        if (name == "flow_offload") ++effects.offloads;
        if (name == "notrack") ++effects.untracks;
    }
}

/// Takes the messages of the dumps one by one.
class Surveyor {
  public:
    void feed(const wire::Message& message) {
        if (message.subsystem() != NFNL_SUBSYS_NFTABLES || message.body.size() < sizeof(nfgenmsg)) {
            return;
        }
        family_ = wire::read_object<nfgenmsg>(message.body).nfgen_family;
        const Bytes attributes = wire::attributes_of(message);
        switch (message.type()) {
            case NFT_MSG_NEWTABLE:
                return feed_table(attributes);
            case NFT_MSG_NEWCHAIN:
                return feed_chain(attributes);
            case NFT_MSG_NEWRULE:
                return feed_rule(attributes);
            case NFT_MSG_NEWFLOWTABLE:
                return feed_flowtable(attributes);
            default:
                return;
        }
    }

    Survey finish() && {
        for (SurveyedHook& hook : survey_.hooks) {
            const auto found = chains_.find({hook.family, hook.table, hook.chain});
            if (found != chains_.end()) hook.effects = found->second;
        }
        for (auto& [key, table] : tables_) survey_.tables.push_back(std::move(table));
        return std::move(survey_);
    }

  private:
    SurveyedTable& table_of(const std::string& name) {
        const std::string family = family_name(family_);
        SurveyedTable& table = tables_[{family, name}];
        table.family = family;
        table.name = name;
        return table;
    }

    void feed_table(Bytes attributes) {
        const Attrs<NFTA_TABLE_MAX> attrs(attributes);
        table_of(attrs.string(NFTA_TABLE_NAME)).flags = attrs.u32(NFTA_TABLE_FLAGS).value_or(0);
    }

    void feed_chain(Bytes attributes) {
        const Attrs<NFTA_CHAIN_MAX> attrs(attributes);
        const std::string table = attrs.string(NFTA_CHAIN_TABLE);
        const std::string name = attrs.string(NFTA_CHAIN_NAME);
        table_of(table).chains.push_back(name);
        if (!attrs.has(NFTA_CHAIN_HOOK)) return;
        const Attrs<NFTA_HOOK_MAX> hook(attrs.bytes(NFTA_CHAIN_HOOK));
        survey_.hooks.push_back(
            {.family = family_name(family_),
             .table = table,
             .chain = name,
             .type = attrs.string(NFTA_CHAIN_TYPE),
             .hook = hook_name(family_, hook.u32(NFTA_HOOK_HOOKNUM).value_or(0)),
             .priority = static_cast<std::int32_t>(hook.u32(NFTA_HOOK_PRIORITY).value_or(0)),
             .policy_drop = attrs.u32(NFTA_CHAIN_POLICY) == std::uint32_t{NF_DROP},
             .devices = devices_of(hook, NFTA_HOOK_DEV, NFTA_HOOK_DEVS)});
    }

    void feed_rule(Bytes attributes) {
        const Attrs<NFTA_RULE_MAX> attrs(attributes);
        const std::string table = attrs.string(NFTA_RULE_TABLE);
        const Bytes expressions = attrs.bytes(NFTA_RULE_EXPRESSIONS);
        add_effects(table_of(table).effects, expressions);
        add_effects(chains_[{family_name(family_), table, attrs.string(NFTA_RULE_CHAIN)}],
                    expressions);
    }

    void feed_flowtable(Bytes attributes) {
        constexpr std::uint32_t kHardwareOffload = 1;  // NFT_FLOWTABLE_HW_OFFLOAD
        const Attrs<NFTA_FLOWTABLE_MAX> attrs(attributes);
        const Attrs<NFTA_FLOWTABLE_HOOK_MAX> hook(attrs.bytes(NFTA_FLOWTABLE_HOOK));
        survey_.flowtables.push_back(
            {.family = family_name(family_),
             .table = attrs.string(NFTA_FLOWTABLE_TABLE),
             .name = attrs.string(NFTA_FLOWTABLE_NAME),
             .hardware = (attrs.u32(NFTA_FLOWTABLE_FLAGS).value_or(0) & kHardwareOffload) != 0,
             .devices = devices_of(hook, NFTA_FLOWTABLE_HOOK_UNSPEC, NFTA_FLOWTABLE_HOOK_DEVS)});
    }

    struct ChainKey {
        std::string family;
        std::string table;
        std::string chain;
        friend auto operator<=>(const ChainKey&, const ChainKey&) = default;
    };

    std::uint8_t family_ = 0;  ///< Of the message at hand.
    Survey survey_;
    std::map<std::pair<std::string, std::string>, SurveyedTable> tables_;
    std::map<ChainKey, RuleEffects> chains_;
};

/// nullopt: it changed while it was read.
Result<std::optional<Survey>> attempt(NetlinkSocket& socket, wire::WireBuffer& scratch,
                                      bool tolerant) {
    Surveyor surveyor;
    bool disturbed = false;
    for (const unsigned type :
         {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETFLOWTABLE}) {
        scratch.clear();
        scratch.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_DUMP,
                      NFPROTO_UNSPEC, socket.take_sequence(1));
        scratch.end();
        const auto dumped = exchange(socket, scratch, "survey the ruleset",
                                     [&](const wire::Message& m) { surveyor.feed(m); });
        if (!dumped) return dumped.error();
        disturbed |= *dumped == Dumped::disturbed;
    }
    if (disturbed && !tolerant) return std::optional<Survey>();
    return std::optional(std::move(surveyor).finish());
}

}  // namespace

Result<Survey> survey(NetlinkSocket& socket, wire::WireBuffer& scratch) {
    for (int i = 1;; ++i) {
        auto surveyed = attempt(socket, scratch, i == kAttemptsMax);
        if (!surveyed) return surveyed.error();
        if (*surveyed) return **std::move(surveyed);
    }
}

}  // namespace podfence::nft
