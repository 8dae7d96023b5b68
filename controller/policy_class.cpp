#include "controller/policy_class.hpp"

#include <algorithm>
#include <array>

#include "controller/names.hpp"
#include "controller/port_partition.hpp"

namespace podfence {

namespace {

using nft::Field;
using nft::FieldType;
using nft::Verdict;
using nft::VerdictKind;

/// Beyond this many group entries over all pieces of a class the ports are matched rule by rule
/// instead: hostile nests of ranges would otherwise multiply into sets without bound.
constexpr std::size_t kPartitionEntriesMax = 65536;
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

Field peer_field(Direction direction, nft::Family family) {
    if (direction == Direction::ingress) {
        return family == nft::Family::ipv4 ? Field::ip_saddr : Field::ip6_saddr;
    }
    return family == nft::Family::ipv4 ? Field::ip_daddr : Field::ip6_daddr;
}

PeerUnion peers_of(const PolicyRule& rule, const std::string& ns) {
    PeerUnion peers{.any = rule.any_peer};
    if (peers.any) return peers;
    for (const auto& peer : rule.peers) {
        if (const auto* block = std::get_if<IpBlock>(&peer)) {
            peers.blocks.push_back(*block);
        } else if (const auto& pods = std::get<PodPeer>(peer); pods.namespaces || pods.pods) {
            peers.pods.push_back(bind(pods, ns));
        }
    }
    return peers;
}

void add_named_targets(const PolicyPort& port, const PeerUnion& peers,
                       std::vector<NamedTarget>& out) {
    const NamedTarget target{.port = std::get<NamedPort>(port.port).name,
                             .protocol = port.protocol};
    if (peers.any) {
        out.push_back(target);
        out.back().any_peer = true;
        return;
    }
    for (const auto& pods : peers.pods) {
        out.push_back(target);
        out.back().pods = pods;
    }
    for (const auto& block : peers.blocks) {
        out.push_back(target);
        out.back().block = {block};
    }
}

void sort_unique(std::vector<std::string>& texts) {
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

std::vector<std::string> names_of(const PolicyClass& policy_class) {
    std::vector<std::string> names;
    for (const auto* policy : policy_class.policies) names.push_back(to_string(policy->name));
    return names;
}

NameHash hash_of(const PolicyClass& policy_class) {
    NameHash hash;
    hash.add(to_string(policy_class.direction)).add(policy_class.policies.size());
    for (const auto* policy : policy_class.policies) {
        hash.add(policy->name.ns).add(policy->name.name);
    }
    for (const auto& [port, number] : policy_class.named) {
        hash.add(port.first).add(static_cast<std::uint64_t>(port.second)).add(number);
    }
    return hash;
}

void hash_peers(NameHash& hash, const std::vector<SetRef>& refs) {
    // Sets are named by their definition, so their names stand for it.
    for (const auto& ref : refs) hash.add(ref.name);
}

}  // namespace

/// Rules of a class whose ports are the same, with their peers united (N19, N20, N23).
struct ClassCompiler::Group {
    PeerUnion peers{};
    std::vector<std::string> origins{};
};

struct ClassCompiler::Parts {
    Group any_port{};
    std::map<std::vector<PortSpan>, Group> by_ports{};
    std::vector<NamedTarget> named{};
    std::vector<std::string> named_origins{};
};

PolicyClass class_of(const Pod& pod, Direction direction,
                     std::vector<const NetworkPolicy*> policies) {
    PolicyClass result{.direction = direction, .policies = std::move(policies)};
    if (direction == Direction::egress) return result;
    for (const auto* policy : result.policies) {
        for (const auto& rule : policy->ingress_rules) {
            for (const auto& port : rule.ports) {
                const auto* named = std::get_if<NamedPort>(&port.port);
                if (named == nullptr) continue;
                const auto number = find_port(pod, named->name, port.protocol);
                if (number) result.named.insert({{named->name, port.protocol}, *number});
            }
        }
    }
    return result;
}

std::string ClassCompiler::deny_chain(Direction direction) {
    return "deny-" + std::string(to_string(direction));
}

ClassCompiler::Parts ClassCompiler::collect(const PolicyClass& policy_class) {
    Parts parts;
    const auto add = [](Group& group, const PeerUnion& peers, const std::string& origin) {
        group.peers |= peers;
        group.origins.push_back(origin);
    };
    for (const auto* policy : policy_class.policies) {
        for (const auto& rule : policy->rules(policy_class.direction)) {
            const auto peers = peers_of(rule, policy->name.ns);
            if (peers.empty()) continue;
            const auto origin = to_string(policy->name) + " " +
                                std::string(to_string(policy_class.direction)) + "[" +
                                std::to_string(rule.index) + "]";
            if (rule.any_port) {
                add(parts.any_port, peers, origin);
                continue;
            }
            std::vector<PortSpan> spans;
            for (const auto& port : rule.ports) {
                if (const auto* range = std::get_if<PortRange>(&port.port)) {
                    spans.push_back({port.protocol, *range});
                } else if (policy_class.direction == Direction::egress) {
                    add_named_targets(port, peers, parts.named);
                    parts.named_origins.push_back(origin);
                } else if (const auto named = policy_class.named.find(
                               {std::get<NamedPort>(port.port).name, port.protocol});
                           named != policy_class.named.end()) {
                    spans.push_back({port.protocol, {named->second, named->second}});
                }
            }
            std::sort(spans.begin(), spans.end());
            if (!spans.empty()) add(parts.by_ports[spans], peers, origin);
        }
    }
    parts.any_port.peers.normalize();
    for (auto& [spans, group] : parts.by_ports) group.peers.normalize();
    std::sort(parts.named.begin(), parts.named.end());
    parts.named.erase(std::unique(parts.named.begin(), parts.named.end()), parts.named.end());
    sort_unique(parts.named_origins);
    return parts;
}

std::string ClassCompiler::chain_for(const PolicyClass& policy_class) {
    const auto [entry, added] = known_.try_emplace(policy_class);
    if (!added) return entry->second;
    const auto hash = hash_of(policy_class);
    const auto& first = policy_class.policies.front()->name;
    entry->second = make_name(to_string(policy_class.direction), hash, first.ns + "." + first.name);
    write_chain(policy_class, entry->second, hash.text());
    return entry->second;
}

void ClassCompiler::write_chain(const PolicyClass& policy_class, const std::string& name,
                                std::string hash) {
    const auto direction = policy_class.direction;
    const auto parts = collect(policy_class);
    nft::Chain chain{.comment = make_comment(names_of(policy_class))};
    if (parts.any_port.peers.any) {  // N14: nothing more can be allowed
        accept({.statements = {}, .comment = make_comment(parts.any_port.origins)}, chain);
    } else {
        for (const auto& set :
             parts.named.empty() ? std::vector<SetRef>{} : sets_.named_ports(parts.named)) {
            accept({.statements = {nft::MatchSet{
                        {peer_field(direction, set.family), Field::l4proto, Field::th_dport},
                        set.name}},
                    .comment = make_comment(parts.named_origins)},
                   chain);
        }
        if (!add_port_map(policy_class, parts, hash, chain)) {
            add_port_rules(policy_class, parts, chain);
        }
        accept_peers(direction, parts.any_port.peers, parts.any_port.origins, {}, chain);
        chain.rules.push_back({.statements = {Verdict{VerdictKind::go_to, deny_chain(direction)}}});
    }
    out_.table.chains.emplace(name, std::move(chain));
    out_.origins.emplace(name,
                         ChainOrigin{.what = "policy class", .policies = names_of(policy_class)});
}

bool ClassCompiler::add_port_map(const PolicyClass& policy_class, const Parts& parts,
                                 const std::string& hash, nft::Chain& chain) {
    if (parts.by_ports.empty()) return true;
    std::vector<std::vector<PortSpan>> spans;
    std::vector<const Group*> groups;
    for (const auto& [group_spans, group] : parts.by_ports) {
        spans.push_back(group_spans);
        groups.push_back(&group);
    }
    const auto pieces = partition(spans, kPartitionEntriesMax);
    if (!pieces) return false;

    std::map<std::vector<std::uint32_t>, Verdict> verdicts;
    nft::Map map;
    for (const auto& piece : *pieces) {
        const auto [verdict, added] = verdicts.try_emplace(piece.groups);
        if (added) {
            PeerUnion peers = parts.any_port.peers;
            auto origins = parts.any_port.origins;
            for (const auto index : piece.groups) {
                peers |= groups[index]->peers;
                const auto& more = groups[index]->origins;
                origins.insert(origins.end(), more.begin(), more.end());
            }
            verdict->second =
                verdict_for(policy_class.direction, std::move(peers), std::move(origins));
        }
        const auto element = port_element(piece.span);
        map.spec.interval = map.spec.interval || element.first != element.last;
        map.entries.push_back({.key = element, .verdict = verdict->second});
    }
    map.spec.key = {kPortTypes.begin(), kPortTypes.end()};
    map.spec.comment = make_comment(names_of(policy_class));
    std::string name = (map.spec.interval ? "portranges-" : "ports-") + hash;
    if (!map.spec.interval) {
        map.spec.size = capacity_for(map.entries.size(), kPortMapCapacityLeast);
        name = sized_name(name, map.spec.size, kPortMapCapacityLeast);
    }
    std::sort(map.entries.begin(), map.entries.end());
    chain.rules.push_back({.statements = {nft::LookupVerdict{kPortKey, name}}});
    out_.table.maps.emplace(std::move(name), std::move(map));
    return true;
}

void ClassCompiler::add_port_rules(const PolicyClass& policy_class, const Parts& parts,
                                   nft::Chain& chain) {
    for (const auto& [spans, group] : parts.by_ports) {
        nft::Set ports{.spec = {.key = {kPortTypes.begin(), kPortTypes.end()}, .interval = true}};
        NameHash hash;
        const auto pieces = partition(std::span(&spans, 1), SIZE_MAX);
        for (const auto& piece : *pieces) {
            const auto& [protocol, range] = piece.span;
            ports.elements.push_back(port_element(piece.span));
            hash.add(static_cast<std::uint64_t>(protocol)).add(range.first).add(range.last);
        }
        std::sort(ports.elements.begin(), ports.elements.end());
        const auto name = make_name("portset", hash, "");
        out_.table.sets.emplace(name, std::move(ports));
        accept_peers(policy_class.direction, group.peers, group.origins,
                     {.statements = {nft::MatchSet{kPortKey, name}}}, chain);
    }
}

Verdict ClassCompiler::verdict_for(Direction direction, PeerUnion peers,
                                   std::vector<std::string> origins) {
    if (peers.any) return {VerdictKind::accept};
    peers.normalize();
    sort_unique(origins);
    NameHash hash;
    hash.add(to_string(direction));
    hash_peers(hash, sets_.peers(peers));
    for (const auto& origin : origins) hash.add(origin);
    auto name = make_name("peers", hash, origins.front());
    const auto [entry, added] = out_.table.chains.try_emplace(name);
    if (added) {
        entry->second.comment = make_comment(origins);
        accept_peers(direction, peers, origins, {}, entry->second);
        entry->second.rules.push_back(
            {.statements = {Verdict{VerdictKind::go_to, deny_chain(direction)}}});
        out_.origins.emplace(
            name, ChainOrigin{.what = "peers of a port", .policies = std::move(origins)});
    }
    return {VerdictKind::go_to, std::move(name)};
}

void ClassCompiler::accept_peers(Direction direction, const PeerUnion& peers,
                                 const std::vector<std::string>& origins, const nft::Rule& prefix,
                                 nft::Chain& chain) {
    nft::Rule rule = prefix;
    rule.comment = make_comment(origins);
    if (peers.any) {
        accept(std::move(rule), chain);
        return;
    }
    for (const auto& set : sets_.peers(peers)) {
        auto one = rule;
        one.statements.emplace_back(nft::MatchSet{{peer_field(direction, set.family)}, set.name});
        accept(std::move(one), chain);
    }
}

void ClassCompiler::accept(nft::Rule rule, nft::Chain& chain) const {
    if (counters_) rule.statements.emplace_back(nft::Counter{});
    rule.statements.emplace_back(Verdict{VerdictKind::accept});
    chain.rules.push_back(std::move(rule));
}

}  // namespace podfence
