#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <list>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "test/cluster/probe/commands.hpp"
#include "test/cluster/probe/end_of_input.hpp"
#include "test/cluster/probe/resent.hpp"

namespace podfence::probe {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{5};
constexpr std::chrono::seconds kSilenceMax{1};
constexpr std::chrono::seconds kPatience{60};

/// One connection, and how it went.
class Held {
  public:
    Held(asio::io_context& io, const Endpoint& target) : target_(target), socket_(io), timer_(io) {
        // What cannot even be opened throws, and main says so.
        socket_.connect(target);
        socket_.set_option(tcp::no_delay(true));
        say();
    }

    /// Prints it; whether it never broke nor was kept from speaking. A silence in which neither end
    /// had to send anything again was no lost packet: a program waited for a processor.
    bool report() {
        // What has not come back by now counts as long as it has been awaited.
        if (awaited_) longest_ = std::max(longest_, Clock::now() - said_);
        if (!error_) resent_ += resent(socket_);
        std::cout << target_ << ": " << answers_ << " answers, the slowest after "
                  << std::chrono::duration_cast<std::chrono::milliseconds>(longest_).count()
                  << " ms, sent again " << resent_ << " times";
        if (error_) std::cout << ", then " << error_.message();
        std::cout << '\n';
        const bool lost = longest_ >= kSilenceMax && resent_ > 0;
        return answers_ > 0 && !error_ && !lost && longest_ < kPatience;
    }

  private:
    void say() {
        said_ = Clock::now();
        awaited_ = true;
        asio::async_write(socket_, asio::buffer(said_byte_), [this](error_code error, std::size_t) {
            if (error) return broken(error);
            asio::async_read(socket_, asio::buffer(answer_), [this](error_code e, std::size_t) {
                if (e) return broken(e);
                heard();
            });
        });
    }
    void heard() {
        ++answers_;
        // The server's own count, modulo 256.
        resent_ += static_cast<std::uint8_t>(answer_[0] - answered_before_);
        answered_before_ = answer_[0];
        awaited_ = false;
        longest_ = std::max(longest_, Clock::now() - said_);
        timer_.expires_after(kPause);
        timer_.async_wait([this](error_code error) {
            if (!error) say();
        });
    }
    void broken(error_code error) {
        error_ = error;
        awaited_ = false;
    }

    Endpoint target_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    std::array<std::uint8_t, 1> said_byte_{'x'};
    std::array<std::uint8_t, 1> answer_{};
    std::uint8_t answered_before_ = 0;
    Clock::time_point said_;
    Clock::duration longest_{};
    std::size_t answers_ = 0;
    std::size_t resent_ = 0;
    bool awaited_ = false;
    error_code error_;
};

}  // namespace

int hold(const std::vector<Endpoint>& targets) {
    asio::io_context io;
    const EndOfInput end(io);
    std::list<Held> all;
    for (const auto& target : targets) all.emplace_back(io, target);
    std::cout << "holding" << std::endl;
    io.run();
    bool fine = true;
    for (auto& held : all) fine = held.report() && fine;
    return fine ? kFine : kFinding;
}

}  // namespace podfence::probe
