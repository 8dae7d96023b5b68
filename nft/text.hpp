#pragma once

#include <string>

#include "nft/batch.hpp"
#include "nft/ruleset.hpp"

/// The text form in nft syntax: `nft -f` loads it, and the ruleset it makes is listed identically
/// to the one our encoder makes (test/golden).
namespace podfence::nft {

/// A whole table as `table inet podfence { ... }`.
std::string to_text(const Table& table);
std::string to_text(const Rule& rule);
std::string to_text(const Statement& statement);
std::string to_text(const Verdict& verdict);
std::string to_text(const SetSpec& spec, const Element& element);
/// One command a line, as `nft -f` takes them, e.g. `add element inet podfence x { 10.0.0.1 }`.
std::string to_text(const TableId& table, const Op& op);
std::string to_text(const Batch& batch);

}  // namespace podfence::nft
