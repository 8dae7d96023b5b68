#include "controller/anti_spoof.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "controller/families.hpp"
#include "controller/sets.hpp"
#include "nft/ranges.hpp"

namespace podfence {

namespace {

using nft::Family;
using nft::Field;
using nft::FieldType;
using nft::FieldValue;
using nft::MatchSet;
using nft::Verdict;
using nft::VerdictKind;

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::uint8_t kIgmp = 2;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint16_t kDhcpServer = 67;
constexpr std::uint16_t kDhcpClient = 68;
// RFC 4861, RFC 2710, RFC 3810.
constexpr std::uint8_t kMldReport = 131;
constexpr std::uint8_t kMldDone = 132;
constexpr std::uint8_t kRouterSolicitation = 133;
constexpr std::uint8_t kRouterAdvertisement = 134;
constexpr std::uint8_t kNeighbourSolicitation = 135;
constexpr std::uint8_t kNeighbourAdvertisement = 136;
constexpr std::uint8_t kRedirect = 137;
constexpr std::uint8_t kMld2Report = 143;

/// Declared capacities begin with more than the pods that Kubernetes recommends for a node.
constexpr std::uint32_t kCapacityLeast = 1024;
constexpr std::string_view kHookPrefix = "if-";
constexpr const char* kNobodys = "no known pod's";
/// What is logged a second of all interfaces.
constexpr std::uint64_t kLogPerSecond = 10;

constexpr const char* kFrames = "from-pod";
constexpr const char* kIpv4 = "from-pod-ipv4";
constexpr const char* kArp = "from-pod-arp";
constexpr const char* kIpv6 = "from-pod-ipv6";
constexpr const char* kSolicitation = "from-pod-solicitation";
constexpr const char* kAdvertisement = "from-pod-advertisement";

nft::Element single(const std::vector<FieldType>& types, const std::vector<FieldValue>& values) {
    const nft::Key key = nft::make_key(types, values);
    return {.first = key, .last = key};
}

Verdict accept() {
    return {.kind = VerdictKind::accept};
}

Verdict go_to(const std::string& chain) {
    return {.kind = VerdictKind::go_to, .chain = chain};
}

/// With the type of frame, so that one look-up proves a packet: a VLAN tag makes another type.
std::vector<FieldType> own_type(Family family) {
    return {FieldType::iface_index, FieldType::ether_type, address_type(family)};
}

/// In which frames an address of this family is told.
std::vector<std::uint16_t> frames_of(Family family) {
    if (family == Family::ipv4) return {kEtherTypeIpv4, kEtherTypeArp};
    return {kEtherTypeIpv6};
}

/// The table while it is made.
class Builder {
  public:
    Builder(const std::map<LinkIndex, PodLink>& links, const AntiSpoofOptions& options)
        : links_(links), options_(options) {
        table_.id = options.table;
    }

    nft::Table build() && {
        add_interfaces();
        add_own();
        if (options_.extra_by_annotation) add_annotated();
        add_extra();
        add_constants();
        add_frames();
        add_ipv4();
        add_ipv6();
        add_hooks();
        return std::move(table_);
    }

  private:
    void add_set(const std::string& name, nft::Set set) {
        std::ranges::sort(set.elements);
        table_.sets.emplace(name, std::move(set));
    }
    static std::string sized(const std::string& name, std::size_t count) {
        return sized_name(name, capacity_for(count, kCapacityLeast), kCapacityLeast);
    }
    void add_interfaces() {
        interfaces_ = sized("interfaces", links_.size());
        nft::Set set{.spec = {.key = {FieldType::iface_index},
                              .size = capacity_for(links_.size(), kCapacityLeast),
                              .comment = "of pods of this node"}};
        for (const auto& [index, link] : links_) {
            set.elements.push_back(single(set.spec.key, {index}));
        }
        add_set(interfaces_, std::move(set));
    }
    void add_own() {
        for (const Family family : kFamilies) {
            nft::Set set{.spec = {.key = own_type(family), .comment = "what is whose"}};
            for (const auto& [index, link] : links_) {
                for (const Address& address : link.addresses) {
                    if (address.family() != family) continue;
                    for (const std::uint16_t type : frames_of(family)) {
                        set.elements.push_back(single(set.spec.key, {index, type, address}));
                    }
                }
            }
            set.spec.size = capacity_for(set.elements.size(), kCapacityLeast);
            own_[index(family)] =
                sized("own-" + std::string(family_suffix(family)), set.elements.size());
            add_set(own_[index(family)], std::move(set));
        }
    }
    /// Blocks of addresses, each pod's disjoint.
    void add_annotated() {
        for (const Family family : kFamilies) {
            nft::Set set{.spec = {.key = {FieldType::iface_index, address_type(family)},
                                  .interval = true,
                                  .comment = "what annotations of pods add"}};
            for (const auto& [index, link] : links_) {
                const nft::RangeSet disjoint = ranges_of(link.extra);
                for (const nft::Range& range : disjoint.ranges()) {
                    if (range.first.family() != family) continue;
                    set.elements.push_back(
                        {.first = single(set.spec.key, {index, range.first}).first,
                         .last = single(set.spec.key, {index, range.last}).last});
                }
            }
            annotated_[podfence::index(family)] = "annotated-" + std::string(family_suffix(family));
            add_set(annotated_[podfence::index(family)], std::move(set));
        }
    }
    void add_extra() {
        auto prefixes = options_.extra;
        prefixes.push_back(*Prefix::parse("fe80::/10"));
        const nft::RangeSet ranges = ranges_of(prefixes);
        for (const Family family : kFamilies) {
            nft::Set set{.spec = {.key = {address_type(family)},
                                  .interval = true,
                                  .comment = "what every pod may use"}};
            set.elements = range_elements(ranges, family);
            add_set("any-" + std::string(family_suffix(family)), std::move(set));
        }
    }
    /// What there is to say without an address.
    void add_constants() {
        const std::vector<FieldType> dhcp{FieldType::ipv4_addr, FieldType::inet_proto,
                                          FieldType::inet_service, FieldType::inet_service};
        const Address zero4;
        const Address zero6 = Address::v6({});
        add_set("dhcp", {.spec = {.key = dhcp, .size = 8},
                         .elements = {single(dhcp, {zero4, kUdp, kDhcpClient, kDhcpServer})}});
        const std::vector<FieldType> igmp{FieldType::ipv4_addr, FieldType::inet_proto};
        add_set("igmp",
                {.spec = {.key = igmp, .size = 8}, .elements = {single(igmp, {zero4, kIgmp})}});
        add_set("unspecified-v4", {.spec = {.key = {FieldType::ipv4_addr}, .size = 8},
                                   .elements = {single({FieldType::ipv4_addr}, {zero4})}});
        add_set("unspecified-v6", {.spec = {.key = {FieldType::ipv6_addr}, .size = 8},
                                   .elements = {single({FieldType::ipv6_addr}, {zero6})}});
        nft::Set beginning{
            .spec = {.key = {FieldType::ipv6_addr, FieldType::icmpv6_type}, .size = 8}};
        for (const std::uint8_t type : {kMldReport, kMldDone, kRouterSolicitation, kMld2Report}) {
            beginning.elements.push_back(single(beginning.spec.key, {zero6, type}));
        }
        add_set("beginning-v6", std::move(beginning));
    }

    void add_rule(const std::string& chain, std::vector<nft::Statement> statements) {
        table_.chains[chain].rules.push_back({.statements = std::move(statements)});
    }
    MatchSet own(Field field, Family family) const {
        return {{Field::iif, Field::ether_type, field}, own_[index(family)]};
    }
    /// Accepts whose address is the pod's own, or one that it may use beside.
    void accept_own(const std::string& chain, Field field, Family family,
                    const Verdict& verdict = accept()) {
        add_rule(chain, {own(field, family), verdict});
        accept_granted(chain, field, family, verdict);
    }
    void accept_granted(const std::string& chain, Field field, Family family,
                        const Verdict& verdict = accept()) {
        if (options_.extra_by_annotation) {
            add_rule(chain, {MatchSet{{Field::iif, field}, annotated_[index(family)]}, verdict});
        }
        add_rule(chain, {MatchSet{{field}, "any-" + std::string(family_suffix(family))}, verdict});
    }
    /// Accepts who has no address yet and asks whether somebody else has this one of its own.
    void accept_asking(const std::string& chain, Field source, Field asked, Family family) {
        const std::string none = "unspecified-" + std::string(family_suffix(family));
        add_rule(chain, {MatchSet{{source}, none}, own(asked, family), accept()});
        if (options_.extra_by_annotation) {
            add_rule(chain, {MatchSet{{source}, none},
                             MatchSet{{Field::iif, asked}, annotated_[index(family)]}, accept()});
        }
    }
    /// What nearly all frames are comes first: it is proved by one look-up.
    void add_frames() {
        add_rule(kFrames, {own(Field::ip_saddr, Family::ipv4), accept()});
        // What else it claims counts more than its source.
        const std::vector<FieldType> kind{FieldType::ether_type, FieldType::icmpv6_type};
        nft::Map claims{.spec = {.key = kind, .size = 16}};
        for (const auto& [type, verdict] :
             {std::pair(kRouterAdvertisement, Verdict{VerdictKind::ret}),
              std::pair(kNeighbourSolicitation, go_to(kSolicitation)),
              std::pair(kNeighbourAdvertisement, go_to(kAdvertisement)),
              std::pair(kRedirect, Verdict{VerdictKind::ret})}) {
            claims.entries.push_back(
                {.key = single(kind, {kEtherTypeIpv6, type}), .verdict = verdict});
        }
        table_.maps.emplace("neighbour-discovery", std::move(claims));
        add_rule(kFrames, {nft::LookupVerdict{{Field::ether_type, Field::icmpv6_type},
                                              "neighbour-discovery"}});
        add_rule(kFrames, {own(Field::ip6_saddr, Family::ipv6), accept()});
        nft::Map map{.spec = {.key = {FieldType::ether_type}, .size = 8}};
        for (const auto& [type, chain] :
             {std::pair(kEtherTypeIpv4, kIpv4), std::pair(kEtherTypeArp, kArp),
              std::pair(kEtherTypeIpv6, kIpv6)}) {
            map.entries.push_back({.key = single(map.spec.key, {type}), .verdict = go_to(chain)});
        }
        table_.maps.emplace("frames", std::move(map));
        add_rule(kFrames, {nft::LookupVerdict{{Field::ether_type}, "frames"}});
        table_.chains[kFrames].comment = "what comes back is refused: other frames, and VLAN tags";
    }
    void add_ipv4() {
        accept_granted(kIpv4, Field::ip_saddr, Family::ipv4);
        add_rule(
            kIpv4,
            {MatchSet{{Field::ip_saddr, Field::l4proto, Field::th_sport, Field::th_dport}, "dhcp"},
             accept()});
        add_rule(kIpv4, {MatchSet{{Field::ip_saddr, Field::l4proto}, "igmp"}, accept()});
        accept_own(kArp, Field::arp_saddr_ip, Family::ipv4);
        accept_asking(kArp, Field::arp_saddr_ip, Field::arp_daddr_ip, Family::ipv4);
    }
    void add_ipv6() {
        accept_own(kIpv6, Field::ip6_saddr, Family::ipv6);
        add_rule(kIpv6,
                 {MatchSet{{Field::ip6_saddr, Field::icmpv6_type}, "beginning-v6"}, accept()});
        // Who asks has an address of its own already, or asks for its own.
        accept_own(kSolicitation, Field::ip6_saddr, Family::ipv6);
        table_.chains[kSolicitation].comment = "duplicate address detection has no source yet";
        accept_asking(kSolicitation, Field::ip6_saddr, Field::nd_target, Family::ipv6);
        add_rule(kSolicitation, {MatchSet{{Field::ip6_saddr}, "unspecified-v6"},
                                 MatchSet{{Field::nd_target}, "any-v6"}, accept()});
        accept_own(kAdvertisement, Field::nd_target, Family::ipv6, go_to(kIpv6));
    }

    void add_hooks() {
        for (const auto& [index, link] : links_) {
            nft::Chain chain{.base = nft::BaseChain{.hook = nft::Hook::ingress,
                                                    .priority = options_.priority,
                                                    .device = link.name}};
            chain.rules.push_back({.statements = {Verdict{VerdictKind::jump, kFrames}}});
            // By index and not only by the hook: a later interface may get the name, and with it
            // the chain, before we hear of it.
            const MatchSet ours{{Field::iif}, interfaces_};
            if (options_.log_group) {
                chain.rules.push_back(
                    {.statements = {ours, nft::Limit{.packets_per_second = kLogPerSecond},
                                    nft::Log{.group = *options_.log_group, .prefix = "spoofed"}}});
            }
            nft::Rule refuse{.statements = {ours, nft::Counter{}},
                             .comment = link.pod.name.empty()
                                            ? kNobodys
                                            : to_string(link.pod).substr(0, nft::kCommentBytesMax)};
            if (options_.mode == AntiSpoofMode::enforce) {
                refuse.statements.emplace_back(Verdict{VerdictKind::drop});
            }
            chain.rules.push_back(std::move(refuse));
            table_.chains.emplace(hook_chain(link), std::move(chain));
        }
    }

    const std::map<LinkIndex, PodLink>& links_;
    const AntiSpoofOptions& options_;
    nft::Table table_;
    std::string interfaces_;
    PerFamily<std::string> own_;
    PerFamily<std::string> annotated_;
};

}  // namespace

std::string_view to_string(AntiSpoofMode mode) {
    switch (mode) {
        case AntiSpoofMode::off:
            return "off";
        case AntiSpoofMode::audit:
            return "audit";
        case AntiSpoofMode::enforce:
            return "enforce";
    }
    return "unknown";
}

bool is_nobodys(const nft::Chain& hook) {
    return !hook.rules.empty() && hook.rules.back().comment == kNobodys;
}

std::string hook_chain(const PodLink& link) {
    std::string name = std::string(kHookPrefix) + std::to_string(link.index) + "-" + link.name;
    // nft's identifiers; the kernel lets an interface be called nearly anything.
    std::ranges::replace_if(
        name, [](unsigned char c) { return c > '~' || (std::isalnum(c) == 0 && c != '-'); }, '_');
    return name;
}

std::optional<LinkIndex> link_of_hook_chain(std::string_view chain) {
    if (!chain.starts_with(kHookPrefix)) return std::nullopt;
    chain.remove_prefix(kHookPrefix.size());
    LinkIndex index = 0;
    const auto [end, error] = std::from_chars(chain.data(), chain.data() + chain.size(), index);
    return error == std::errc() && end != chain.data() + chain.size() && *end == '-'
               ? std::optional(index)
               : std::nullopt;
}

nft::Table compile_anti_spoof(const std::map<LinkIndex, PodLink>& links,
                              const AntiSpoofOptions& options) {
    return Builder(links, options).build();
}

}  // namespace podfence
