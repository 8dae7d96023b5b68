#pragma once

#include <chrono>

namespace podfence {

/// Events that arrive together are to go into the kernel together, which looks for a set by its
/// name among all of the table's, once a commit and set (nft_set_lookup() in net/netfilter/
/// nf_tables_api.c). Says whether more events are on their way. Asks no clock.
class Gathering {
  public:
    using Time = std::chrono::steady_clock::time_point;

    /// How long anything waits for what follows it without a break. Below the pause that the
    /// reconciler keeps between commits in a storm.
    static constexpr std::chrono::milliseconds kMax{20};
    /// Turns of the event loop that bring nothing are the end: a TLS record may take two to arrive.
    static constexpr int kQuietTurns = 2;

    /// An event has come.
    void add(Time now) {
        if (!gathers_) until_ = now + kMax;
        gathers_ = true;
        quiet_turns_ = 0;
    }
    /// Somebody waits for what has come: nothing more is awaited.
    void hurry() { hurries_ = true; }
    /// Asked once in each turn of the event loop. False: nothing is worth waiting for.
    bool goes_on(Time now) {
        gathers_ = gathers_ && !hurries_ && quiet_turns_++ < kQuietTurns && now < until_;
        hurries_ = false;
        return gathers_;
    }

  private:
    bool gathers_ = false;
    bool hurries_ = false;
    Time until_{};
    int quiet_turns_ = 0;
};

}  // namespace podfence
