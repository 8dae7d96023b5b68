// The ports of a policy class: three forms with one meaning, chosen by size.
#include <algorithm>
#include <array>
#include <set>

#include "controller/families.hpp"
#include "controller/names.hpp"
#include "controller/policy_class.hpp"

namespace podfence {

namespace {

using nft::Field;
using nft::FieldType;
using nft::Verdict;
using nft::VerdictKind;

/// Beyond this many group entries over all pieces of a class the ports are matched rule by rule
/// instead: hostile nests of ranges would otherwise multiply into sets without bound.
constexpr std::size_t kPartitionEntriesMax = 65536;
/// Beyond this many different unions of peers in a class, peers and ports are matched together in
/// one set instead of one chain and some sets for each: the kernel finds chains and sets by walking
/// lists, and 10,000 of them took a commit of 15 s. That set is bounded as well: above its limit
/// the chains are the lesser evil.
constexpr std::size_t kPeerChainsMax = 64;
constexpr std::size_t kFlowsMax = 65536;
constexpr std::uint32_t kPortMapCapacityLeast = 128;

const std::vector<Field> kPortKey{Field::l4proto, Field::th_dport};
const std::array kPortTypes{FieldType::inet_proto, FieldType::inet_service};

nft::Key port_key(Protocol protocol, std::uint16_t port) {
    const std::array<nft::FieldValue, 2> values{static_cast<std::uint8_t>(protocol), port};
    return nft::make_key(kPortTypes, values);
}

nft::Element port_element(const PortSpan& span) {
    return {port_key(span.protocol, span.range.first), port_key(span.protocol, span.range.last)};
}

}  // namespace

/// A piece of the port space, and everyone who may use it.
struct ClassCompiler::Piece {
    PortSpan span;
    const RuleGroup* users = nullptr;
};

void ClassCompiler::add_ports(const PolicyClass& policy_class, const ClassParts& parts,
                              const std::string& hash, nft::Chain& chain) {
    if (parts.groups.empty()) return;
    std::vector<std::vector<PortSpan>> spans;
    for (const auto& group : parts.groups) spans.push_back(group.spans);
    const auto partitioned = partition(spans, kPartitionEntriesMax);
    if (!partitioned) {
        add_port_rules(policy_class, parts, chain);
        return;
    }
    std::map<std::vector<std::uint32_t>, RuleGroup> users;  // of pieces with the same groups
    std::vector<Piece> pieces;
    for (const auto& piece : *partitioned) {
        const auto [entry, added] = users.try_emplace(piece.groups);
        auto& all = entry->second;
        if (added) {
            all = parts.any_port;
            for (const auto index : piece.groups) {
                const auto& group = parts.groups[index];
                all.peers |= group.peers;
                all.origins.insert(all.origins.end(), group.origins.begin(), group.origins.end());
            }
            all.peers.normalize();
            std::sort(all.origins.begin(), all.origins.end());
        }
        pieces.push_back({.span = piece.span, .users = &all});
    }
    std::set<PeerUnion> unions;
    for (const auto& [groups, all] : users) unions.insert(all.peers);
    if (unions.size() > kPeerChainsMax && add_flows(policy_class, pieces, hash, chain)) {
        std::erase_if(pieces, [](const Piece& piece) { return !piece.users->peers.any; });
    }
    if (!pieces.empty()) add_port_map(policy_class, pieces, hash, chain);
}

void ClassCompiler::add_port_map(const PolicyClass& policy_class, const std::vector<Piece>& pieces,
                                 const std::string& hash, nft::Chain& chain) {
    nft::Map map{.spec = {.key = {kPortTypes.begin(), kPortTypes.end()},
                          .comment = make_comment(names_of(policy_class))}};
    for (const auto& piece : pieces) {
        const auto element = port_element(piece.span);
        map.spec.interval = map.spec.interval || element.first != element.last;
        map.entries.push_back({.key = element,
                               .verdict = verdict_for(policy_class.direction, *piece.users),
                               .comment = make_comment(piece.users->origins)});
    }
    std::string name = (map.spec.interval ? "portranges-" : "ports-") + hash;
    if (!map.spec.interval) {
        map.spec.size = capacity_for(map.entries.size(), kPortMapCapacityLeast);
        name = sized_name(name, map.spec.size, kPortMapCapacityLeast);
    }
    std::sort(map.entries.begin(), map.entries.end());
    chain.rules.push_back({.statements = {nft::LookupVerdict{kPortKey, name}}});
    out_.table.maps.emplace(std::move(name), std::move(map));
}

bool ClassCompiler::add_flows(const PolicyClass& policy_class, const std::vector<Piece>& pieces,
                              const std::string& hash, nft::Chain& chain) {
    std::map<const RuleGroup*, nft::RangeSet> ranges;
    std::size_t flows = 0;
    for (const auto& piece : pieces) {
        if (piece.users->peers.any) continue;
        const auto [entry, added] = ranges.try_emplace(piece.users);
        if (added) entry->second = sets_.ranges(piece.users->peers);
        flows += entry->second.ranges().size();
        if (flows > kFlowsMax) return false;
    }
    for (const auto family : {nft::Family::ipv4, nft::Family::ipv6}) {
        nft::Set set{
            .spec = {.key = {address_type(family), FieldType::inet_proto, FieldType::inet_service},
                     .interval = true,
                     .comment = make_comment(names_of(policy_class))}};
        for (const auto& piece : pieces) {
            if (piece.users->peers.any) continue;
            const auto& [protocol, ports] = piece.span;
            const auto number = static_cast<std::uint8_t>(protocol);
            for (const auto& range : ranges.at(piece.users).ranges()) {
                if (range.first.family() != family) continue;
                const std::array<nft::FieldValue, 3> first{range.first, number, ports.first};
                const std::array<nft::FieldValue, 3> last{range.last, number, ports.last};
                set.elements.push_back({.first = nft::make_key(set.spec.key, first),
                                        .last = nft::make_key(set.spec.key, last)});
            }
        }
        std::sort(set.elements.begin(), set.elements.end());
        const auto name = "flows-" + hash + "-" + std::string(family_suffix(family));
        allow(policy_class.direction,
              {.statements = {nft::MatchSet{
                   {peer_field(policy_class.direction, family), Field::l4proto, Field::th_dport},
                   name}},
               .comment = make_comment(names_of(policy_class))},
              chain);
        out_.table.sets.emplace(name, std::move(set));
    }
    return true;
}

void ClassCompiler::add_port_rules(const PolicyClass& policy_class, const ClassParts& parts,
                                   nft::Chain& chain) {
    for (const auto& group : parts.groups) {
        nft::Set ports{.spec = {.key = {kPortTypes.begin(), kPortTypes.end()}, .interval = true}};
        NameHash hash;
        const auto pieces = partition(std::span(&group.spans, 1), SIZE_MAX);
        for (const auto& piece : *pieces) {
            const auto& [protocol, range] = piece.span;
            ports.elements.push_back(port_element(piece.span));
            hash.add(static_cast<std::uint64_t>(protocol)).add(range.first).add(range.last);
        }
        std::sort(ports.elements.begin(), ports.elements.end());
        const auto name = make_name("portset", hash, "");
        out_.table.sets.emplace(name, std::move(ports));
        allow_peers(policy_class.direction, group.peers, group.origins,
                    {.statements = {nft::MatchSet{kPortKey, name}}}, chain);
    }
}

Verdict ClassCompiler::verdict_for(Direction direction, const RuleGroup& users) {
    if (users.peers.any) return allowed(direction);
    NameHash hash;
    hash.add(to_string(direction));
    // Sets are named by their definition, so their names stand for it.
    for (const auto& set : sets_.peers(users.peers)) hash.add(set.name);
    auto name = make_name("peers", hash, "");
    const auto [entry, added] = out_.table.chains.try_emplace(name);
    if (added) {
        // The chain belongs to whoever has these peers; which policies those are, the entries of
        // the maps that lead here say.
        entry->second.comment = make_comment(describe(users.peers));
        allow_peers(direction, users.peers, {}, {}, entry->second);
        entry->second.rules.push_back(
            {.statements = {Verdict{VerdictKind::go_to, deny_chain(direction)}}});
    }
    auto& origin = out_.origins[name];
    origin.what = "peers of a port";
    std::vector<std::string> merged;
    std::set_union(origin.policies.begin(), origin.policies.end(), users.origins.begin(),
                   users.origins.end(), std::back_inserter(merged));
    origin.policies = std::move(merged);
    return {VerdictKind::go_to, std::move(name)};
}

}  // namespace podfence
