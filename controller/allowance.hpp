#pragma once

#include <algorithm>
#include <chrono>

namespace podfence {

/// How much of the time some work may take. What is not used is saved up, so that a few pieces of
/// it one after another are done at once, each, while a storm of them becomes few. Asks no clock.
class Allowance {
  public:
    using Duration = std::chrono::steady_clock::duration;
    using Time = std::chrono::steady_clock::time_point;

    struct Terms {
        int factor;           ///< The work may take one part in so many of the time.
        Duration credit_max;  ///< What is saved up at most.
        Duration pause_max;   ///< Nothing waits longer.
    };

    explicit Allowance(Terms terms) : terms_(terms) {}

    /// The work took from `began` to `done`. Gives when there may be more of it.
    Time spend(Time began, Time done) {
        const auto earned = std::max(began - credited_at_, Duration{}) / terms_.factor;
        credit_ = std::min(credit_ + earned, terms_.credit_max) - (done - began);
        // A debt is what nothing is done for; more than that is forgiven.
        credit_ = std::max(credit_, -terms_.pause_max / terms_.factor);
        credited_at_ = done;
        return done + std::max(-credit_, Duration{}) * terms_.factor;
    }

  private:
    Terms terms_;
    Duration credit_{};  ///< As of credited_at_.
    Time credited_at_{};
};

}  // namespace podfence
