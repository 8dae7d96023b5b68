#pragma once

#include <cstdint>
#include <vector>

#include "nft/ruleset.hpp"
#include "test/support/random.hpp"

namespace podfence::test {

/// A table with sets and maps of every kind, with chains and with rules of every statement, which
/// nf_tables and nft both take: no loops, no addresses of two families in one rule.
nft::Table random_table(std::uint64_t seed, nft::TableId id = {});

/// `count` different elements of a set, sorted; fewer where the key has no more values. Disjoint in
/// interval sets. First and last values of the key are likelier than chance has them.
std::vector<nft::Element> random_elements(Random& random, const nft::SetSpec& spec,
                                          std::size_t count);

/// The table some changes later: elements, entries, rules, sets, maps and chains come, change and
/// go. Everything in it is taken by nf_tables; nothing that both have differs in what is fixed when
/// it is made, so no change needs a rebuild.
nft::Table changed_table(std::uint64_t seed, nft::Table table);

}  // namespace podfence::test
