#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace podfence {

/// How long to wait before the next attempt: twice as long after each failure up to a limit, and
/// by chance down to half of that, so that agents that failed together do not come back together.
class Backoff {
  public:
    using Duration = std::chrono::milliseconds;

    struct Limits {
        Duration first{250};
        Duration max{30'000};
    };
    Backoff(Limits limits, std::uint64_t seed) : limits_(limits), random_(seed) {}

    /// After one more failure. At least `asked`, which is what a server's Retry-After says, with
    /// chance added to it, too. No longer than `max`, if that is less than the limit.
    Duration failed(Duration asked = Duration::zero(), Duration max = Duration::max());
    void succeeded() { failures_ = 0; }
    unsigned failures() const { return failures_; }
    /// least..most, both inclusive.
    Duration between(Duration least, Duration most);

  private:
    Limits limits_;
    std::minstd_rand random_;
    unsigned failures_ = 0;
};

}  // namespace podfence
