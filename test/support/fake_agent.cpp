#include "test/support/fake_agent.hpp"

#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <unistd.h>

#include "nft/error.hpp"

namespace podfence::test {

using namespace std::chrono_literals;

AgentStatus example_status(AgentState state) {
    const bool synced = state == AgentState::synced;
    AgentStatus status{.version = "1.2.3",
                       .node = "node-a",
                       .pid = ::getpid(),
                       .netns = network_namespace(),
                       .now = WallTime(1'772'600'767'000ms),
                       .started = WallTime(1'772'600'000'000ms),
                       .state = state,
                       .ever_synced = synced,
                       .origin = "https://10.96.0.1:443 (in-cluster)"};
    for (const char* kind : {"pods", "namespaces", "networkpolicies"}) {
        status.sources.push_back({.kind = kind,
                                  .state = synced ? "watching" : "waiting",
                                  .listed = synced,
                                  .connected = synced,
                                  .objects = 3,
                                  .heard = status.now - 2s,
                                  .error = synced ? "" : "connection refused"});
    }
    if (synced) {
        status.in_sync_since = status.now - 11520s;
        status.history.add(
            CommitRecord{.at = status.now - 12s, .operations = 3, .latency = 212us, .took = 150us});
    }
    status.rules.node = status.node;
    return status;
}

ServedAgent::ServedAgent(AgentStatus status, Cluster cluster, std::string socket,
                         HttpServer::Handler cni)
    : socket_(socket.empty() ? directory_.path() + "/podfence.sock" : std::move(socket)) {
    agent_.now = std::move(status);
    agent_.known = std::move(cluster);
    api_.serve_cni(std::move(cni));
    PODFENCE_CHECK(api_.listen_unix(socket_).has_value());
    thread_ = std::thread([this] { io_.run(); });
}

ServedAgent::~ServedAgent() {
    boost::asio::post(io_, [this] { api_.stop(); });
    thread_.join();
}

void ServedAgent::change(std::function<void(FakeAgent&)> how) {
    boost::asio::post(io_, [this, how = std::move(how)] {
        how(agent_);
        api_.changed();
    });
}

void ServedAgent::await_questions(int count) const {
    for (int now = agent_.asked; now < count; now = agent_.asked) agent_.asked.wait(now);
}

}  // namespace podfence::test
