#include "controller/pod_links.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>

#include "controller/sorted.hpp"

namespace podfence {

namespace {

constexpr std::uint16_t kEthernet = 1;  // ARPHRD_ETHER

/// Other ends asked in one settling: a node has a few hundred pods at most.
constexpr std::size_t kAskedMax = 1024;

/// The plugin knows what it made; but what enters by a bridge has come by one of its ports.
bool may_be_told(const Link& link) {
    return link.hardware == kEthernet && link.kind != "bridge";
}

template <class A, class B>
bool share_any(const A& a, const B& b) {
    return std::ranges::any_of(
        a, [&](const auto& one) { return std::ranges::find(b, one) != std::ranges::end(b); });
}

}  // namespace

bool is_one_pods(const Link& link) {
    constexpr std::array<std::string_view, 3> kKinds{"veth", "tun", "netkit"};
    return link.hardware == kEthernet && std::ranges::find(kKinds, link.kind) != kKinds.end();
}

void PodLinks::set_pod(const ObjectName& pod, std::vector<Address> addresses,
                       std::vector<Prefix> extra) {
    sort_unique(addresses);
    const auto known = pods_.find(pod);
    if (known == pods_.end() && addresses.empty()) return;
    KnownPod& entry = pods_[pod];
    if (entry.extra != extra) {
        entry.extra = std::move(extra);
        dirty_.insert(pod);
    }
    if (known != pods_.end() && entry.addresses == addresses) return;
    for (const Address& address : entry.addresses) {
        auto& holders = by_address_[address];
        holders.erase(pod);
        if (holders.empty()) by_address_.erase(address);
    }
    for (const Address& address : addresses) by_address_[address].insert(pod);
    entry.addresses = std::move(addresses);
    dirty_.insert(pod);
    ask_all_ = true;
}

void PodLinks::told(LinkIndex link, std::vector<Address> addresses) {
    untold(link);
    for (const Address& address : addresses) told_of_[address].push_back(link);
    touch_pods_with(addresses);
    told_.emplace(link, std::move(addresses));
}

void PodLinks::untold(LinkIndex link) {
    const auto known = told_.extract(link);
    if (known.empty()) return;
    for (const Address& address : known.mapped()) {
        const auto links = told_of_.find(address);
        if (links == told_of_.end()) continue;  // It had it twice.
        std::erase(links->second, link);
        if (links->second.empty()) told_of_.erase(links);
    }
    touch_pods_with(known.mapped());
}

void PodLinks::touch_pods_with(const std::vector<Address>& addresses) {
    for (const Address& address : addresses) {
        const auto holders = by_address_.find(address);
        if (holders == by_address_.end()) continue;
        dirty_.insert(holders->second.begin(), holders->second.end());
    }
}

/// Of an address the link that the plugin made for it, when that is there and will do.
std::optional<LinkIndex> PodLinks::told_link(const Address& address) const {
    const auto links = told_of_.find(address);
    if (links == told_of_.end()) return std::nullopt;
    const Link* link = facts_.link(links->second.back());
    return link != nullptr && may_be_told(*link) ? std::optional(link->index) : std::nullopt;
}

void PodLinks::replace(LinkFacts facts) {
    for (const auto& [index, link] : facts_.links()) touched_.links.insert(index);
    for (const auto& [index, link] : facts.links()) touched_.links.insert(index);
    facts_ = std::move(facts);
    std::erase_if(before_, [this](const auto& one) { return facts_.link(one.second) == nullptr; });
    std::vector<LinkIndex> gone;
    for (const auto& [link, addresses] : told_) {
        if (facts_.link(link) == nullptr) gone.push_back(link);
    }
    for (const LinkIndex link : gone) untold(link);
    for (const auto& [name, pod] : pods_) dirty_.insert(name);
    ask_all_ = true;
}

std::set<LinkIndex> PodLinks::settle(PeerLook& look) {
    touch_facts();
    const auto resolve = [this] {
        // Claims first: whether a link is one pod's depends on what the others claim.
        const auto pods = std::exchange(dirty_, {});
        for (const auto& name : pods) claim(name, pods_.at(name));
        auto all = std::exchange(dirty_, {});
        all.insert(pods.begin(), pods.end());
        for (const auto& name : all) {
            const auto pod = pods_.find(name);
            bind(name, pod->second);
            if (pod->second.addresses.empty()) pods_.erase(pod);
        }
    };
    resolve();
    if (ask_all_ || !unasked_.empty()) {
        if (const auto loose = loose_pods(); !loose.empty()) {
            ask(look, loose);
            dirty_ = loose;
            resolve();
        }
        ask_all_ = false;
        unasked_.clear();
        // What was answered of others may be another's by the next time.
        std::erase_if(answers_, [&](const auto& one) { return !bound_.contains(one.first); });
    }
    return std::exchange(changed_, {});
}

/// Which pods what happened is about.
void PodLinks::touch_facts() {
    for (const LinkIndex index : std::exchange(touched_.links, {})) {
        touch_holder(index);
        const Link* link = facts_.link(index);
        if (link == nullptr) {
            untold(index);  // A plugin's word is for one interface, and goes with it.
            answers_.erase(index);
            std::erase_if(before_, [index](const auto& one) { return one.second == index; });
        }
        if (link != nullptr && !bound_.contains(index)) unasked_.insert(index);
    }
    for (const Address& address : std::exchange(touched_.addresses, {})) {
        const auto holders = by_address_.find(address);
        if (holders != by_address_.end()) {
            dirty_.insert(holders->second.begin(), holders->second.end());
        }
    }
}

void PodLinks::touch_holder(LinkIndex link) {
    if (const auto bound = bound_.find(link); bound != bound_.end()) {
        dirty_.insert(bound->second.pod);
    }
    if (const auto claims = claimed_.find(link); claims != claimed_.end()) {
        dirty_.insert(claims->second.begin(), claims->second.end());
    }
    // Told of before rtnetlink told of it.
    if (const auto told = told_.find(link); told != told_.end()) touch_pods_with(told->second);
    for (const auto& [name, pod] : pods_) {
        if (pod.unsuitable == link) dirty_.insert(name);
    }
}

/// What plugin and routes say of a pod. Others who claim the same are looked at again.
void PodLinks::claim(const ObjectName& name, KnownPod& pod) {
    std::set<LinkIndex> claims;
    pod.unsuitable = 0;
    for (const Address& address : pod.addresses) {
        if (const auto link = told_link(address)) claims.insert(*link);
    }
    const bool is_told = !claims.empty();
    for (const Address& address : pod.addresses) {
        if (is_told) break;
        // The first is the route that packets take; one by another table may be for some only.
        for (const LinkIndex index : facts_.routed(address)) {
            const Link* link = facts_.link(index);
            if (link == nullptr || link->kind == "bridge") continue;
            if (!is_one_pods(*link)) {
                if (pod.unsuitable == 0) pod.unsuitable = index;
                continue;
            }
            claims.insert(index);
            break;
        }
    }
    if (claims == pod.claims) return;
    for (const LinkIndex index : pod.claims) {
        auto& claimants = claimed_[index];
        claimants.erase(name);
        dirty_.insert(claimants.begin(), claimants.end());
        if (claimants.empty()) claimed_.erase(index);
    }
    for (const LinkIndex index : claims) {
        auto& claimants = claimed_[index];
        dirty_.insert(claimants.begin(), claimants.end());
        claimants.insert(name);
        // Who had it by less has it no more.
        if (const auto bound = bound_.find(index); bound != bound_.end()) {
            dirty_.insert(bound->second.pod);
        }
    }
    pod.claims = std::move(claims);
}

void PodLinks::bind(const ObjectName& name, KnownPod& pod) {
    std::map<LinkIndex, Evidence> links;
    for (const LinkIndex index : pod.claims) {
        if (claimed_.at(index).size() > 1) continue;
        const bool told = std::ranges::any_of(
            pod.addresses, [&](const Address& one) { return told_link(one) == index; });
        links.emplace(index, told ? Evidence::told : Evidence::route);
    }
    if (pod.claims.empty()) {
        if (const auto guess = keep_or_guess(name, pod)) {
            const auto known = bound_.find(*guess);
            const bool kept = known != bound_.end() && known->second.pod == name;
            const bool asked =
                answers_.contains(*guess) && share_any(answers_.at(*guess), pod.addresses);
            links.emplace(*guess, kept    ? known->second.evidence
                                  : asked ? Evidence::peer
                                          : Evidence::learned);
        }
    }
    grant(name, pod, links);
}

/// By what pods can claim. What they have they keep.
std::optional<LinkIndex> PodLinks::keep_or_guess(const ObjectName& name, const KnownPod& pod) {
    if (pod.addresses.empty()) return std::nullopt;
    for (const LinkIndex index : pod.links) {
        if (facts_.link(index) != nullptr && !claimed_.contains(index) &&
            share_any(pod.bound_by, pod.addresses)) {
            return index;
        }
    }
    for (const Address& address : pod.addresses) {
        const auto before = before_.find(address);
        if (before != before_.end() && is_free(name, before->second)) return before->second;
    }
    std::set<LinkIndex> peers;
    for (const auto& [index, addresses] : answers_) {
        if (share_any(addresses, pod.addresses)) peers.insert(index);
    }
    // Who has this address beside another pod's has taken it: that one's interface has only its
    // own.
    std::set<LinkIndex> sole;
    std::ranges::copy_if(peers, std::inserter(sole, sole.end()),
                         [&](LinkIndex index) { return !answers_for_others(index, name); });
    if (const auto peer = newest_free(name, sole)) return peer;
    if (const auto peer = newest_free(name, peers)) return peer;
    std::set<LinkIndex> seen;
    for (const Address& address : pod.addresses) {
        for (const LinkIndex port : facts_.learned(address)) seen.insert(port);
    }
    // Seen at two ports, somebody lies or something moves: it is not certain.
    return seen.size() == 1 ? newest_free(name, seen) : std::nullopt;
}

bool PodLinks::is_free(const ObjectName& name, LinkIndex index) const {
    const Link* link = facts_.link(index);
    const auto bound = bound_.find(index);
    return link != nullptr && is_one_pods(*link) && !claimed_.contains(index) &&
           (bound == bound_.end() || bound->second.pod == name);
}

std::optional<LinkIndex> PodLinks::newest_free(const ObjectName& name,
                                               const std::set<LinkIndex>& links) const {
    for (const LinkIndex index : std::views::reverse(links)) {
        if (is_free(name, index)) return index;
    }
    return std::nullopt;
}

bool PodLinks::answers_for_others(LinkIndex link, const ObjectName& name) const {
    return std::ranges::any_of(answers_.at(link), [&](const Address& address) {
        const auto holders = by_address_.find(address);
        return holders != by_address_.end() && !holders->second.contains(name);
    });
}

void PodLinks::grant(const ObjectName& name, KnownPod& pod,
                     const std::map<LinkIndex, Evidence>& links) {
    for (const LinkIndex index : pod.links) {
        const auto bound = bound_.find(index);
        if (links.contains(index) || bound == bound_.end() || bound->second.pod != name) continue;
        bound_.erase(bound);
        answers_.erase(index);
        changed_.insert(index);
        unasked_.insert(index);  // It may be another's, who waits for it.
    }
    if (links.empty()) {
        pod.bound_by.clear();
    } else if (!std::ranges::all_of(
                   links, [&](const auto& link) { return pod.links.contains(link.first); })) {
        pod.bound_by = pod.addresses;
    }
    pod.links.clear();
    for (const auto& [index, evidence] : links) {
        PodLink now{.index = index,
                    .name = facts_.link(index)->name,
                    .pod = name,
                    .evidence = evidence,
                    .addresses = pod.addresses,
                    .extra = pod.extra};
        auto& was = bound_[index];
        if (was != now) {
            was = std::move(now);
            changed_.insert(index);
        }
        pod.links.insert(index);
    }
}

std::set<ObjectName> PodLinks::loose_pods() const {
    std::set<ObjectName> loose;
    for (const auto& [name, pod] : pods_) {
        if (pod.links.empty() && pod.claims.empty() && !pod.addresses.empty()) loose.insert(name);
    }
    return loose;
}

/// Newest first: a pod that has just come has an interface that has just come.
void PodLinks::ask(PeerLook& look, const std::set<ObjectName>& loose) {
    std::set<Address> wanted;
    for (const auto& name : loose) {
        const auto& addresses = pods_.at(name).addresses;
        wanted.insert(addresses.begin(), addresses.end());
    }
    std::size_t asked = 0;
    for (const auto& [index, link] : std::views::reverse(facts_.links())) {
        if (!link.peer_netns || !is_one_pods(link) || bound_.contains(index)) continue;
        if (!ask_all_ && !unasked_.contains(index)) continue;
        if (wanted.empty() || ++asked > kAskedMax) return;
        auto& answer = answers_[index];
        answer = look.addresses_behind(link);
        // Who has addresses of several pods has taken some: the others are still to be found.
        std::set<ObjectName> holders;
        for (const Address& address : answer) {
            const auto known = by_address_.find(address);
            if (known != by_address_.end())
                holders.insert(known->second.begin(), known->second.end());
        }
        if (holders.size() > 1) continue;
        for (const Address& address : answer) wanted.erase(address);
    }
}

std::vector<PodLink> PodLinks::links_of(const ObjectName& pod) const {
    std::vector<PodLink> links;
    if (const auto known = pods_.find(pod); known != pods_.end()) {
        for (const LinkIndex index : known->second.links) links.push_back(bound_.at(index));
    }
    return links;
}

std::vector<UnboundPod> PodLinks::unbound() const {
    std::vector<UnboundPod> unbound;
    for (const auto& [name, pod] : pods_) {
        if (!pod.links.empty() || pod.addresses.empty()) continue;
        UnboundPod entry{.pod = name};
        const LinkIndex index = !pod.claims.empty() ? *pod.claims.begin() : pod.unsuitable;
        if (!pod.claims.empty()) {
            entry.reason = UnboundPod::Reason::shared;
        } else if (index != 0) {
            entry.reason = UnboundPod::Reason::other_kind;
        }
        if (const Link* link = facts_.link(index)) entry.interface = link->name;
        unbound.push_back(std::move(entry));
    }
    return unbound;
}

}  // namespace podfence
