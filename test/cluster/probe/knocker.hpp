#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace podfence::probe {

using Clock = std::chrono::steady_clock;

/// One attempt to open a connection. The attempt ends when the connection is open or refused, and
/// at the end of patience when there was no answer at all.
struct Knock {
    std::size_t target = 0;
    Clock::time_point begin;
    Clock::time_point end;
    bool reached = false;
};

/// Opens connections at a steady pace, without waiting for the answers of former ones: so a moment
/// in which packets pass is found though all around it they vanish. A connection that opens is
/// reset at once.
class Knocker {
  public:
    struct Options {
        std::vector<boost::asio::ip::tcp::endpoint> targets;  ///< Taken in turns.
        std::chrono::microseconds pace{1000};
        /// Less than the second after which TCP knocks again: who is let in by that is another
        /// knock, and two are told, one that did not reach and one that did.
        std::chrono::milliseconds patience{300};
    };

    /// `told` gets each knock when it has ended.
    Knocker(boost::asio::io_context& io, Options options, std::function<void(const Knock&)> told);

    void start();

  private:
    struct Attempt {
        std::size_t target;
        Clock::time_point begin;
        boost::asio::ip::tcp::socket socket;
    };

    void tick();
    void knock();
    void end(std::list<Attempt>::iterator attempt, bool open);

    Options options_;
    std::function<void(const Knock&)> told_;
    boost::asio::io_context& io_;
    boost::asio::steady_timer timer_;
    std::list<Attempt> under_way_;  ///< The oldest first.
    std::size_t next_target_ = 0;
};

}  // namespace podfence::probe
