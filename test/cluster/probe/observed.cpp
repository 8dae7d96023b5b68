#include "test/cluster/probe/observed.hpp"

namespace podfence::probe {

Observed::Observed(const Endpoint& target, std::chrono::microseconds pace,
                   std::chrono::milliseconds patience)
    : knocker_(io_, {.targets = {target}, .pace = pace, .patience = patience},
               [this](const Knock& knock) {
                   const std::lock_guard lock(mutex_);
                   ended_.push_back(knock);
                   more_.notify_one();
               }) {
    knocker_.start();
    thread_ = std::thread([this] { io_.run(); });
}

Observed::~Observed() {
    io_.stop();
    thread_.join();
}

std::optional<Knock> Observed::next(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    if (!more_.wait_until(lock, until, [&] { return !ended_.empty(); })) return std::nullopt;
    const Knock knock = ended_.front();
    ended_.pop_front();
    return knock;
}

}  // namespace podfence::probe
