#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/log.hpp"

namespace podfence {

/// Lets a log say what it suppressed when nothing else makes it: once it may, and at the end.
class LogTimer {
  public:
    /// Neither is owned.
    LogTimer(boost::asio::io_context& io, Log& log);
    ~LogTimer();
    LogTimer(const LogTimer&) = delete;
    LogTimer& operator=(const LogTimer&) = delete;

  private:
    void arm();

    Log& log_;
    boost::asio::steady_timer timer_;
};

}  // namespace podfence
