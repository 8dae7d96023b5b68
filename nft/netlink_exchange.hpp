#pragma once

#include <cstdint>
#include <functional>

#include "nft/error.hpp"
#include "nft/netlink_socket.hpp"
#include "nft/wire_buffer.hpp"

namespace podfence::nft {

/// How a request ended.
enum class Dumped : std::uint8_t {
    whole,
    disturbed,  ///< NLM_F_DUMP_INTR: the ruleset changed while it was being dumped.
    absent,     ///< ENOENT: no such table or set.
};

using OnMessage = std::function<void(const wire::Message&)>;

/// Sends the one request in `request` and hands over what comes back, to the end. `doing` is for
/// errors. Errors: not_permitted, not_supported (also: there is no such subsystem), overrun,
/// malformed, io, and any other refusal.
Result<Dumped> exchange(NetlinkSocket& socket, const wire::WireBuffer& request, const char* doing,
                        const OnMessage& on_message);

}  // namespace podfence::nft
