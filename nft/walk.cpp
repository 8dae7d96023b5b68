#include "nft/walk.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "nft/error.hpp"
#include "nft/text.hpp"

namespace podfence::nft {

namespace {

constexpr std::size_t kRulesMax = 1'000'000;

constexpr std::uint8_t kIcmpV6 = 58;

bool has_ports(std::uint8_t protocol) {
    constexpr std::array with_ports{6, 17, 33, 132, 136};  // TCP, UDP, DCCP, SCTP, UDP-Lite
    return std::find(with_ports.begin(), with_ports.end(), protocol) != with_ports.end();
}

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

std::uint16_t ether_type_of(const Packet& packet) {
    if (packet.ether_type != 0) return packet.ether_type;
    return packet.source.family() == Family::ipv4 ? kEtherTypeIpv4 : kEtherTypeIpv6;
}

/// A field of the packet; nullopt when the packet has no such field, which ends the rule
/// (NFT_BREAK).
std::optional<FieldValue> load(const Packet& packet, Field field) {
    const std::uint16_t ether_type = ether_type_of(packet);
    const bool v4 = ether_type == kEtherTypeIpv4;
    const bool v6 = ether_type == kEtherTypeIpv6;
    const bool arp = ether_type == kEtherTypeArp;
    const auto when = [](bool present, auto value) -> std::optional<FieldValue> {
        if (!present) return std::nullopt;
        return FieldValue{value};
    };
    switch (field) {
        case Field::ip_saddr:
            return when(v4, packet.source);
        case Field::ip_daddr:
            return when(v4, packet.destination);
        case Field::ip6_saddr:
            return when(v6, packet.source);
        case Field::ip6_daddr:
            return when(v6, packet.destination);
        case Field::l4proto:
            return when(v4 || v6, packet.protocol);
        case Field::th_dport:
            return when((v4 || v6) && has_ports(packet.protocol), packet.destination_port);
        case Field::th_sport:
            return when((v4 || v6) && has_ports(packet.protocol), packet.source_port);
        case Field::icmpv6_type:
            return when(v6 && packet.protocol == kIcmpV6, packet.icmp_type);
        case Field::nd_target:
            if (!packet.nd_target) return std::nullopt;
            return when(v6 && packet.protocol == kIcmpV6, *packet.nd_target);
        case Field::iif:
            return when(packet.iif != 0, packet.iif);
        case Field::ether_type:
            return when(true, ether_type);
        case Field::arp_saddr_ip:
            return when(arp, packet.source);
        case Field::arp_daddr_ip:
            return when(arp, packet.destination);
    }
    PODFENCE_CHECK(!"a field without a case");
    return std::nullopt;
}

/// The packet's key for a set of this type; nullopt when a field is missing or the set's type is
/// another one.
std::optional<Key> load_key(const Packet& packet, const std::vector<Field>& fields,
                            const SetSpec& spec) {
    std::vector<FieldType> types;
    std::vector<FieldValue> values;
    for (const auto field : fields) {
        auto value = load(packet, field);
        if (!value) return std::nullopt;
        types.push_back(type_of(field));
        values.push_back(*value);
    }
    if (types != spec.key) return std::nullopt;
    return make_key(types, values);
}

/// Does each field of the key lie in the element's range of that field?
bool inside(const SetSpec& spec, const Element& element, const Key& key) {
    std::size_t at = 0;
    for (const auto type : spec.key) {
        const auto size = spec.key.size() > 1 ? padded_size_of(type) : size_of(type);
        const auto field = [&](const Key& k) { return k.bytes().subspan(at, size); };
        if (std::ranges::lexicographical_compare(field(key), field(element.first)) ||
            std::ranges::lexicographical_compare(field(element.last), field(key))) {
            return false;
        }
        at += size;
    }
    return true;
}

/// The item whose element holds the key. Elements of one field are disjoint, so only the last that
/// does not begin behind the key can hold it; ranges of a concatenation have no such order.
template <class Item, class ElementOf>
const Item* find(const SetSpec& spec, const std::vector<Item>& items, const Key& key,
                 ElementOf element_of) {
    if (spec.interval && spec.key.size() > 1) {
        const auto hit = std::ranges::find_if(
            items, [&](const Item& item) { return inside(spec, element_of(item), key); });
        return hit == items.end() ? nullptr : &*hit;
    }
    auto after = std::ranges::upper_bound(items, key, {},
                                          [&](const Item& item) { return element_of(item).first; });
    if (after == items.begin()) return nullptr;
    --after;
    return inside(spec, element_of(*after), key) ? &*after : nullptr;
}

class Walker {
  public:
    Walker(const Table& table, const Packet& packet) : table_(table), packet_(packet) {}

    /// Whether the base chain lets the packet pass.
    bool run(const std::string& name, const Chain& base) {
        std::vector<Position> stack{{&name, &base, 0}};
        while (!stack.empty()) {
            auto& [chain_name, chain, rule] = stack.back();
            if (rule == chain->rules.size()) {
                stack.pop_back();
                continue;
            }
            PODFENCE_CHECK(++rules_ <= kRulesMax);
            const auto verdict = evaluate(*chain_name, *chain, rule++);
            if (!verdict) continue;
            switch (verdict->kind) {
                case VerdictKind::accept:
                    return true;
                case VerdictKind::drop:
                    return false;
                case VerdictKind::ret:
                    stack.pop_back();
                    break;
                case VerdictKind::go_to:
                case VerdictKind::jump: {
                    const auto target = table_.chains.find(verdict->chain);
                    PODFENCE_CHECK(target != table_.chains.end());
                    if (verdict->kind == VerdictKind::go_to) stack.pop_back();
                    stack.push_back({&target->first, &target->second, 0});
                    // The kernel refuses what needs more: this would be a bug of ours.
                    PODFENCE_CHECK(stack.size() <= kJumpsMax);
                }
            }
        }
        return base.base->policy_accept;
    }

    std::vector<WalkStep> take_steps() { return std::move(steps_); }

  private:
    struct Position {
        const std::string* name;
        const Chain* chain;
        std::size_t rule;
    };

    /// The verdict of a rule that matched and has one; a rule that matched leaves a step.
    std::optional<Verdict> evaluate(const std::string& chain_name, const Chain& chain,
                                    std::size_t index) {
        note_.clear();
        std::optional<Verdict> verdict;
        for (const auto& statement : chain.rules[index].statements) {
            const bool goes_on =
                std::visit([&](const auto& s) { return apply(s, verdict); }, statement);
            if (!goes_on) {
                if (std::holds_alternative<Opaque>(statement)) add_step(chain_name, index);
                return std::nullopt;
            }
            if (verdict) break;
        }
        add_step(chain_name, index);
        return verdict;
    }

    void add_step(const std::string& chain_name, std::size_t index) {
        steps_.push_back({.chain = chain_name, .rule = index, .note = note_});
    }

    bool apply(const MatchCtState& match, std::optional<Verdict>& /*verdict*/) {
        return (packet_.ct_state & match.any_of) != 0;
    }
    bool apply(const MatchCtMark& match, std::optional<Verdict>& /*verdict*/) {
        return (packet_.ct_mark & match.mask) == match.value;
    }
    bool apply(const MatchSourceLocal& /*unused*/, std::optional<Verdict>& /*verdict*/) {
        return packet_.source_local;
    }
    bool apply(const MatchSet& match, std::optional<Verdict>& /*verdict*/) {
        const auto set = table_.sets.find(match.set);
        if (set == table_.sets.end()) return false;
        const auto& spec = set->second.spec;
        const auto key = load_key(packet_, match.key, spec);
        if (!key) return false;
        const auto* element = find(spec, set->second.elements, *key,
                                   [](const Element& e) -> const Element& { return e; });
        if (element == nullptr) return false;
        add_note(match.set + " { " + to_text(spec, *element) + " }");
        return true;
    }
    bool apply(const LookupVerdict& look_up, std::optional<Verdict>& verdict) {
        const auto map = table_.maps.find(look_up.map);
        if (map == table_.maps.end()) return false;
        const auto& spec = map->second.spec;
        const auto key = load_key(packet_, look_up.key, spec);
        if (!key) return false;
        const auto* entry = find(spec, map->second.entries, *key,
                                 [](const MapEntry& e) -> const Element& { return e.key; });
        if (entry == nullptr) return false;
        add_note(look_up.map + " { " + to_text(spec, entry->key) + " : " + to_text(entry->verdict) +
                 " }");
        verdict = entry->verdict;
        return true;
    }
    bool apply(const Verdict& given, std::optional<Verdict>& verdict) {
        verdict = given;
        return true;
    }
    /// A packet that is new to conntrack counts as one that opens its connection.
    bool apply(const RejectTcpReset& reset, std::optional<Verdict>& verdict) {
        constexpr std::uint8_t tcp = 6;
        if (packet_.protocol != tcp) return false;
        if (reset.opening_only && packet_.ct_state != ct_new) return false;
        verdict = Verdict{VerdictKind::drop};
        return true;
    }
    bool apply(const RejectProhibited& /*unused*/, std::optional<Verdict>& verdict) {
        verdict = Verdict{VerdictKind::drop};
        return true;
    }
    bool apply(const Counter& /*unused*/, std::optional<Verdict>& /*verdict*/) { return true; }
    bool apply(const Limit& /*unused*/, std::optional<Verdict>& /*verdict*/) { return true; }
    bool apply(const Log& /*unused*/, std::optional<Verdict>& /*verdict*/) { return true; }
    /// What a foreign statement does is unknown. Its rule counts as not matching, and leaves a step
    /// that says so: the reader must not take the walk for the kernel's word.
    bool apply(const Opaque& opaque, std::optional<Verdict>& /*verdict*/) {
        add_note("not understood: " + opaque.what);
        return false;
    }

    void add_note(const std::string& text) {
        if (!note_.empty()) note_ += ", ";
        note_ += text;
    }

    const Table& table_;
    const Packet& packet_;
    std::vector<WalkStep> steps_;
    std::string note_;
    std::size_t rules_ = 0;
};

}  // namespace

WalkResult walk(const Table& table, Hook hook, const Packet& packet) {
    constexpr std::uint32_t dormant = 1;  // NFT_TABLE_F_DORMANT: hooks are not registered
    if ((table.flags & dormant) != 0) return {.accepted = true};
    const std::string& device = hook == Hook::ingress ? packet.device : std::string();
    std::vector<std::pair<const std::string*, const Chain*>> bases;
    for (const auto& [name, chain] : table.chains) {
        if (chain.base && chain.base->hook == hook && chain.base->device == device) {
            bases.emplace_back(&name, &chain);
        }
    }
    std::ranges::stable_sort(bases, {},
                             [](const auto& base) { return base.second->base->priority; });
    Walker walker(table, packet);
    WalkResult result{.accepted = true};
    for (const auto& [name, chain] : bases) {
        result.accepted = walker.run(*name, *chain);
        if (!result.accepted) break;
    }
    result.steps = walker.take_steps();
    return result;
}

}  // namespace podfence::nft
