#pragma once

#include <memory>
#include <span>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/log.hpp"
#include "controller/metrics.hpp"
#include "controller/revoker.hpp"
#include "controller/walker_thread.hpp"

namespace podfence {

/// Joins the revoker to the kernel, the clock and the event loop, and says what it does.
class Revocation final : private RevokerObserver {
  public:
    /// For the network namespace that the calling thread is in; nullptr when established
    /// connections are to be kept, or, which is said loudly, the kernel has no such table.
    /// Everything must outlive it.
    static std::unique_ptr<Revocation> start(boost::asio::io_context& io, const Desired& desired,
                                             Log& log, Metrics& metrics);
    ~Revocation() override = default;

    /// The kernel has taken these operations.
    void enforced(std::span<const nft::Op> ops);
    /// The kernel was compared with what is wanted: it may have enforced something else until now.
    void compared(const ResyncReport& report);

  private:
    /// Steps the revoker when a walk is over, and frees what the walk needed.
    class Relay final : public ConnectionWalker::Listener {
      public:
        explicit Relay(Revocation& to) : to_(to) {}
        void met(std::span<const nft::Connection> connections) override {
            to_.revoker_.met(connections);
        }
        void walked(const nft::Result<void>& result) override {
            to_.revoker_.walked(result);
            to_.work();
        }

      private:
        Revocation& to_;
    };

    Revocation(boost::asio::io_context& io, const Desired& desired, Log& log, Metrics& metrics,
               std::unique_ptr<nft::Conntrack> for_marks,
               std::unique_ptr<nft::Conntrack> for_walks);
    void revoked(std::size_t cut, std::size_t restored, Clock::duration latency,
                 Clock::duration took) override;
    void revoking_failed(const nft::Error& error, Clock::duration retry_in) override;
    void work();
    void schedule();

    Log& log_;
    Metrics& metrics_;
    boost::asio::steady_timer timer_;
    std::unique_ptr<nft::Conntrack> conntrack_;
    Relay relay_{*this};
    WalkerThread walker_;
    Revoker revoker_;
};

}  // namespace podfence
