#pragma once

#include <optional>
#include <string>

#include "nft/ruleset.hpp"

namespace podfence::test {

/// Why the goldens cannot run here, for PODFENCE_SKIP; nullopt: they can.
std::optional<std::string> golden_missing();

/// Loads the table's text with nft in one namespace and commits it with our encoder in another: nft
/// must list both identically, and both must dump to the value they came from.
void check_same_ruleset(const nft::Table& table);

}  // namespace podfence::test
