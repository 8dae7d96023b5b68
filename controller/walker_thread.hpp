#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "controller/revoker.hpp"

namespace podfence {

/// Walks on a thread of its own: the kernel sorts out a million entries within one system call,
/// which takes a tenth of a second and cannot be cut into pieces. The thread touches nothing but
/// its own socket; what it finds is told in the io_context, so that the event loop goes on.
class WalkerThread final : public ConnectionWalker {
  public:
    /// `conntrack` is used by no one else; `listener` must outlive this.
    WalkerThread(boost::asio::io_context& io, std::unique_ptr<nft::Conntrack> conntrack,
                 Listener& listener);
    ~WalkerThread() override;

    void start(Walk walk) override;

  private:
    using Piece = std::vector<nft::Connection>;

    void run(const std::stop_token& stop);
    nft::Result<void> go(const Walk& walk, const std::stop_token& stop);
    nft::Result<void> list(const Walk& walk, const nft::ConnectionFilter& filter,
                           const std::stop_token& stop);
    bool hand_over(Piece& piece, const std::stop_token& stop);
    bool await_told(std::size_t untold_max, const std::stop_token& stop);

    boost::asio::io_context& io_;
    std::unique_ptr<nft::Conntrack> conntrack_;
    Listener& listener_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::optional<Walk> next_;  ///< Guarded, as is untold_.
    std::size_t untold_ = 0;    ///< Pieces that the event loop has not come to.
    std::jthread thread_;       ///< Last: it uses all of them.
};

}  // namespace podfence
