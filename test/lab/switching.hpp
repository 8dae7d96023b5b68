#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "test/support/lab_rig.hpp"

namespace podfence::lab {

/// Two policy sets for the same pods with the same labels, and the flows on which they agree.
struct PolicyPair {
    Cluster a;
    Cluster b;
    std::vector<Flow> always;  ///< Allowed by both.
    std::vector<Flow> never;   ///< Denied by both, in one and the same direction.
};

/// Random ones that agree on many flows either way. `seed` becomes the one that was taken.
PolicyPair choose_pair(const Rig& rig, std::uint64_t& seed);

inline constexpr std::size_t kSwitchesMin = 25;

/// Switches all nodes from one policy set to the other and back, as fast as it goes, on a thread of
/// its own.
class Switcher {
  public:
    Switcher(Rig& rig, const PolicyPair& pair);
    /// Whether it should go on: for the time, and on a slow machine, within a minute, until there
    /// were enough switches for what is said of them to mean something.
    bool go_on(std::chrono::steady_clock::duration time) const;
    /// Ends it; gives the number of switches. Throws the Failure that the thread met, if any.
    std::size_t stop();

  private:
    Rig& rig_;
    std::vector<Compiled> a_;
    std::vector<Compiled> b_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    std::atomic<std::size_t> switches_{0};
    std::string failure_;
    std::jthread thread_;
};

}  // namespace podfence::lab
