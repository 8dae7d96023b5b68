#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nft/ruleset.hpp"
#include "nft/wire_buffer.hpp"

/// Elements of sets and maps, written attribute by attribute into the buffer: the hot path. How a
/// range is stored is the backend's business and differs: a tree takes a start and an end element
/// (the first address behind the range, flagged INTERVAL_END; none when the range ends at the last
/// address), a concatenation takes one element with KEY and KEY_END.
namespace podfence::nft::wire {

/// Whose elements, and what to do with them.
struct ElementTarget {
    std::uint8_t protocol = 0;  ///< NFPROTO_* of the table.
    const std::string& table;
    const std::string& set;
    const SetSpec& spec;
    bool add = true;  ///< Else: delete, by key alone.
    std::uint32_t sequence = 0;
};

/// Why an operation cannot be expressed; nullopt: it can.
using Refusal = std::optional<std::string_view>;

/// Appends as many messages as the 64 KiB limit of a netlink attribute asks for; none when there
/// are no elements. Refuses keys whose length is not the spec's and comments that are too long.
Refusal put_elements(const ElementTarget& target, std::span<const Element> elements,
                     WireBuffer& out);
Refusal put_entries(const ElementTarget& target, std::span<const MapEntry> entries,
                    WireBuffer& out);

/// NF_ACCEPT, NF_DROP, NFT_GOTO...
std::uint32_t verdict_code(VerdictKind kind);

/// The number that follows `key` as a big-endian number; nullopt after the last one.
std::optional<Key> successor(const Key& key);
/// The number before it; nullopt before zero.
std::optional<Key> predecessor(const Key& key);
/// All bits set: the last address or port of `size` bytes.
Key last_key(std::size_t size);

}  // namespace podfence::nft::wire
