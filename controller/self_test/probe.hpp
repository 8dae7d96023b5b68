#pragma once

#include <chrono>
#include <vector>

#include "controller/self_test/flows.hpp"
#include "controller/self_test/pods.hpp"
#include "controller/self_test/rules.hpp"

namespace podfence::self_test {

/// How long a packet is waited for that neither arrives nor is counted. Where one was lost, others
/// most likely are too, and are not waited for that long. Shorter than what TCP waits before it
/// sends again (1 s), so that one flow is one packet.
inline constexpr std::chrono::milliseconds kPatience{600};
inline constexpr std::chrono::milliseconds kImpatience{150};
/// Likewise after a connection was cut.
inline constexpr std::chrono::milliseconds kCutPatience{100};

/// Sends what each flow begins with, one after another, and tells what became of it; of those to be
/// cut, what became of the first packets after that, of UDP in both directions. Such a flow that
/// never was open, or of which conntrack knows nothing, is lost. Errors: of `rules`, and of the
/// sockets themselves.
nft::Result<std::vector<Fate>> try_flows(const Pods& pods, const PodAddresses& addresses,
                                         const std::vector<Flow>& flows, const Rules& rules);

}  // namespace podfence::self_test
