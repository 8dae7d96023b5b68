#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "controller/self_test/flows.hpp"
#include "controller/self_test/pods.hpp"

namespace podfence::self_test {

/// Packets that our rules have denied so far, whoever of the two pods' rules it was.
using DeniedCount = std::function<nft::Result<std::uint64_t>()>;

/// How long a packet is waited for that neither arrives nor is counted. Where one was lost, others
/// most likely are too, and are not waited for that long. Shorter than what TCP waits before it
/// sends again (1 s), so that one flow is one packet.
inline constexpr std::chrono::milliseconds kPatience{600};
inline constexpr std::chrono::milliseconds kImpatience{150};

/// Sends what each flow begins with, one after another, and tells what became of it. Errors: of
/// `denied`, and of the sockets themselves.
nft::Result<std::vector<Fate>> try_flows(const Pods& pods, const PodAddresses& addresses,
                                         const std::vector<Flow>& flows, const DeniedCount& denied);

}  // namespace podfence::self_test
