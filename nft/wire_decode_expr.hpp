#pragma once

#include <optional>
#include <vector>

#include "nft/ruleset.hpp"
#include "nft/wire_attr.hpp"
#include "nft/wire_expr.hpp"

namespace podfence::nft::wire {

/// The expressions of a rule from NFTA_RULE_EXPRESSIONS. What is not exactly as we write it comes
/// back as Unknown.
std::vector<Expr> decode_exprs(Bytes list);

/// A verdict from NFTA_DATA_VERDICT; nullopt: one that we never write (queue, continue, break).
std::optional<Verdict> decode_verdict(Bytes nest);

/// A name or text from the kernel, with '?' for what a terminal should not see.
std::string printable(std::string text);

}  // namespace podfence::nft::wire
