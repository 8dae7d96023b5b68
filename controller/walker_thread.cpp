#include "controller/walker_thread.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace podfence {

namespace {

/// What the event loop has not come to yet is bounded; the thread waits for it.
constexpr std::size_t kUntoldMax = 16;
/// So many connections are told of in the time that the kernel takes for an empty table.
constexpr std::size_t kTellingMax = 2500;
/// How often a list that the kernel calls interrupted is begun again at once.
constexpr int kAttemptsMax = 5;

}  // namespace

WalkerThread::WalkerThread(boost::asio::io_context& io, std::unique_ptr<nft::Conntrack> conntrack,
                           Listener& listener)
    : io_(io),
      conntrack_(std::move(conntrack)),
      listener_(listener),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

WalkerThread::~WalkerThread() {
    thread_.request_stop();
    thread_.join();
}

void WalkerThread::start(Walk walk) {
    {
        const std::lock_guard lock(mutex_);
        PODFENCE_CHECK(!next_);
        next_ = std::move(walk);
    }
    wake_.notify_one();
}

void WalkerThread::run(const std::stop_token& stop) {
    for (;;) {
        Walk walk;
        {
            std::unique_lock lock(mutex_);
            if (!wake_.wait(lock, stop, [this] { return next_.has_value(); })) return;
            walk = *std::exchange(next_, std::nullopt);
        }
        auto result = go(walk, stop);
        if (stop.stop_requested()) return;
        boost::asio::post(io_, [this, result = std::move(result)] { listener_.walked(result); });
    }
}

nft::Result<void> WalkerThread::go(const Walk& walk, const std::stop_token& stop) {
    auto filters = walk.filters;
    const auto count = conntrack_->count();
    if (count && filters.size() > 1 && *count <= kTellingMax * (filters.size() - 1)) {
        filters.assign(1, {});
    }
    for (const auto& filter : filters) {
        auto listed = list(walk, filter, stop);
        for (int attempt = 1; attempt < kAttemptsMax && !stop.stop_requested(); ++attempt) {
            if (listed || listed.error().code != nft::Errc::interrupted) break;
            listed = list(walk, filter, stop);
        }
        if (!listed) return listed;
        // While the kernel looks for the next list it marks nothing: both take the lock of its
        // nfnetlink subsystem.
        if (!await_told(0, stop)) break;
    }
    return {};
}

nft::Result<void> WalkerThread::list(const Walk& walk, const nft::ConnectionFilter& filter,
                                     const std::stop_token& stop) {
    Piece piece;
    auto listed = conntrack_->list(filter, [&](const nft::Connection& connection) {
        if (!walk.wants(connection)) return true;
        piece.push_back(connection);
        return piece.size() < kPieceMax || hand_over(piece, stop);
    });
    hand_over(piece, stop);
    return listed;
}

/// Until the event loop has come to all but so many pieces. False when the thread is to end.
bool WalkerThread::await_told(std::size_t untold_max, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    return wake_.wait(lock, stop, [&] { return untold_ <= untold_max; });
}

/// False when the thread is to end.
bool WalkerThread::hand_over(Piece& piece, const std::stop_token& stop) {
    if (piece.empty()) return true;
    if (!await_told(kUntoldMax - 1, stop)) return false;
    {
        const std::lock_guard lock(mutex_);
        ++untold_;
    }
    boost::asio::post(io_, [this, told = std::exchange(piece, {})] {
        listener_.met(told);
        {
            const std::lock_guard lock(mutex_);
            --untold_;
        }
        wake_.notify_one();
    });
    return true;
}

}  // namespace podfence
