#include "test/support/random_table.hpp"

#include <algorithm>
#include <string>

#include "nft/error.hpp"

namespace podfence::test {

using namespace nft;

namespace {

constexpr std::size_t kLeavesMax = 4;
constexpr std::size_t kBranchesMax = 3;

/// What a rule is about: nft takes no IPv4 address beside an IPv6 one, and no port beside an ICMPv6
/// type.
enum class Flavour : std::uint8_t { ipv4, ipv6, icmpv6, any };

std::string name_of(const char* kind, std::size_t number) {
    return std::string(kind) + "-" + std::to_string(number);
}

std::string random_comment(Random& random) {
    if (random.percent(50)) return {};
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-./ ";
    const std::size_t size = random.percent(10) ? kCommentBytesMax : 1 + random.below(40);
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += kLetters[random.below(kLetters.size())];
    return text;
}

std::vector<FieldType> random_key(Random& random) {
    constexpr std::array kAny{FieldType::ipv4_addr, FieldType::ipv6_addr, FieldType::inet_proto,
                              FieldType::inet_service, FieldType::icmpv6_type};
    if (random.percent(50)) return {kAny[random.below(kAny.size())]};
    const FieldType address = random.percent(50) ? FieldType::ipv4_addr : FieldType::ipv6_addr;
    const std::array kConcatenations{
        std::vector{address, address},
        std::vector{address, FieldType::inet_proto},
        std::vector{FieldType::inet_proto, FieldType::inet_service},
        std::vector{address, FieldType::inet_proto, FieldType::inet_service},
    };
    return kConcatenations[random.below(kConcatenations.size())];
}

Flavour flavour_of(const SetSpec& spec) {
    const auto has = [&](FieldType type) {
        return std::ranges::find(spec.key, type) != spec.key.end();
    };
    if (has(FieldType::ipv4_addr)) return Flavour::ipv4;
    if (has(FieldType::icmpv6_type)) return Flavour::icmpv6;
    return has(FieldType::ipv6_addr) ? Flavour::ipv6 : Flavour::any;
}

std::vector<Field> random_fields(Random& random, const SetSpec& spec) {
    std::vector<Field> fields;
    const bool swapped = random.percent(50);
    std::size_t addresses = 0;
    for (const FieldType type : spec.key) {
        const bool source = (addresses % 2 == 0) != swapped;
        switch (type) {
            case FieldType::ipv4_addr:
                fields.push_back(source ? Field::ip_saddr : Field::ip_daddr);
                ++addresses;
                break;
            case FieldType::ipv6_addr:
                fields.push_back(source ? Field::ip6_saddr : Field::ip6_daddr);
                ++addresses;
                break;
            case FieldType::inet_proto:
                fields.push_back(Field::l4proto);
                break;
            case FieldType::inet_service:
                fields.push_back(Field::th_dport);
                break;
            case FieldType::icmpv6_type:
                fields.push_back(Field::icmpv6_type);
                break;
            case FieldType::iface_index:
            case FieldType::ether_type:
                PODFENCE_CHECK(!"of netdev tables, which are not made here");
        }
    }
    return fields;
}

using FieldBytes = std::vector<std::uint8_t>;

FieldBytes random_field(Random& random, std::size_t size) {
    const unsigned kind = static_cast<unsigned>(random.below(100));
    FieldBytes bytes(size, kind < 3 ? 0x00 : 0xff);
    if (kind >= 6) {
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
    }
    return bytes;
}

Key key_from(const std::vector<FieldBytes>& fields) {
    Key key;
    for (const FieldBytes& field : fields) key.append(field, fields.size() > 1);
    return key;
}

/// Of disjoint ranges in ascending order, often adjacent ones.
std::vector<Element> random_ranges(Random& random, FieldType type, std::size_t count) {
    std::vector<FieldBytes> bounds;
    for (std::size_t i = 0; i < 2 * count; ++i) {
        bounds.push_back(random_field(random, size_of(type)));
        if (random.percent(20) && bounds.back().back() < 0xff) {
            bounds.push_back(bounds.back());
            ++bounds.back().back();
        }
    }
    std::ranges::sort(bounds);
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    std::vector<Element> elements;
    for (std::size_t i = 0; i + 1 < bounds.size() && elements.size() < count;) {
        const bool single = random.percent(40);
        elements.push_back({key_from({bounds[i]}), key_from({bounds[single ? i : i + 1]})});
        i += single ? 1 : 2;
    }
    return elements;
}

Element random_element(Random& random, const SetSpec& spec) {
    std::vector<FieldBytes> first;
    std::vector<FieldBytes> last;
    for (const FieldType type : spec.key) {
        first.push_back(random_field(random, size_of(type)));
        last.push_back(spec.interval ? random_field(random, size_of(type)) : first.back());
        if (last.back() < first.back()) std::swap(first.back(), last.back());
    }
    return {key_from(first), key_from(last)};
}

/// Whether all of `a` is before all of `b` in the first field.
bool before(const SetSpec& spec, const Element& a, const Element& b) {
    const std::size_t size = size_of(spec.key.front());
    return std::ranges::lexicographical_compare(a.last.bytes().first(size),
                                                b.first.bytes().first(size));
}

SetSpec random_spec(Random& random) {
    SetSpec spec{.key = random_key(random), .interval = random.percent(50)};
    spec.comment = random_comment(random);
    return spec;
}

/// Room for the elements and for some more. A tree counts the ends of ranges before kernel 6.15.
void declare_size(Random& random, SetSpec& spec, std::size_t count) {
    const bool tree = spec.interval && spec.key.size() == 1;
    if (!tree && random.percent(50)) {
        spec.size = static_cast<std::uint32_t>(count + 1 + random.below(100));
    }
}

class TableMaker {
  public:
    TableMaker(std::uint64_t seed, TableId id) : random_(seed) { table_.id = std::move(id); }

    Table make() {
        hook_ = static_cast<Hook>(random_.below(5));
        leaves_ = 1 + random_.below(kLeavesMax);
        add_sets();
        add_maps();
        for (std::size_t i = 0; i < leaves_; ++i) add_chain(name_of("leaf", i), {});
        const std::size_t branches = random_.below(kBranchesMax);
        for (std::size_t i = 0; i < branches; ++i) add_chain(name_of("branch", i), leaves_);
        if (table_.id.family == TableFamily::inet) {
            Chain& base = add_chain("base", leaves_);
            base.base = BaseChain{.hook = hook_,
                                  .priority = static_cast<std::int32_t>(random_.below(700)) - 350,
                                  .policy_accept = random_.percent(50)};
        }
        return std::move(table_);
    }

  private:
    void add_sets() {
        for (std::size_t i = 0, count = random_.below(8); i < count; ++i) {
            Set set{.spec = random_spec(random_)};
            set.elements = random_elements(random_, set.spec, random_.below(30));
            declare_size(random_, set.spec, set.elements.size());
            table_.sets.emplace(name_of("set", i), std::move(set));
        }
    }

    void add_maps() {
        for (std::size_t i = 0, count = random_.below(5); i < count; ++i) {
            Map map{.spec = random_spec(random_)};
            for (const Element& element : random_elements(random_, map.spec, random_.below(20))) {
                map.entries.push_back({.key = element,
                                       .verdict = random_verdict(leaves_),
                                       .comment = random_comment(random_)});
            }
            declare_size(random_, map.spec, map.entries.size());
            table_.maps.emplace(name_of("map", i), std::move(map));
        }
    }

    /// Into one of the first `targets` leaves, or none when there are none.
    Verdict random_verdict(std::size_t targets) {
        constexpr std::array kPlain{VerdictKind::accept, VerdictKind::drop, VerdictKind::ret};
        if (targets == 0 || random_.percent(50)) return {kPlain[random_.below(kPlain.size())]};
        return {.kind = random_.percent(50) ? VerdictKind::jump : VerdictKind::go_to,
                .chain = name_of("leaf", random_.below(targets))};
    }

    Chain& add_chain(const std::string& name, std::size_t targets) {
        Chain chain{.comment = random_comment(random_)};
        for (std::size_t i = 0, count = random_.below(6); i < count; ++i) {
            chain.rules.push_back(random_rule(targets));
        }
        return table_.chains[name] = std::move(chain);
    }

    Rule random_rule(std::size_t targets) {
        Rule rule{.statements = {}, .comment = random_comment(random_)};
        flavour_ = Flavour::any;
        ported_ = false;
        // Connection tracking comes after the netdev hooks; `ct` does not exist there.
        if (table_.id.family == TableFamily::inet && random_.percent(30)) {
            rule.statements.emplace_back(
                MatchCtState{static_cast<std::uint32_t>(1 + random_.below(15))});
        }
        if (table_.id.family == TableFamily::inet && random_.percent(20)) {
            const std::uint32_t bit = 1U << random_.below(32);
            rule.statements.emplace_back(
                MatchCtMark{.mask = bit, .value = random_.percent(80) ? bit : 0});
        }
        if (table_.id.family == TableFamily::inet && random_.percent(10)) {
            rule.statements.emplace_back(MatchSourceLocal{});
        }
        for (const auto& [name, set] : table_.sets) {
            if (random_.percent(25) && admit(set.spec)) {
                rule.statements.emplace_back(
                    MatchSet{.key = random_fields(random_, set.spec), .set = name});
            }
        }
        if (random_.percent(20)) {
            rule.statements.emplace_back(
                Limit{.packets_per_second = 1 + random_.below(1000),
                      .burst = static_cast<std::uint32_t>(1 + random_.below(20))});
        }
        if (random_.percent(30)) rule.statements.emplace_back(Counter{});
        if (random_.percent(20)) {
            rule.statements.emplace_back(
                Log{.group = static_cast<std::uint16_t>(random_.below(100)),
                    .prefix = random_.percent(50) ? "podfence: " : ""});
        }
        // The kernel refuses to reject from postrouting.
        const bool may_reject = table_.id.family == TableFamily::inet &&
                                hook_ != Hook::postrouting && flavour_ == Flavour::any && !ported_;
        if (may_reject && random_.percent(15)) {
            if (random_.percent(50)) {
                rule.statements.emplace_back(RejectTcpReset{.opening_only = random_.percent(50)});
            } else {
                rule.statements.emplace_back(RejectProhibited{});
            }
        } else if (targets == 0 || !add_lookup(rule)) {
            rule.statements.emplace_back(random_verdict(targets));
        }
        return rule;
    }

    bool add_lookup(Rule& rule) {
        for (const auto& [name, map] : table_.maps) {
            if (random_.percent(30) && admit(map.spec)) {
                rule.statements.emplace_back(
                    LookupVerdict{.key = random_fields(random_, map.spec), .map = name});
                return true;
            }
        }
        return false;
    }

    /// Whether a lookup of this kind may stand beside those that the rule has.
    bool admit(const SetSpec& spec) {
        const Flavour flavour = flavour_of(spec);
        const bool ports = std::ranges::any_of(spec.key, [](FieldType type) {
            return type == FieldType::inet_service || type == FieldType::inet_proto;
        });
        if (flavour_ == Flavour::icmpv6 && ports) return false;
        if (flavour != Flavour::any && flavour_ != Flavour::any && flavour != flavour_) {
            return false;
        }
        if (flavour == Flavour::icmpv6 && flavour_ == Flavour::any && ported_) return false;
        ported_ = ported_ || ports;
        if (flavour != Flavour::any) flavour_ = flavour;
        return true;
    }

    Random random_;
    Table table_;
    Hook hook_ = Hook::forward;  ///< Of the base chain.
    std::size_t leaves_ = 0;
    Flavour flavour_ = Flavour::any;
    bool ported_ = false;
};

}  // namespace

std::vector<Element> random_elements(Random& random, const SetSpec& spec, std::size_t count) {
    if (spec.interval && spec.key.size() == 1) {
        return random_ranges(random, spec.key.front(), count);
    }
    std::vector<Element> elements;
    for (std::size_t i = 0; i < count; ++i) {
        const Element element = random_element(random, spec);
        const auto collides = [&](const Element& other) {
            if (!spec.interval) return other == element;
            // What is disjoint in the first field is disjoint.
            return !before(spec, other, element) && !before(spec, element, other);
        };
        if (std::ranges::none_of(elements, collides)) elements.push_back(element);
    }
    std::ranges::sort(elements);
    return elements;
}

Table random_table(std::uint64_t seed, TableId id) {
    return TableMaker(seed, std::move(id)).make();
}

}  // namespace podfence::test
