#include "controller/policy_class.hpp"

#include "controller/names.hpp"
#include "controller/node_frame.hpp"

namespace podfence {

namespace {

using nft::Field;
using nft::Verdict;
using nft::VerdictKind;

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

}  // namespace

nft::Field ClassCompiler::peer_field(Direction direction, nft::Family family) {
    // Who is judged in the other direction.
    const bool ingress = direction == Direction::ingress;
    return own_field(ingress ? Direction::egress : Direction::ingress, family);
}

nft::Verdict ClassCompiler::allowed(Direction direction) {
    return {direction == Direction::egress ? VerdictKind::ret : VerdictKind::accept};
}

std::string ClassCompiler::deny_chain(Direction direction) {
    return "deny-" + std::string(to_string(direction));
}

std::string ClassCompiler::name_of(const PolicyClass& policy_class) {
    const auto& first = policy_class.policies.front()->name;
    return make_name(to_string(policy_class.direction), hash_of(policy_class),
                     first.ns + "." + first.name);
}

std::string ClassCompiler::chain_for(const PolicyClass& policy_class) {
    const auto [entry, added] = known_.try_emplace(policy_class);
    if (!added) return entry->second;
    entry->second = name_of(policy_class);
    write_chain(policy_class, entry->second, hash_of(policy_class).text());
    return entry->second;
}

void ClassCompiler::write_chain(const PolicyClass& policy_class, const std::string& name,
                                const std::string& hash) {
    const auto direction = policy_class.direction;
    const auto parts = collect(policy_class);
    nft::Chain chain{.comment = make_comment(names_of(policy_class))};
    if (parts.any_port.peers.any) {  // N14: nothing more can be allowed
        allow(direction, {.statements = {}, .comment = make_comment(parts.any_port.origins)},
              chain);
    } else {
        for (const auto& set :
             parts.named.empty() ? std::vector<SetRef>{} : sets_.named_ports(parts.named)) {
            allow(direction,
                  {.statements = {nft::MatchSet{
                       {peer_field(direction, set.family), Field::l4proto, Field::th_dport},
                       set.name}},
                   .comment = make_comment(parts.named_origins)},
                  chain);
        }
        add_ports(policy_class, parts, hash, chain);
        allow_peers(direction, parts.any_port.peers, parts.any_port.origins, {}, chain);
        chain.rules.push_back({.statements = {Verdict{VerdictKind::go_to, deny_chain(direction)}}});
    }
    out_.table.chains.emplace(name, std::move(chain));
    out_.origins.emplace(name,
                         ChainOrigin{.what = "policy class", .policies = names_of(policy_class)});
}

void ClassCompiler::allow_peers(Direction direction, const PeerUnion& peers,
                                const std::vector<std::string>& origins, const nft::Rule& prefix,
                                nft::Chain& chain) {
    nft::Rule rule = prefix;
    rule.comment = make_comment(origins);
    if (peers.any) {
        allow(direction, std::move(rule), chain);
        return;
    }
    for (const auto& set : sets_.peers(peers)) {
        auto one = rule;
        one.statements.emplace_back(nft::MatchSet{{peer_field(direction, set.family)}, set.name});
        allow(direction, std::move(one), chain);
    }
}

void ClassCompiler::allow(Direction direction, nft::Rule rule, nft::Chain& chain) const {
    if (counters_) rule.statements.emplace_back(nft::Counter{});
    rule.statements.emplace_back(allowed(direction));
    chain.rules.push_back(std::move(rule));
}

}  // namespace podfence
