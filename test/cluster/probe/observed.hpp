#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "test/cluster/probe/commands.hpp"
#include "test/cluster/probe/knocker.hpp"

namespace podfence::probe {

/// Knocks at one target in a thread of its own, and keeps how each knock ended until it is asked
/// for: knocks that reach are told at once, those that do not at the end of their patience.
class Observed {
  public:
    Observed(const Endpoint& target, std::chrono::microseconds pace,
             std::chrono::milliseconds patience);
    ~Observed();

    /// The next that ended, in the order in which they ended. nullopt: none until then.
    std::optional<Knock> next(Clock::time_point until);

  private:
    boost::asio::io_context io_;
    Knocker knocker_;
    std::mutex mutex_;
    std::condition_variable more_;
    std::deque<Knock> ended_;
    std::thread thread_;
};

}  // namespace podfence::probe
