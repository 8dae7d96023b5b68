#pragma once

#include <cstdint>
#include <optional>

#include "nft/batch.hpp"
#include "nft/error.hpp"
#include "nft/wire_buffer.hpp"

/// Batches as the netlink messages nf_tables takes. Tables, sets, chains and rules go through
/// libnftnl; elements, the hot path, are written by libmnl straight into the buffer.
namespace podfence::nft::wire {

/// NFPROTO_* of a table.
std::uint8_t protocol_of(TableFamily family);

/// Appends `batch` between NFNL_MSG_BATCH_BEGIN and _END to `out`. The first message has sequence
/// number `sequence`; every message of operation i has `sequence + 1 + i`, so that the kernel's
/// refusals name the operation. Only the last operation's message asks for an ack: by it the kernel
/// confirms the whole. With `generation` the kernel refuses the batch (ERESTART) when the ruleset
/// has moved on. Errors: rejected, with the index of an operation that cannot be expressed (an
/// Opaque statement, a name or comment too long, a key that does not fit the set's type). Tables
/// are made with `table_flags` (NFT_TABLE_F_*).
Result<void> encode(const Batch& batch, std::optional<std::uint32_t> generation,
                    std::uint32_t sequence, WireBuffer& out, std::uint32_t table_flags = 0);

/// Appends one message, in a batch of its own, that sets the flags of a table or makes it; numbered
/// as by encode(), and asks for an ack.
void encode_claim(const TableId& table, std::optional<std::uint32_t> generation,
                  std::uint32_t sequence, WireBuffer& out);

/// The frame of a batch, for those who compose one of encoded messages.
void begin_batch(std::optional<std::uint32_t> generation, std::uint32_t sequence, WireBuffer& out);
void end_batch(std::uint32_t sequence, WireBuffer& out);

/// "add set x": one operation in a few words, for error messages.
std::string describe(const Op& op);

}  // namespace podfence::nft::wire
