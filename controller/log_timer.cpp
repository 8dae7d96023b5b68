#include "controller/log_timer.hpp"

namespace podfence {

LogTimer::LogTimer(boost::asio::io_context& io, Log& log) : log_(log), timer_(io) {
    log_.on_suppressed([this] { arm(); });
}

LogTimer::~LogTimer() {
    log_.on_suppressed({});
    log_.tell_suppressed(true);
}

void LogTimer::arm() {
    const auto due = log_.due();
    if (!due) return;
    timer_.expires_at(*due);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (cancelled) return;
        log_.tell_suppressed();
        arm();
    });
}

}  // namespace podfence
