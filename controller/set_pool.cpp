#include "controller/set_pool.hpp"

#include <algorithm>
#include <array>

#include "controller/families.hpp"
#include "controller/names.hpp"
#include "controller/selector.hpp"
#include "nft/error.hpp"

namespace podfence {

namespace {

using nft::Family;
using nft::FieldType;

/// Up to this many selectors of a union have sets of their own, which other unions share; more are
/// merged into one set, so that the look-ups of a new connection stay bounded. Merging all unions
/// multiplies: "my namespace, and the team's" is another set in every namespace, each with the
/// whole team in it.
constexpr std::size_t kPodSetsMax = 4;
constexpr std::uint32_t kPeersCapacityLeast = 128;
constexpr std::uint32_t kCapacityStep = 8;

void hash(NameHash& out, const LabelSelector& selector) {
    out.add(selector.requirements.size());
    for (const auto& requirement : selector.requirements) {
        out.add(requirement.key);
        out.add(static_cast<std::uint64_t>(requirement.op)).add(requirement.values.size());
        for (const auto& value : requirement.values) out.add(value);
    }
}

void hash(NameHash& out, const BoundPeer& bound) {
    out.add(bound.own_ns);
    for (const auto* selector : {&bound.peer.namespaces, &bound.peer.pods}) {
        out.add(static_cast<std::uint64_t>(selector->has_value()));
        if (*selector) hash(out, **selector);
    }
}

std::string describe(const BoundPeer& bound) {
    if (bound.own_ns.empty()) return to_string(bound.peer);
    const bool all = !bound.peer.pods || bound.peer.pods->requirements.empty();
    return (all ? "all pods" : "pods " + to_string(*bound.peer.pods)) + " in namespace " +
           bound.own_ns;
}

/// The selectors alone: what a name has room for.
std::string brief(const BoundPeer& bound) {
    std::string text = bound.own_ns;
    if (bound.peer.namespaces) {
        const auto* names = names_asked(*bound.peer.namespaces);
        text = names != nullptr && names->size() == 1 ? names->front()
                                                      : to_string(*bound.peer.namespaces);
    }
    if (bound.peer.pods) text += "." + to_string(*bound.peer.pods);
    return text;
}

nft::RangeSet ranges_of(const IpBlock& block) {
    std::vector<nft::Range> except;
    for (const auto& prefix : block.except) except.push_back(to_range(prefix));
    return nft::RangeSet::of(block.cidr) - nft::RangeSet::of(std::move(except));
}

template <class T>
void sort_unique(std::vector<T>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

nft::Key address_key(const Address& address) {
    return nft::Key{}.append({address.bytes().data(), address.size()}, false);
}

}  // namespace

BoundPeer bind(const PodPeer& peer, const std::string& policy_ns) {
    return {.own_ns = peer.namespaces ? "" : policy_ns, .peer = peer};
}

void PeerUnion::normalize() {
    sort_unique(pods);
    sort_unique(blocks);
}

PeerUnion& PeerUnion::operator|=(const PeerUnion& other) {
    any = any || other.any;
    pods.insert(pods.end(), other.pods.begin(), other.pods.end());
    blocks.insert(blocks.end(), other.blocks.begin(), other.blocks.end());
    return *this;
}

std::uint32_t capacity_for(std::size_t count, std::uint32_t least) {
    std::uint64_t capacity = least;
    while (capacity < count) capacity *= kCapacityStep;
    PODFENCE_CHECK(capacity <= UINT32_MAX);
    return static_cast<std::uint32_t>(capacity);
}

std::string sized_name(std::string name, std::uint32_t capacity, std::uint32_t least) {
    if (capacity != least) name += "-x" + std::to_string(capacity);
    return name;
}

std::string_view family_suffix(Family family) {
    return family == Family::ipv4 ? "v4" : "v6";
}

std::vector<SetRef> SetPool::peers(const PeerUnion& peers) {
    std::vector<SetRef> refs;
    if (peers.pods.size() > kPodSetsMax) {
        refs = pod_sets(peers.pods);
    } else {
        for (const auto& peer : peers.pods) {
            const auto one = pod_sets({peer});
            refs.insert(refs.end(), one.begin(), one.end());
        }
    }
    if (!peers.blocks.empty()) {
        const auto blocks = block_sets(peers.blocks);
        refs.insert(refs.end(), blocks.begin(), blocks.end());
    }
    return refs;
}

std::vector<std::string> describe(const PeerUnion& peers) {
    std::vector<std::string> texts;
    for (const auto& peer : peers.pods) texts.push_back(describe(peer));
    for (const auto& block : peers.blocks) texts.push_back(to_string(block));
    return texts;
}

nft::RangeSet SetPool::ranges(const PeerUnion& peers) {
    std::vector<nft::Range> all;
    for (const auto& peer : peers.pods) {
        for (const auto* identity : index_.select(peer.peer, peer.own_ns)) {
            for (const auto& member : identity->members) {
                all.push_back({member.address, member.address});
            }
        }
    }
    for (const auto& block : peers.blocks) {
        const auto ranges = ranges_of(block);
        all.insert(all.end(), ranges.ranges().begin(), ranges.ranges().end());
    }
    return nft::RangeSet::of(std::move(all));
}

std::vector<SetRef> SetPool::pod_sets(const std::vector<BoundPeer>& peers) {
    const auto [entry, added] = pods_known_.try_emplace(peers);
    if (!added) return entry->second;

    NameHash name;
    std::vector<std::string> texts;
    std::vector<Address> addresses;
    for (const auto& peer : peers) {
        hash(name, peer);
        texts.push_back(describe(peer));
        for (const auto* identity : index_.select(peer.peer, peer.own_ns)) {
            for (const auto& member : identity->members) addresses.push_back(member.address);
        }
    }
    sort_unique(addresses);

    const auto first_v6 = std::find_if(addresses.begin(), addresses.end(),
                                       [](const Address& a) { return a.family() == Family::ipv6; });
    const auto base = make_name("pods", name, brief(peers.front()));
    for (const auto family : kFamilies) {
        const bool v4 = family == Family::ipv4;
        const auto begin = v4 ? addresses.begin() : first_v6;
        const auto end = v4 ? first_v6 : addresses.end();
        const auto capacity =
            capacity_for(static_cast<std::size_t>(end - begin), kPeersCapacityLeast);
        nft::Set set{.spec = {.key = {address_type(family)},
                              .size = capacity,
                              .comment = make_comment(texts)}};
        set.elements.reserve(static_cast<std::size_t>(end - begin));
        for (auto address = begin; address != end; ++address) {
            const auto key = address_key(*address);
            set.elements.push_back({.first = key, .last = key});
        }
        const auto full = sized_name(base + "-" + std::string(family_suffix(family)), capacity,
                                     kPeersCapacityLeast);
        table_.sets.emplace(full, std::move(set));
        entry->second.push_back({.family = family, .name = full});
    }
    return entry->second;
}

std::vector<SetRef> SetPool::block_sets(const std::vector<IpBlock>& blocks) {
    const auto [entry, added] = blocks_known_.try_emplace(blocks);
    if (!added) return entry->second;

    std::vector<nft::Range> all;
    std::array<std::vector<std::string>, 2> texts;
    NameHash name;
    for (const auto& block : blocks) {
        const auto ranges = ranges_of(block);
        all.insert(all.end(), ranges.ranges().begin(), ranges.ranges().end());
        auto text = to_string(block);
        name.add(text);
        texts[static_cast<std::size_t>(block.cidr.family())].push_back(std::move(text));
    }
    const auto ranges = nft::RangeSet::of(std::move(all));
    const auto base = make_name("blocks", name, to_string(blocks.front()));
    for (const auto family : kFamilies) {
        nft::Set set{.spec = {.key = {address_type(family)}, .interval = true}};
        for (const auto& range : ranges.ranges()) {
            if (range.first.family() != family) continue;
            set.elements.push_back({address_key(range.first), address_key(range.last)});
        }
        if (set.elements.empty()) continue;
        set.spec.comment = make_comment(texts[static_cast<std::size_t>(family)]);
        const auto full = base + "-" + std::string(family_suffix(family));
        table_.sets.emplace(full, std::move(set));
        entry->second.push_back({.family = family, .name = full});
    }
    return entry->second;
}

std::vector<Member> SetPool::members(const NamedTarget& target) {
    std::vector<Member> members;
    if (!target.any_peer && target.block.empty()) {
        for (const auto* identity : index_.select(target.pods.peer, target.pods.own_ns)) {
            members.insert(members.end(), identity->members.begin(), identity->members.end());
        }
        return members;
    }
    const auto ranges = target.any_peer ? nft::RangeSet{} : ranges_of(target.block.front());
    for (const auto& identity : index_.identities()) {
        for (const auto& member : identity.members) {
            if (target.any_peer || ranges.contains(member.address)) members.push_back(member);
        }
    }
    return members;
}

std::vector<SetRef> SetPool::named_ports(const std::vector<NamedTarget>& targets) {
    const auto [entry, added] = named_known_.try_emplace(targets);
    if (!added) return entry->second;

    NameHash name;
    std::vector<std::string> texts;
    std::array<std::vector<nft::Element>, 2> elements;
    for (const auto& target : targets) {
        name.add(static_cast<std::uint64_t>(target.any_peer)).add(target.port);
        name.add(static_cast<std::uint64_t>(target.protocol)).add(target.block.size());
        std::string where = "any pod";
        if (!target.block.empty()) {
            name.add(to_string(target.block.front()));
            where = "pods in " + to_string(target.block.front());
        } else if (!target.any_peer) {
            hash(name, target.pods);
            where = describe(target.pods);
        }
        texts.push_back(target.port + "/" + std::string(to_string(target.protocol)) + " of " +
                        where);
        for (const auto& member : members(target)) {
            const auto port = find_port(*member.pod, target.port, target.protocol);
            if (!port) continue;
            const auto family = member.address.family();
            const std::array types{address_type(family), FieldType::inet_proto,
                                   FieldType::inet_service};
            const std::array<nft::FieldValue, 3> values{
                member.address, static_cast<std::uint8_t>(target.protocol), *port};
            const auto key = nft::make_key(types, values);
            elements[static_cast<std::size_t>(family)].push_back({key, key});
        }
    }
    const auto base = make_name("named", name, targets.front().port);
    for (const auto family : kFamilies) {
        auto& members = elements[static_cast<std::size_t>(family)];
        sort_unique(members);
        const auto capacity = capacity_for(members.size(), kPeersCapacityLeast);
        const auto full = sized_name(base + "-" + std::string(family_suffix(family)), capacity,
                                     kPeersCapacityLeast);
        nft::Set set{
            .spec = {.key = {address_type(family), FieldType::inet_proto, FieldType::inet_service},
                     .size = capacity,
                     .comment = make_comment(texts)},
            .elements = std::move(members)};
        table_.sets.emplace(full, std::move(set));
        entry->second.push_back({.family = family, .name = full});
    }
    return entry->second;
}

}  // namespace podfence
