#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "nft/ruleset.hpp"
#include "nft/wire_attr.hpp"

/// What nf_tables tells those who subscribed: after every commit, what it changed, then one
/// NFT_MSG_NEWGEN (nft_commit_notify() and nf_tables_gen_notify() in
/// net/netfilter/nf_tables_api.c).
namespace podfence::nft::wire {

/// Whether a notification is about the table, or cannot be told not to be.
bool concerns(const Message& message, const TableId& id);

/// The end of a commit.
struct GenerationNotice {
    std::uint32_t id = 0;
    std::uint32_t pid = 0;  ///< Of who committed, in the first pid namespace; 0: not told.
    std::string process{};  ///< Its name, up to 15 bytes; anything may stand in it.
};
/// nullopt when the message is another.
std::optional<GenerationNotice> generation_notice(const Message& message);

}  // namespace podfence::nft::wire
