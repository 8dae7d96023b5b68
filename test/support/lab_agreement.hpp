#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "test/support/lab_rig.hpp"

/// The two judges of agreement.hpp and the third, real packets through the kernel.
namespace podfence::lab {

/// The lab of the random runs: eight pods a node and two addresses lent to the outside host, which
/// policies may name as blocks.
LabSpec agreement_lab(Wiring first, Wiring second);
/// Where its hosts listen.
inline const std::vector<std::uint16_t> kAgreementPorts{53, 80, 81, 443, 8080};

struct PlaySize {
    std::size_t events = 3;
    std::size_t flows_per_state = 250;
    std::size_t flows() const { return (1 + events) * flows_per_state; }
};

/// Plays the random cluster of a seed and what becomes of it: every state is converged to from the
/// one before, and then a second time, which must find nothing to do; on random flows all three
/// must agree. nullopt: they do. Else on what they do not, and on how little of the cluster.
/// Throws Failure when the lab itself fails.
std::optional<std::string> play(Rig& rig, std::uint64_t seed, const PlaySize& size = {});

}  // namespace podfence::lab
