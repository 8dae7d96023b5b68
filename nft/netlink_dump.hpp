#pragma once

#include "nft/kernel.hpp"
#include "nft/netlink_socket.hpp"
#include "nft/wire_buffer.hpp"

namespace podfence::nft {

/// The generation of the namespace's ruleset: every commit of anyone adds one.
/// Errors: not_permitted, not_supported, overrun, malformed, io.
Result<std::uint32_t> read_generation(NetlinkSocket& socket, wire::WireBuffer& scratch);

/// One consistent view of a table, at the cost of that table: sets, elements and rules of others
/// are not even looked at (chains of others of the same family are: before 6.18 the kernel cannot
/// filter them).
///
/// A table is dumped in many requests, and the kernel promises nothing from one to the next. First
/// it is tried by the generation: equal before and after means that nothing happened. But the
/// generation is the whole namespace's, and others (kube-proxy in its nftables mode, docker,
/// fail2ban) may commit faster than we can dump. So after kPlainDumpsMax attempts we subscribe to
/// the kernel's notifications and dump again: what counts then is that no commit between the two
/// generations touched *our* table. That bounds our waiting by changes to our own table, which is
/// the only thing that we need.
/// Errors: as read_generation, and interrupted when every attempt was disturbed.
Result<Snapshot> dump_table(NetlinkSocket& socket, wire::WireBuffer& scratch, const TableId& id);

}  // namespace podfence::nft
