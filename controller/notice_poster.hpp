#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/api_client.hpp"
#include "controller/notices.hpp"

namespace podfence {

/// Posts what a NoticeQueue has to say, on a connection of its own that lives as long as there is
/// something.
class NoticePoster {
  public:
    /// `io` and `sink` must outlive it; the sink hears untold().
    NoticePoster(boost::asio::io_context& io, const std::shared_ptr<ApiClient>& client, Sink& sink,
                 NoticeQueue::Options options);
    ~NoticePoster() { stop(); }
    NoticePoster(const NoticePoster&) = delete;
    NoticePoster& operator=(const NoticePoster&) = delete;

    void start();
    void stop();
    void add(Notice notice);
    void withdraw(const ObjectName& policy);

  private:
    struct State;
    static boost::asio::awaitable<void> run(std::shared_ptr<State> state);
    static boost::asio::awaitable<void> post(std::shared_ptr<State> state);

    boost::asio::io_context& io_;
    std::shared_ptr<State> state_;
};

}  // namespace podfence
