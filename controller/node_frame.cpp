#include "controller/node_frame.hpp"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "controller/hold_frame.hpp"
#include "controller/policy_class.hpp"
#include "controller/sets.hpp"

namespace podfence {

namespace {

using nft::Family;
using nft::Field;
using nft::FieldType;
using nft::Verdict;
using nft::VerdictKind;

/// Dispatch maps are declared for a node with more pods than Kubernetes recommends.
constexpr std::uint32_t kPodsCapacityLeast = 1024;
constexpr std::string_view kNeighbourDiscovery = "neighbour-discovery";
constexpr std::string_view kLinkProtocols = "link-protocols";
/// On the input hook IPVS has taken what is for Services (ip_vs_ops4 in
/// net/netfilter/ipvs/ip_vs_core.c: before NF_IP_PRI_NAT_SRC, 100): no Service's address is judged.
constexpr std::int32_t kBehindIpvs = 101;
/// Denied packets logged a second, so that a flood of them does not become one of messages.
constexpr std::uint64_t kLogPerSecond = 100;

/// How the dispatch enters a pod's class: what egress allows comes back, to be judged for ingress.
VerdictKind way_into(Direction direction) {
    return direction == Direction::egress ? VerdictKind::jump : VerdictKind::go_to;
}

nft::Element single(const nft::Key& key) {
    return {.first = key, .last = key};
}

std::string sized(std::string name, std::size_t count) {
    return sized_name(std::move(name), capacity_for(count, kPodsCapacityLeast), kPodsCapacityLeast);
}

/// N71: what a pod's link needs to work is never judged.
void add_exceptions(nft::Table& table) {
    nft::Set icmp{.spec = {.key = {FieldType::icmpv6_type}, .size = 16}};
    // RFC 4861 neighbour discovery (133-137), RFC 2710 and 3810 multicast listeners (130-132, 143).
    for (const std::uint8_t type : {130, 131, 132, 133, 134, 135, 136, 137, 143}) {
        icmp.elements.push_back(single(nft::Key{}.append({&type, 1}, false)));
    }
    table.sets.emplace(kNeighbourDiscovery, std::move(icmp));
    nft::Set link{.spec = {.key = {FieldType::inet_proto}, .size = 16}};
    constexpr std::uint8_t igmp = 2;
    link.elements.push_back(single(nft::Key{}.append({&igmp, 1}, false)));
    table.sets.emplace(kLinkProtocols, std::move(link));
}

/// What is judged on which hook.
struct Base {
    std::string name;
    nft::Hook hook = nft::Hook::forward;
    std::int32_t priority = 0;
    std::span<const Direction> directions;
    std::string comment;
};

/// Asks the dispatch maps who isolates.
void add_base_chain(Compiled& out, const CompileOptions& options, const Base& base,
                    const FrameCounts& counts) {
    nft::Chain chain{.base = nft::BaseChain{.hook = base.hook, .priority = base.priority},
                     .comment = base.comment};
    const auto pass = [&](nft::Statement match) {
        chain.rules.push_back({.statements = {std::move(match), Verdict{VerdictKind::accept}}});
    };
    const bool relayed = base.hook == nft::Hook::output;
    // Not least the resets that end revoked connections: they have these connections' marks.
    if (relayed) pass(nft::MatchCtState{nft::ct_related});
    if (const auto mark = options.revoked_mark(); mark != 0) {
        chain.rules.push_back(
            {.statements = {nft::MatchCtMark{.mask = mark, .value = mark},
                            Verdict{VerdictKind::go_to, std::string(kRevokedChain)}}});
    }
    pass(nft::MatchCtState{nft::ct_established | (relayed ? 0U : nft::ct_related)});
    if (relayed) pass(nft::MatchSourceLocal{});
    for (const auto direction : base.directions) {
        add_hold_rules(chain, options, direction);
        for (const auto family : kFamilies) {
            const auto field = own_field(direction, family);
            const auto entries = counts.dispatched[index(direction)][index(family)];
            chain.rules.push_back({.statements = {nft::LookupVerdict{
                                       {field}, dispatch_name(direction, family, entries)}}});
        }
    }
    out.origins.insert_or_assign(base.name, ChainOrigin{.what = "hook"});
    out.table.chains.insert_or_assign(base.name, std::move(chain));
}

nft::Rule log_rule(std::uint16_t group, std::string prefix) {
    return {.statements = {nft::Limit{.packets_per_second = kLogPerSecond},
                           nft::Log{.group = group, .prefix = std::move(prefix)}}};
}

/// Connections that were allowed once and are no longer (D4). Whoever speaks by TCP is told that it
/// is over, each end when it speaks; others are not heard any more.
void add_revoked_chain(Compiled& out, const CompileOptions& options) {
    const std::string name(kRevokedChain);
    nft::Chain chain{.comment = "connections that policies no longer allow"};
    if (options.log_group) chain.rules.push_back(log_rule(*options.log_group, name));
    if (options.counters) chain.rules.push_back({.statements = {nft::Counter{}}});
    chain.rules.push_back({.statements = {nft::RejectTcpReset{}}});
    chain.rules.push_back({.statements = {Verdict{VerdictKind::drop}}});
    out.origins.insert_or_assign(name, ChainOrigin{.what = "denied"});
    out.table.chains.insert_or_assign(name, std::move(chain));
}

/// Tells those who open a connection that they may not. Nobody else: what conntrack cannot place
/// may belong to a connection that is allowed, which a reset would end, and so may what is new to
/// it only because it has forgotten; to that an ICMP error says nothing final (RFC 5461). Answers
/// are not answered: the kernel sends no reset for a reset and no ICMP error for one.
void add_answers(nft::Chain& chain) {
    const nft::MatchCtState begins{nft::ct_new};
    chain.rules.push_back({.statements = {begins, nft::RejectTcpReset{.opening_only = true}}});
    chain.rules.push_back({.statements = {begins, nft::RejectProhibited{}}});
}

/// Everything that no rule allows ends here. The exceptions stand here and not in front of the
/// dispatch: only what would be denied pays for them.
void add_deny_chain(Compiled& out, const CompileOptions& options, Direction direction,
                    const FrameCounts& counts) {
    nft::Chain chain{.comment = "what no policy allows, but for the exceptions first"};
    const auto spare = [&](std::vector<Field> key, std::string set) {
        chain.rules.push_back({.statements = {nft::MatchSet{std::move(key), std::move(set)},
                                              ClassCompiler::allowed(direction)}});
    };
    for (const auto family : kFamilies) {
        spare({own_field(Direction::egress, family), own_field(Direction::ingress, family)},
              hairpin_name(family, counts.hairpins[index(family)]));
    }
    spare({Field::icmpv6_type}, std::string(kNeighbourDiscovery));
    spare({Field::l4proto}, std::string(kLinkProtocols));
    const auto name = ClassCompiler::deny_chain(direction);
    if (options.log_group) chain.rules.push_back(log_rule(*options.log_group, name));
    nft::Rule drop;
    if (options.deny_with == DenyWith::reject) {
        if (options.counters) chain.rules.push_back({.statements = {nft::Counter{}}});
        add_answers(chain);
    } else if (options.counters) {
        drop.statements.emplace_back(nft::Counter{});
    }
    drop.statements.emplace_back(Verdict{VerdictKind::drop});
    chain.rules.push_back(std::move(drop));
    out.origins.insert_or_assign(name, ChainOrigin{.what = "denied"});
    out.table.chains.insert_or_assign(name, std::move(chain));
}

}  // namespace

Field own_field(Direction direction, Family family) {
    const bool v4 = family == Family::ipv4;
    if (direction == Direction::egress) return v4 ? Field::ip_saddr : Field::ip6_saddr;
    return v4 ? Field::ip_daddr : Field::ip6_daddr;
}

std::string dispatch_name(Direction direction, Family family, std::size_t entries) {
    return sized(std::string(to_string(direction)) + "-" + std::string(family_suffix(family)),
                 entries);
}

std::optional<Direction> dispatch_direction(const std::string& map, const nft::SetSpec& spec) {
    // A class's maps are looked up by port.
    const bool by_address = std::ranges::any_of(
        kFamilies, [&](Family family) { return spec.key == std::vector{address_type(family)}; });
    if (!by_address) return std::nullopt;
    for (const auto direction : kDirections) {
        if (map.starts_with(std::string(to_string(direction)) + "-")) return direction;
    }
    return std::nullopt;
}

nft::SetSpec dispatch_spec(Family family, std::size_t entries) {
    return {.key = {address_type(family)},
            .size = capacity_for(entries, kPodsCapacityLeast),
            .comment = "isolated pods of this node"};
}

nft::MapEntry dispatch_entry(Direction direction, const Address& address, const std::string& chain,
                             const ObjectName& pod) {
    return {.key = address_element(address),
            .verdict = {way_into(direction), chain},
            .comment = to_string(pod).substr(0, nft::kCommentBytesMax)};
}

std::string hairpin_name(Family family, std::size_t elements) {
    return sized("hairpin-" + std::string(family_suffix(family)), elements);
}

nft::SetSpec hairpin_spec(Family family, std::size_t elements) {
    return {.key = {address_type(family), address_type(family)},
            .size = capacity_for(elements, kPodsCapacityLeast),
            .comment = "isolated pods of this node to themselves"};
}

nft::Element hairpin_element(const Address& address) {
    const std::array types{address_type(address.family()), address_type(address.family())};
    const std::array<nft::FieldValue, 2> both{address, address};
    return single(nft::make_key(types, both));
}

/// One base chain judges what is forwarded: a second one costs every packet of every connection,
/// and more than the look-ups do.
void write_frame(Compiled& out, const CompileOptions& options, const FrameCounts& counts) {
    add_exceptions(out.table);
    add_base_chain(out, options,
                   {.name = "forward",
                    .hook = nft::Hook::forward,
                    .priority = options.priority,
                    .directions = kDirections,
                    .comment = "who isolates the source, then who the destination"},
                   counts);
    // kube-proxy's IPVS takes what pods send to Services from the input hook and sends it on by the
    // output hook, with the pod as its source.
    add_base_chain(out, options,
                   {.name = "output",
                    .hook = nft::Hook::output,
                    .priority = options.priority,
                    .directions = kDirections,
                    .comment = "the same of what the node sends on for others"},
                   counts);
    if (options.pod_to_node_enforced) {
        constexpr std::array kEgress{Direction::egress};
        add_base_chain(out, options,
                       {.name = "input",
                        .hook = nft::Hook::input,
                        .priority = std::max(options.priority, kBehindIpvs),
                        .directions = kEgress,
                        .comment = "who isolates the source"},
                       counts);
    }
    if (options.connmark_bit) add_revoked_chain(out, options);
    write_hold(out, options, counts.known);
    for (const auto direction : kDirections) add_deny_chain(out, options, direction, counts);
}

}  // namespace podfence
