#include "controller/desired.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "controller/prefixes.hpp"
#include "controller/selector.hpp"
#include "nft/error.hpp"
#include "nft/plan.hpp"

namespace podfence {

namespace {

bool has_named_ports(const std::vector<PolicyRule>& rules) {
    return std::ranges::any_of(rules, [](const PolicyRule& rule) {
        return std::ranges::any_of(rule.ports, [](const PolicyPort& port) {
            return std::holds_alternative<NamedPort>(port.port);
        });
    });
}

/// Whether the pods that one of them isolates could be in other classes under the other.
bool same_classes(const NetworkPolicy& a, const NetworkPolicy& b) {
    return a.pods == b.pods && a.ingress == b.ingress && a.egress == b.egress &&
           !has_named_ports(a.ingress_rules) && !has_named_ports(b.ingress_rules);
}

/// What it means.
NetworkPolicy meaning_of(NetworkPolicy policy) {
    policy.pos = {};
    policy.uid.clear();
    for (auto* rules : {&policy.ingress_rules, &policy.egress_rules}) {
        for (auto& rule : *rules) rule.pos = {};
    }
    return policy;
}

}  // namespace

Desired::Desired(CompileOptions options)
    : options_(std::move(options)), classes_(cluster_, options_.counters), dispatch_(options_) {}

void Desired::put(Pod pod) {
    const ObjectName name = pod.name;
    auto addresses = pod.addresses;
    const Pod* known = cluster_.find_pod(name);
    if (known != nullptr) {
        if (*known == pod) return;
        addresses.insert(addresses.end(), known->addresses.begin(), known->addresses.end());
    }
    if (is_ours(known) || is_ours(&pod)) touched_.insert(name);
    if (is_ours(&pod)) {
        own_pods_.insert(name);
    } else if (is_ours(known)) {
        own_pods_.erase(name);
    }
    touch_holders(addresses);
    cluster_.put(std::move(pod));
    update_holders(addresses);
}

void Desired::remove_pod(const ObjectName& name) {
    const Pod* known = cluster_.find_pod(name);
    if (known == nullptr) return;
    const auto addresses = known->addresses;
    if (is_ours(known)) {
        own_pods_.erase(name);
        touched_.insert(name);
    }
    cluster_.remove_pod(name);
    update_holders(addresses);
}

void Desired::touch_holders(const std::vector<Address>& addresses) {
    for (const auto& address : addresses) {
        const Pod* holder = cluster_.owner_of(address);
        if (is_ours(holder)) touched_.insert(holder->name);
    }
}

void Desired::update_holders(const std::vector<Address>& addresses) {
    for (const auto& address : addresses) {
        const Pod* holder = cluster_.owner_of(address);
        if (is_ours(holder)) touched_.insert(holder->name);
        classes_.pods().hold(address, holder);
        if (is_in_any(options_.held_ranges, address)) dispatch_.know(address, holder != nullptr);
    }
}

void Desired::hold(std::vector<Prefix> ranges) {
    PODFENCE_CHECK(!told_ && options_.held_ranges.empty());
    options_.held_ranges = std::move(ranges);
    dispatch_.reframe();
    for (const auto& [name, pod] : cluster_.pods()) {
        for (const auto& address : pod.addresses) {
            if (!is_in_any(options_.held_ranges, address)) continue;
            dispatch_.know(address, cluster_.owner_of(address) != nullptr);
        }
    }
}

void Desired::put(Namespace ns) {
    const std::string name = ns.name;
    cluster_.put(std::move(ns));
    classes_.pods().namespace_changed(name);
}

void Desired::remove_namespace(const std::string& name) {
    cluster_.remove_namespace(name);
    classes_.pods().namespace_changed(name);
}

void Desired::put(NetworkPolicy policy) {
    drop_refusal(policy.name);
    const auto known = cluster_.policies().find(policy.name);
    if (known == cluster_.policies().end()) {
        touch_pods(policy);
        cluster_.put(std::move(policy));
        return;
    }
    const NetworkPolicy& old = known->second;
    if (meaning_of(old) != meaning_of(policy)) {
        if (!same_classes(old, policy)) {
            touch_pods(old);
            touch_pods(policy);
        }
        classes_.policy_changed(old);
    }
    cluster_.put(std::move(policy));
}

void Desired::remove_policy(const ObjectName& name) {
    drop_refusal(name);
    auto gone = cluster_.remove_policy(name);
    if (gone.empty()) return;
    touch_pods(gone.mapped());
    gone_.push_back(std::move(gone));
}

void Desired::refuse(const ObjectName& policy) {
    const auto known = cluster_.policies().find(policy);
    if (known == cluster_.policies().end() || refused_.contains(policy)) return;
    auto& stand_in = refused_[policy] = known->second;
    stand_in.ingress_rules.clear();
    stand_in.egress_rules.clear();
    touch_pods(stand_in);
}

void Desired::drop_refusal(const ObjectName& name) {
    auto dropped = refused_.extract(name);
    if (dropped.empty()) return;
    touch_pods(dropped.mapped());
    gone_.push_back(std::move(dropped));
}

const NetworkPolicy* Desired::in_force(const NetworkPolicy* policy) const {
    const auto refused = refused_.find(policy->name);
    return refused == refused_.end() ? policy : &refused->second;
}

void Desired::touch_pods(const NetworkPolicy& policy) {
    const auto& ns = policy.name.ns;
    for (auto pod = local_pods_.lower_bound({ns, {}});
         pod != local_pods_.end() && pod->first.ns == ns; ++pod) {
        const Pod* known = cluster_.find_pod(pod->first);
        if (known != nullptr && matches(policy.pods, known->labels)) touched_.insert(pod->first);
    }
}

void Desired::settle() {
    // All leave before any enters: an address may go from one to another.
    for (const auto& name : touched_) {
        const auto known = local_pods_.find(name);
        if (known == local_pods_.end()) continue;
        leave(known->second);
        local_pods_.erase(known);
    }
    for (const auto& name : touched_) {
        const Pod* pod = cluster_.find_pod(name);
        if (pod != nullptr && is_local(*pod, options_.node)) enter(*pod);
    }
    touched_.clear();
    classes_.settle();
    gone_.clear();
}

void Desired::leave(LocalPod& pod) {
    for (const auto& address : pod.addresses) dispatch_.erase(address);
    for (auto* live : pod.classes) {
        if (live != nullptr) classes_.leave(*live);
    }
}

void Desired::enter(const Pod& pod) {
    auto held = held_addresses(cluster_, pod);
    auto& local = local_pods_[pod.name];
    if (held.empty()) return;
    PerDirection<std::string> chains;
    auto policies = isolating(cluster_, pod);
    for (const auto direction : kDirections) {
        auto& own = policies[index(direction)];
        if (own.empty()) continue;  // N1: open, no element
        if (!refused_.empty()) {
            std::ranges::transform(own, own.begin(), [&](auto* p) { return in_force(p); });
        }
        auto& live = classes_.join(class_of(pod, direction, std::move(own)));
        local.classes[index(direction)] = &live;
        chains[index(direction)] = live.chain;
        local.addresses = held;
    }
    for (const auto& address : local.addresses) dispatch_.put(address, pod.name, chains);
}

template <class Judges>
PerDirection<std::set<Address>> Desired::addresses_where(Judges judges) const {
    PerDirection<std::set<Address>> found;
    for (const auto& [name, pod] : local_pods_) {
        for (const auto direction : kDirections) {
            const LiveClass* live = pod.classes[index(direction)];
            if (live == nullptr || !judges(live)) continue;
            found[index(direction)].insert(pod.addresses.begin(), pod.addresses.end());
        }
    }
    return found;
}

PerDirection<std::set<Address>> Desired::addresses_behind(const std::string& object) const {
    const auto classes = classes_.classes_behind(object);
    return addresses_where(
        [&](const LiveClass* live) { return std::ranges::find(classes, live) != classes.end(); });
}

PerDirection<std::set<Address>> Desired::isolated_addresses() const {
    return addresses_where([](const LiveClass* /*any*/) { return true; });
}

nft::Table Desired::table() {
    settle();
    nft::Table table{.id = options_.table};
    dispatch_.write(table);
    classes_.write(table);
    return table;
}

nft::TableCounts Desired::counts() const {
    auto counts = dispatch_.counts();
    return counts += classes_.counts();
}

nft::Table Desired::closed_table() {
    settle();
    nft::Table table{.id = options_.table};
    dispatch_.write_closed(table);
    return table;
}

std::vector<nft::Op> Desired::take_changes() {
    settle();
    Difference difference;
    difference.before.id = difference.now.id = options_.table;
    dispatch_.tell(difference);
    classes_.tell(difference);
    auto ops = nft::diff(difference.before, difference.now);
    if (!std::exchange(told_, true)) ops.emplace_back(nft::AddTable{});
    return ops;
}

}  // namespace podfence
