#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "controller/reconciler.hpp"

namespace podfence {

/// Calls whoever steps a reconciler when that is due next: at its time, and when the packets have
/// passed that it waits for. For these it has a thread of its own, since the kernel makes the one
/// who asks wait for some ms (nft/passage.hpp).
class Waker {
  public:
    /// `due` is called in the io_context. The reconciler is not owned.
    Waker(boost::asio::io_context& io, Reconciler& reconciler, std::function<void()> due);
    ~Waker();
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;
    Waker(Waker&&) = delete;
    Waker& operator=(Waker&&) = delete;

    /// After every step. `sooner`: not later than this, for reasons of the caller's own.
    void sleep(std::optional<Reconciler::Time> sooner = std::nullopt);
    void stop() { timer_.cancel(); }

  private:
    void await_packets();

    boost::asio::io_context& io_;
    Reconciler& reconciler_;
    std::function<void()> due_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
    boost::asio::thread_pool thread_{1};  ///< Last: it uses the others.
};

}  // namespace podfence
