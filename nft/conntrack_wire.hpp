#pragma once

#include <cstdint>
#include <optional>

#include "nft/conntrack.hpp"
#include "nft/wire_attr.hpp"
#include "nft/wire_buffer.hpp"

/// Connections as the messages of ctnetlink (net/netfilter/nf_conntrack_netlink.c).
namespace podfence::nft::wire {

/// Asks for all connections that the filter takes; the kernel tells of others, too.
void put_list_request(const ConnectionFilter& filter, std::uint32_t sequence, WireBuffer& out);
/// Asks how many there are.
void put_count_request(std::uint32_t sequence, WireBuffer& out);
/// nullopt: not an answer to that.
std::optional<std::uint32_t> decode_count(const Message& message);
/// Asks for the one connection with this original direction.
void put_find_request(const Tuple& original, std::uint16_t zone, std::uint32_t sequence,
                      WireBuffer& out);
/// Changes the mark of a connection that is there; answered only if that fails.
void put_mark(const Connection& connection, std::uint32_t mask, std::uint32_t mark,
              std::uint32_t sequence, WireBuffer& out);

/// nullopt: no connection, or one that is not IP.
std::optional<Connection> decode_connection(const Message& message);

}  // namespace podfence::nft::wire
