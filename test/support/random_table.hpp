#pragma once

#include <cstdint>
#include <random>

#include "nft/ruleset.hpp"

namespace podfence::test {

/// Seeded: the same seed gives the same values on every machine (no std::*_distribution, whose
/// results are the library's own).
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    /// 0..bound-1
    std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
    bool chance(unsigned percent) { return below(100) < percent; }

  private:
    std::mt19937_64 engine_;
};

/// A table with sets and maps of every kind, with chains and with rules of every statement, which
/// nf_tables and nft both take: no loops, no addresses of two families in one rule.
nft::Table random_table(std::uint64_t seed, nft::TableId id = {});

/// `count` different elements of a set, sorted; fewer where the key has no more values. Disjoint in
/// interval sets. First and last values of the key are likelier than chance has them.
std::vector<nft::Element> random_elements(Random& random, const nft::SetSpec& spec,
                                          std::size_t count);

}  // namespace podfence::test
