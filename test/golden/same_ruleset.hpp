#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nft/ruleset.hpp"

namespace podfence::test {

/// Why the goldens cannot run here, for PODFENCE_SKIP; nullopt: they can.
std::optional<std::string> golden_missing();

/// Loads the tables' text with nft in one namespace and commits them with our encoder in another:
/// nft must list both identically, and every table must dump to the value it came from, in both.
/// The tables have different ids. Many go through one run of nft, which costs a second on an
/// emulated machine; should anything be wrong, each goes alone, so that the right one is blamed.
void check_same_rulesets(const std::vector<nft::Table>& tables);

}  // namespace podfence::test
