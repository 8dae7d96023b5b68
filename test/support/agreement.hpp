#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

/// Two judges that share no code on every flow of random clusters: the oracle on the objects, and a
/// packet's walk through what is compiled for every node it crosses.
namespace podfence::test {

/// How many flows of each kind were judged, so that a generator that went blind is noticed.
struct Tally {
    std::size_t flows = 0;
    std::size_t allowed = 0;
    std::size_t judged = 0;  ///< By policies: neither open nor exempted.
    std::size_t judged_and_allowed = 0;
    std::size_t held = 0;  ///< Because no known pod has the address.
};

inline constexpr std::size_t kFlowsPerCluster = 80;

/// Judges flows of the seed's cluster and counts them. nullopt: the judges agree on all. Else the
/// first that they do not agree on, with everything a person needs, on as little of the cluster as
/// shows it.
std::optional<std::string> find_disagreement(std::uint64_t seed, Tally& tally);

}  // namespace podfence::test
