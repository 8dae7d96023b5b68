#include "test/cluster/probe/knocker.hpp"

#include <algorithm>
#include <utility>

#include <poll.h>

#include "test/cluster/probe/resent.hpp"

namespace podfence::probe {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Whether a connection that was begun is open by now.
bool is_open(tcp::socket& socket) {
    pollfd writable{.fd = socket.native_handle(), .events = POLLOUT, .revents = 0};
    return ::poll(&writable, 1, 0) == 1 && writable.revents == POLLOUT;
}

}  // namespace

Knocker::Knocker(boost::asio::io_context& io, Options options,
                 std::function<void(const Knock&)> told)
    : options_(std::move(options)), told_(std::move(told)), io_(io), timer_(io) {}

void Knocker::start() {
    timer_.expires_at(Clock::now());
    tick();
}

void Knocker::tick() {
    while (!under_way_.empty() && under_way_.front().begin + options_.patience <= Clock::now()) {
        // The answer may have come while others had the processor.
        end(under_way_.begin(), is_open(under_way_.front().socket));
    }
    knock();
    // What was missed while others had the processor is not made up for.
    timer_.expires_at(std::max(timer_.expiry() + options_.pace, Clock::now()));
    timer_.async_wait([this](error_code error) {
        if (!error) tick();
    });
}

void Knocker::knock() {
    const std::size_t target =
        std::exchange(next_target_, (next_target_ + 1) % options_.targets.size());
    under_way_.push_back({target, Clock::now(), tcp::socket(io_)});
    const auto attempt = std::prev(under_way_.end());
    attempt->socket.async_connect(options_.targets[target], [this, attempt](error_code error) {
        // Those that had no answer in time are gone from the list.
        if (error != boost::asio::error::operation_aborted) end(attempt, !error);
    });
}

void Knocker::end(std::list<Attempt>::iterator attempt, bool open) {
    Knock knock{attempt->target, attempt->begin, Clock::now(), open};
    // TCP knocks again by itself: who was let in only then was kept out before.
    const bool missed = !open || resent(attempt->socket) > 0;
    error_code ignored;
    // A reset, or the port would be kept for a minute.
    if (open) attempt->socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
    attempt->socket.close(ignored);
    under_way_.erase(attempt);
    if (missed) {
        knock.reached = false;
        told_(knock);
    }
    if (open) {
        knock.reached = true;
        told_(knock);
    }
}

}  // namespace podfence::probe
