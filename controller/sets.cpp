#include "controller/sets.hpp"

#include <array>
#include <utility>

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

nft::Key address_key(const Address& address) {
    return nft::Key{}.append({address.bytes().data(), address.size()}, false);
}

std::string with_family(const std::string& base, Family family) {
    return base + "-" + std::string(family_suffix(family));
}

}  // namespace

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

std::vector<SetRef> Sets::peers(const PeerUnion& peers) {
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

std::string SetForm::name(Family family, std::size_t members) const {
    return sized_name(with_family(base, family), capacity_for(members, kPeersCapacityLeast),
                      kPeersCapacityLeast);
}

nft::SetSpec SetForm::spec(Family family, std::size_t members) const {
    nft::SetSpec spec{.key = {address_type(family)},
                      .size = capacity_for(members, kPeersCapacityLeast),
                      .comment = comment};
    if (with_ports) {
        spec.key.insert(spec.key.end(), {FieldType::inet_proto, FieldType::inet_service});
    }
    return spec;
}

SetForm form_of(const std::vector<BoundPeer>& peers) {
    NameHash name;
    std::vector<std::string> texts;
    for (const auto& peer : peers) {
        hash(name, peer);
        texts.push_back(describe(peer));
    }
    return {.base = make_name("pods", name, brief(peers.front())), .comment = make_comment(texts)};
}

SetForm form_of(const std::vector<NamedTarget>& targets) {
    NameHash name;
    std::vector<std::string> texts;
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
    }
    return {.base = make_name("named", name, targets.front().port),
            .comment = make_comment(texts),
            .with_ports = true};
}

nft::Element address_element(const Address& address) {
    const auto key = address_key(address);
    return {.first = key, .last = key};
}

std::vector<nft::Element> range_elements(const nft::RangeSet& ranges, Family family) {
    std::vector<nft::Element> elements;
    for (const auto& range : ranges.ranges()) {
        if (range.first.family() != family) continue;
        elements.push_back({address_key(range.first), address_key(range.last)});
    }
    return elements;
}

nft::RangeSet ranges_of(std::span<const Prefix> prefixes) {
    std::vector<nft::Range> all;
    for (const Prefix& prefix : prefixes) all.push_back(nft::to_range(prefix));
    return nft::RangeSet::of(std::move(all));
}

nft::Element port_element(const Address& address, Protocol protocol, std::uint16_t port) {
    const std::array types{address_type(address.family()), FieldType::inet_proto,
                           FieldType::inet_service};
    const std::array<nft::FieldValue, 3> values{address, static_cast<std::uint8_t>(protocol), port};
    const auto key = nft::make_key(types, values);
    return {.first = key, .last = key};
}

std::vector<BlockSet> sets_of(const std::vector<IpBlock>& blocks) {
    std::vector<nft::Range> all;
    std::array<std::vector<std::string>, 2> texts;
    NameHash name;
    for (const auto& block : blocks) {
        const auto ranges = ranges_of(block);
        all.insert(all.end(), ranges.ranges().begin(), ranges.ranges().end());
        auto text = to_string(block);
        name.add(text);
        texts[index(block.cidr.family())].push_back(std::move(text));
    }
    const auto ranges = nft::RangeSet::of(std::move(all));
    const auto base = make_name("blocks", name, to_string(blocks.front()));
    std::vector<BlockSet> result;
    for (const auto family : kFamilies) {
        nft::Set set{.spec = {.key = {address_type(family)}, .interval = true},
                     .elements = range_elements(ranges, family)};
        if (set.elements.empty()) continue;
        set.spec.comment = make_comment(texts[index(family)]);
        result.push_back({.ref = {family, with_family(base, family)}, .set = std::move(set)});
    }
    return result;
}

}  // namespace podfence
