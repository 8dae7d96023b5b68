#pragma once

#include <cstdint>
#include <string>

#include "nft/ruleset.hpp"
#include "nft/wire_buffer.hpp"
#include "nft/wire_elements.hpp"

namespace podfence::nft::wire {

/// Where a rule goes.
struct RuleTarget {
    TableFamily family = TableFamily::inet;
    const std::string& table;
    const std::string& chain;
    std::uint32_t sequence = 0;
};

/// Appends one NFT_MSG_NEWRULE that puts `rule` behind the chain's others. Refuses statements that
/// are Opaque, names, prefixes and comments that are too long, and more expressions than the
/// kernel takes in a rule.
Refusal put_rule(const RuleTarget& target, const Rule& rule, WireBuffer& out);

}  // namespace podfence::nft::wire
