#include "controller/compile.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "controller/families.hpp"
#include "controller/policy_class.hpp"
#include "controller/selector.hpp"

namespace podfence {

namespace {

using nft::Family;
using nft::Field;
using nft::FieldType;
using nft::Verdict;
using nft::VerdictKind;

/// Dispatch maps are declared for a node with more pods than Kubernetes recommends.
constexpr std::uint32_t kPodsCapacityLeast = 1024;
constexpr std::array kDirections{Direction::egress, Direction::ingress};
constexpr std::string_view kNeighbourDiscovery = "neighbour-discovery";
constexpr std::string_view kLinkProtocols = "link-protocols";
/// Denied packets logged a second, so that a flood of them does not become one of messages.
constexpr std::uint64_t kLogPerSecond = 100;

Field source(Family family) {
    return family == Family::ipv4 ? Field::ip_saddr : Field::ip6_saddr;
}

Field destination(Family family) {
    return family == Family::ipv4 ? Field::ip_daddr : Field::ip6_daddr;
}

/// How the dispatch enters a pod's class: what egress allows comes back, to be judged for ingress.
VerdictKind way_into(Direction direction) {
    return direction == Direction::egress ? VerdictKind::jump : VerdictKind::go_to;
}

nft::Element single(const nft::Key& key) {
    return {.first = key, .last = key};
}

/// What a node's table is made of, in the order in which it is written.
class NodeCompiler {
  public:
    NodeCompiler(const Cluster& cluster, const CompileOptions& options)
        : cluster_(cluster),
          options_(options),
          index_(cluster),
          sets_(out_.table, index_),
          classes_(out_, sets_, options.counters) {
        out_.table.id = options.table;
    }

    Compiled run() {
        add_exceptions();
        for (const auto& [name, policy] : cluster_.policies()) {
            policies_[name.ns].push_back(&policy);
        }
        for (const auto& [name, pod] : cluster_.pods()) {
            if (pod.node == options_.node && can_hold_addresses(pod)) add_pod(pod);
        }
        for (const auto direction : kDirections) add_dispatch(direction);
        add_hooks();
        add_hairpins();
        for (const auto direction : kDirections) add_deny_chain(direction);
        return std::move(out_);
    }

  private:
    void add_exceptions();
    void add_pod(const Pod& pod);
    void add_dispatch(Direction direction);
    void add_hairpins();
    void add_deny_chain(Direction direction);
    void add_hooks();
    void add_base_chain(std::string name, nft::Hook hook, std::span<const Direction> directions);
    std::vector<const NetworkPolicy*> isolating(const Pod& pod, Direction direction) const;

    const Cluster& cluster_;
    const CompileOptions& options_;
    Compiled out_;
    MatchIndex index_;
    SetPool sets_;
    ClassCompiler classes_;
    std::map<std::string_view, std::vector<const NetworkPolicy*>> policies_;
    /// By direction and family.
    std::array<std::array<std::vector<nft::MapEntry>, 2>, 2> dispatch_;
    std::array<std::vector<Address>, 2> isolated_;
    /// By direction: the rules that find out who isolates.
    std::array<std::vector<nft::Rule>, 2> look_ups_;
    std::array<std::string, 2> hairpins_;  ///< By family: the set's name.
};

/// N71: what a pod's link needs to work is never judged.
void NodeCompiler::add_exceptions() {
    nft::Set icmp{.spec = {.key = {FieldType::icmpv6_type}, .size = 16}};
    // RFC 4861 neighbour discovery (133-137), RFC 2710 and 3810 multicast listeners (130-132, 143).
    for (const std::uint8_t type : {130, 131, 132, 133, 134, 135, 136, 137, 143}) {
        icmp.elements.push_back(single(nft::Key{}.append({&type, 1}, false)));
    }
    out_.table.sets.emplace(kNeighbourDiscovery, std::move(icmp));
    nft::Set link{.spec = {.key = {FieldType::inet_proto}, .size = 16}};
    constexpr std::uint8_t igmp = 2;
    link.elements.push_back(single(nft::Key{}.append({&igmp, 1}, false)));
    out_.table.sets.emplace(kLinkProtocols, std::move(link));
}

std::vector<const NetworkPolicy*> NodeCompiler::isolating(const Pod& pod,
                                                          Direction direction) const {
    std::vector<const NetworkPolicy*> found;
    const auto entry = policies_.find(pod.name.ns);
    if (entry == policies_.end()) return found;
    std::copy_if(entry->second.begin(), entry->second.end(), std::back_inserter(found),
                 [&](const NetworkPolicy* policy) {
                     return policy->isolates(direction) && matches(policy->pods, pod.labels);
                 });
    return found;
}

void NodeCompiler::add_pod(const Pod& pod) {
    std::vector<Address> held;
    for (const auto& address : pod.addresses) {
        if (cluster_.holds(pod, address)) held.push_back(address);
    }
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    if (held.empty()) return;
    ++out_.local_pods;
    bool isolated = false;
    for (const auto direction : kDirections) {
        auto policies = isolating(pod, direction);
        if (policies.empty()) continue;  // N1: open, no element
        isolated = true;
        const auto chain = classes_.chain_for(class_of(pod, direction, std::move(policies)));
        const auto comment = to_string(pod.name).substr(0, nft::kCommentBytesMax);
        for (const auto& address : held) {
            const auto key = nft::Key{}.append({address.bytes().data(), address.size()}, false);
            dispatch_[static_cast<std::size_t>(direction)]
                     [static_cast<std::size_t>(address.family())]
                         .push_back({.key = single(key),
                                     .verdict = {way_into(direction), chain},
                                     .comment = comment});
        }
    }
    if (!isolated) return;
    ++out_.isolated_pods;
    for (const auto& address : held) {
        isolated_[static_cast<std::size_t>(address.family())].push_back(address);
    }
}

void NodeCompiler::add_dispatch(Direction direction) {
    for (const auto family : kFamilies) {
        auto& entries =
            dispatch_[static_cast<std::size_t>(direction)][static_cast<std::size_t>(family)];
        std::sort(entries.begin(), entries.end());
        const auto capacity = capacity_for(entries.size(), kPodsCapacityLeast);
        const auto name =
            sized_name(std::string(to_string(direction)) + "-" + std::string(family_suffix(family)),
                       capacity, kPodsCapacityLeast);
        const auto field = direction == Direction::egress ? source(family) : destination(family);
        look_ups_[static_cast<std::size_t>(direction)].push_back(
            {.statements = {nft::LookupVerdict{{field}, name}}});
        out_.table.maps.emplace(name, nft::Map{.spec = {.key = {address_type(family)},
                                                        .size = capacity,
                                                        .comment = "isolated pods of this node"},
                                               .entries = std::move(entries)});
    }
}

/// One base chain judges what is forwarded: a second one costs every packet of every connection,
/// and more than the look-ups do.
void NodeCompiler::add_hooks() {
    add_base_chain("forward", nft::Hook::forward, kDirections);
    if (options_.pod_to_node_enforced) {
        add_base_chain("input", nft::Hook::input, std::array{Direction::egress});
    }
}

void NodeCompiler::add_base_chain(std::string name, nft::Hook hook,
                                  std::span<const Direction> directions) {
    nft::Chain chain{.base = nft::BaseChain{.hook = hook, .priority = options_.priority},
                     .comment = directions.size() == 1
                                    ? "who isolates the source"
                                    : "who isolates the source, then who the destination"};
    chain.rules.push_back({.statements = {nft::MatchCtState{nft::ct_established | nft::ct_related},
                                          Verdict{VerdictKind::accept}}});
    for (const auto direction : directions) {
        const auto& rules = look_ups_[static_cast<std::size_t>(direction)];
        chain.rules.insert(chain.rules.end(), rules.begin(), rules.end());
    }
    out_.origins.emplace(name, ChainOrigin{.what = "hook"});
    out_.table.chains.emplace(std::move(name), std::move(chain));
}

/// N66, D9: a pod reaches itself, also through its own Service.
void NodeCompiler::add_hairpins() {
    for (const auto family : kFamilies) {
        auto& addresses = isolated_[static_cast<std::size_t>(family)];
        std::sort(addresses.begin(), addresses.end());
        const auto capacity = capacity_for(addresses.size(), kPodsCapacityLeast);
        nft::Set set{.spec = {.key = {address_type(family), address_type(family)},
                              .size = capacity,
                              .comment = "isolated pods of this node to themselves"}};
        for (const auto& address : addresses) {
            const std::array<nft::FieldValue, 2> both{address, address};
            set.elements.push_back(single(nft::make_key(set.spec.key, both)));
        }
        const auto name = sized_name("hairpin-" + std::string(family_suffix(family)), capacity,
                                     kPodsCapacityLeast);
        out_.table.sets.emplace(name, std::move(set));
        hairpins_[static_cast<std::size_t>(family)] = name;
    }
}

/// Everything that no rule allows ends here. The exceptions stand here and not in front of the
/// dispatch: only what would be denied pays for them.
void NodeCompiler::add_deny_chain(Direction direction) {
    nft::Chain chain{.comment = "what no policy allows, but for the exceptions first"};
    const auto spare = [&](std::vector<Field> key, std::string set) {
        chain.rules.push_back({.statements = {nft::MatchSet{std::move(key), std::move(set)},
                                              ClassCompiler::allowed(direction)}});
    };
    for (const auto family : kFamilies) {
        spare({source(family), destination(family)}, hairpins_[static_cast<std::size_t>(family)]);
    }
    spare({Field::icmpv6_type}, std::string(kNeighbourDiscovery));
    spare({Field::l4proto}, std::string(kLinkProtocols));
    const auto name = ClassCompiler::deny_chain(direction);
    if (options_.log_group) {
        chain.rules.push_back(
            {.statements = {nft::Limit{.packets_per_second = kLogPerSecond},
                            nft::Log{.group = *options_.log_group, .prefix = name}}});
    }
    nft::Rule drop;
    if (options_.counters) drop.statements.emplace_back(nft::Counter{});
    drop.statements.emplace_back(Verdict{VerdictKind::drop});
    chain.rules.push_back(std::move(drop));
    out_.origins.emplace(name, ChainOrigin{.what = "denied"});
    out_.table.chains.emplace(name, std::move(chain));
}

}  // namespace

Compiled compile_all(const Cluster& cluster, const CompileOptions& options) {
    return NodeCompiler(cluster, options).run();
}

}  // namespace podfence
