#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "controller/local_api.hpp"
#include "test/support/http.hpp"

namespace podfence::test {

/// What the local API sees of an agent, set by hand.
class FakeAgent final : public AgentView {
  public:
    AgentStatus now{};
    Cluster known{};
    std::string not_guarded{};
    mutable std::atomic<int> asked = 0;  ///< Calls of status().

    AgentStatus status() const override {
        ++asked;
        asked.notify_all();
        return now;
    }
    bool in_sync() const override { return now.in_sync(); }
    std::string unguarded() const override { return not_guarded; }
    CanaryRecord canary() const override { return now.canary; }
    const Cluster& cluster() const override { return known; }
};

/// A status as of an agent at work, waiting for its lists or in sync.
AgentStatus example_status(AgentState state);

/// A fake agent that answers on a unix socket from a thread of its own, for tests of programs.
class ServedAgent {
  public:
    /// `socket`: somewhere in a directory of its own unless given. `cni` answers the CNI plugin, in
    /// the agent's thread.
    explicit ServedAgent(AgentStatus status, Cluster cluster = {}, std::string socket = {},
                         HttpServer::Handler cni = {});
    ServedAgent(const ServedAgent&) = delete;
    ServedAgent& operator=(const ServedAgent&) = delete;
    ~ServedAgent();

    const std::string& socket() const { return socket_; }
    /// Changes what the agent says, in its thread, and tells who waits.
    void change(std::function<void(FakeAgent&)> how);
    /// Until its status has been asked for so many times, by watchers as well.
    void await_questions(int count) const;

  private:
    TemporaryDirectory directory_{};
    std::string socket_;
    boost::asio::io_context io_{};
    FakeAgent agent_{};
    Metrics metrics_{"test"};
    LocalApi api_{io_, agent_, metrics_};
    std::thread thread_{};
};

}  // namespace podfence::test
