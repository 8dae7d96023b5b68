#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "nft/addr.hpp"

/// The ruleset of one nftables table as plain values. What is decoded from a dump and what is
/// compiled from policies are the same types and compare with `==`: start-up, drift and steady
/// state need one path. Kernel handles and counters' contents are not part of the value.
namespace podfence::nft {

/// Names in nf_tables end at 255 bytes (NFT_NAME_MAXLEN 256); comments are userdata whose longest
/// string nft accepts is 128 bytes with the terminating zero.
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kCommentBytesMax = 127;

enum class TableFamily : std::uint8_t { inet, netdev };

struct TableId {
    TableFamily family = TableFamily::inet;
    std::string name = "podfence";

    friend auto operator<=>(const TableId&, const TableId&) = default;
};

/// Data types of set keys, as nft names them. Their size is what a register holds.
enum class FieldType : std::uint8_t {
    ipv4_addr,
    ipv6_addr,
    inet_proto,
    inet_service,
    icmpv6_type,
    iface_index,  ///< In a key in host byte order, as the kernel compares it.
    ether_type,
};

/// What a rule can look up in a packet.
enum class Field : std::uint8_t {
    ip_saddr,     ///< ip saddr
    ip_daddr,     ///< ip daddr
    ip6_saddr,    ///< ip6 saddr
    ip6_daddr,    ///< ip6 daddr
    l4proto,      ///< meta l4proto: past IPv6 extension headers (corner case 59)
    th_dport,     ///< th dport
    icmpv6_type,  ///< icmpv6 type
    th_sport,     ///< th sport
    // Of use in a netdev table:
    iif,           ///< iif
    ether_type,    ///< ether type: that of the tag where a frame has one
    arp_saddr_ip,  ///< arp saddr ip
    arp_daddr_ip,  ///< arp daddr ip
    nd_target,     ///< icmpv6 taddr: the address that neighbour discovery is about
};

FieldType type_of(Field field);
/// Bytes of the value itself.
std::size_t size_of(FieldType type);
/// Bytes in a concatenation: each field is padded to a multiple of 4 (a 32-bit register).
std::size_t padded_size_of(FieldType type);

/// A key of a set: the concatenated fields, each in network byte order and, in a concatenation,
/// padded with zeros to 4 bytes. A key of a single field is not padded.
class Key {
  public:
    static constexpr std::size_t kBytesMax = 32;  // ipv6_addr . ipv6_addr

    constexpr Key() = default;
    /// A key as the kernel holds it: at most kBytesMax.
    explicit Key(std::span<const std::uint8_t> bytes) { append(bytes, false); }
    /// Appends a field's bytes, padded to 4 with zeros when `padded`.
    Key& append(std::span<const std::uint8_t> bytes, bool padded);

    std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }

    friend auto operator<=>(const Key&, const Key&) = default;

  private:
    std::array<std::uint8_t, kBytesMax> bytes_{};
    std::uint8_t size_ = 0;
};

/// One value of a field of a concatenation, for building and printing keys: an interface's index is
/// the 32-bit number.
using FieldValue = std::variant<Address, std::uint8_t, std::uint16_t, std::uint32_t>;
/// `values` in the order and of the types of `types` (all numbers in host byte order).
Key make_key(std::span<const FieldType> types, std::span<const FieldValue> values);
std::vector<FieldValue> split_key(std::span<const FieldType> types, const Key& key);

/// An element of a set. In a set without intervals `last` equals `first`. In an interval set of one
/// field the element is the inclusive range first..last; in an interval set of a concatenation each
/// field has its own inclusive range.
struct Element {
    Key first;
    Key last;

    friend auto operator<=>(const Element&, const Element&) = default;
};

/// Jumps one after another that the kernel's validation of a chain graph stops short of
/// (NFT_JUMP_STACK_SIZE); it refuses loops too.
inline constexpr std::size_t kJumpsMax = 16;

enum class VerdictKind : std::uint8_t { accept, drop, go_to, jump, ret };

struct Verdict {
    VerdictKind kind = VerdictKind::accept;
    std::string chain{};  ///< Only for go_to and jump.

    friend auto operator<=>(const Verdict&, const Verdict&) = default;
};

/// An element of a verdict map. The comment belongs to the element (userdata).
struct MapEntry {
    Element key;
    Verdict verdict;
    std::string comment{};

    friend auto operator<=>(const MapEntry&, const MapEntry&) = default;
};

/// What is fixed when a set or map is made; a change needs a new set.
struct SetSpec {
    std::vector<FieldType> key;
    bool interval = false;
    std::uint32_t size = 0;  ///< Declared capacity in elements; 0: not declared.
    std::string comment{};

    friend bool operator==(const SetSpec&, const SetSpec&) = default;
};

/// Elements are sorted and unique; in an interval set of one field also disjoint.
struct Set {
    SetSpec spec;
    std::vector<Element> elements{};

    friend bool operator==(const Set&, const Set&) = default;
};

/// A verdict map; entries are sorted by key, keys unique.
struct Map {
    SetSpec spec;
    std::vector<MapEntry> entries{};

    friend bool operator==(const Map&, const Map&) = default;
};

// ---- statements -----------------------------------------------------------------------------

/// Bits of `ct state` as the kernel has them (NF_CT_STATE_BIT).
enum CtState : std::uint32_t { ct_invalid = 1, ct_established = 2, ct_related = 4, ct_new = 8 };

struct MatchCtState {  ///< ct state established,related
    std::uint32_t any_of = 0;
    friend bool operator==(const MatchCtState&, const MatchCtState&) = default;
};
struct MatchCtMark {  ///< ct mark & 0x10000000 == 0x10000000
    std::uint32_t mask = 0;
    std::uint32_t value = 0;
    friend bool operator==(const MatchCtMark&, const MatchCtMark&) = default;
};
/// fib saddr type local: the node itself says it. Not for netdev tables.
struct MatchSourceLocal {
    friend bool operator==(const MatchSourceLocal&, const MatchSourceLocal&) = default;
};
struct MatchSet {  ///< ip saddr . ip daddr @name
    std::vector<Field> key;
    std::string set;
    friend bool operator==(const MatchSet&, const MatchSet&) = default;
};
struct LookupVerdict {  ///< meta l4proto . th dport vmap @name
    std::vector<Field> key;
    std::string map;
    friend bool operator==(const LookupVerdict&, const LookupVerdict&) = default;
};
struct Counter {  ///< counter (its numbers are not part of the value)
    friend bool operator==(const Counter&, const Counter&) = default;
};
struct Limit {  ///< limit rate 10/second burst 5 packets
    std::uint64_t packets_per_second = 0;
    std::uint32_t burst = 5;
    friend bool operator==(const Limit&, const Limit&) = default;
};
struct Log {  ///< log prefix "x" group 5
    std::uint16_t group = 0;
    std::string prefix{};
    friend bool operator==(const Log&, const Log&) = default;
};
/// meta l4proto tcp reject with tcp reset: drops the packet and resets its sender. What is not TCP
/// does not match. Not for netdev tables.
struct RejectTcpReset {
    /// tcp flags syn / fin,syn,rst,ack reject with tcp reset: only who opens a connection.
    bool opening_only = false;
    friend bool operator==(const RejectTcpReset&, const RejectTcpReset&) = default;
};
/// reject with icmpx admin-prohibited: drops the packet and tells its sender that somebody forbids
/// it, by ICMP or ICMPv6. The kernel limits how often it does. Not for netdev tables.
struct RejectProhibited {
    friend bool operator==(const RejectProhibited&, const RejectProhibited&) = default;
};
/// Something in the kernel's rule that we never write. Only decoding makes it; it is never equal to
/// anything wanted, so the chain gets rewritten.
struct Opaque {
    std::string what;
    friend bool operator==(const Opaque&, const Opaque&) = default;
};

using Statement =
    std::variant<MatchCtState, MatchCtMark, MatchSourceLocal, MatchSet, LookupVerdict, Counter,
                 Limit, Log, Verdict, RejectTcpReset, RejectProhibited, Opaque>;

struct Rule {
    std::vector<Statement> statements;
    std::string comment{};

    friend bool operator==(const Rule&, const Rule&) = default;
};

/// `ingress` is a netdev table's only hook here, and no other table's.
enum class Hook : std::uint8_t { prerouting, input, forward, output, postrouting, ingress };

/// type filter hook forward priority -10; policy accept;
/// type filter hook ingress device "veth0" priority -10; policy accept;
struct BaseChain {
    Hook hook = Hook::forward;
    std::int32_t priority = 0;
    bool policy_accept = true;
    /// The interface of an ingress chain, which alone has one. Until Linux 6.15 the chain goes with
    /// the interface and follows its name; from 6.16 it stays, and takes whoever has the name.
    std::string device{};

    friend bool operator==(const BaseChain&, const BaseChain&) = default;
};

struct Chain {
    std::optional<BaseChain> base{};
    std::string comment{};
    std::vector<Rule> rules{};

    friend bool operator==(const Chain&, const Chain&) = default;
};

struct Table {
    TableId id;
    /// NFT_TABLE_F_*: a dormant table enforces nothing. Its owner: Hold in nft/kernel.hpp.
    std::uint32_t flags = 0;
    std::map<std::string, Set> sets{};
    std::map<std::string, Map> maps{};
    std::map<std::string, Chain> chains{};
    /// What a dump found in the table that these types cannot express (flowtables, objects, sets of
    /// other types): one readable line each. Never wanted; its presence makes the planner rebuild
    /// the table.
    std::vector<std::string> foreign{};

    friend bool operator==(const Table&, const Table&) = default;
};

}  // namespace podfence::nft
