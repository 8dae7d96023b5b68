#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <boost/json/object.hpp>

#include "controller/cluster.hpp"
#include "controller/source.hpp"
#include "test/support/tls_server.hpp"

namespace podfence::bench {

/// An API server on loopback, as far as an agent sees one: HTTPS, and watches that begin with all
/// there is. Objects are as large as those of a real one: what does not matter to policy is most of
/// them. It answers from memory and costs next to nothing, so that what is measured is the agent.
class ApiServer {
  public:
    using Clock = std::chrono::steady_clock;

    /// In the calling thread's network namespace, whose loopback is up. The cluster may not change
    /// any more: changes are told by send().
    explicit ApiServer(const Cluster& cluster);
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;
    ~ApiServer();

    /// For --kubeconfig: address, trust and a token.
    std::string kubeconfig() const;

    /// Writes events to the newest watch of this kind, in one piece. Returns when they were given
    /// to the socket, with the time just before.
    Clock::time_point send(Kind kind, const std::string& events);

  private:
    /// What is to be written to the newest watch of a kind.
    struct Outbox {
        int watches = 0;
        std::optional<std::string> text{};
        std::optional<Clock::time_point> written{};
    };

    void serve(test::TlsServer::Peer& peer);
    void watch(test::TlsServer::Peer& peer, Kind kind);

    test::TestCa ca_{"bench"};
    std::map<Kind, std::string> initial_{};  ///< Chunks, with the bookmark that ends them.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::array<Outbox, kKinds.size()> outboxes_{};
    bool stopping_ = false;
    std::unique_ptr<test::TlsServer> server_;
};

/// One line of a watch: "ADDED", "MODIFIED" or "DELETED".
std::string watch_event(const std::string& type, const Pod& pod);
std::string watch_event(const std::string& type, const NetworkPolicy& policy);

}  // namespace podfence::bench
