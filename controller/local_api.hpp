#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "controller/agent_view.hpp"
#include "controller/http_server.hpp"
#include "controller/metrics.hpp"

namespace podfence {

/// What the agent says to people and programs on its node, and to those who watch over it.
///
/// On the unix socket, for root:
///   /v1/status                            the status as JSON
///   /v1/status?wait=synced&timeout_ms=N   the same, as soon as the agent is in sync, or then
///   /v1/status/watch                      one line of JSON now and after each change, few a second
///   /v1/objects                           the cluster, as a Kubernetes List that the loader reads
///   /v1/names?kind=K&prefix=P             names of pods ("ns/name"), policies or namespaces, a
///   line
///                                         each, for completion
///   /v1/cni/...                           what the CNI plugin tells (controller/cni_api.hpp)
/// On TCP, for the kubelet and Prometheus: /metrics, /healthz, /readyz.
class LocalApi {
  public:
    static constexpr std::size_t kNamesMax = 1000;
    static constexpr std::chrono::milliseconds kWatchPause{250};
    static constexpr std::chrono::milliseconds kWaitMax{600'000};
    static constexpr std::chrono::milliseconds kWaitDefault{30'000};

    /// Neither is owned; both must outlive this.
    LocalApi(boost::asio::io_context& io, const AgentView& view, Metrics& metrics);

    ListenResult<void> listen_unix(const std::string& path) { return local_.listen_unix(path); }
    ListenResult<void> listen_tcp(const std::string& endpoint) { return tcp_.listen_tcp(endpoint); }
    std::uint16_t port() const { return tcp_.port(); }

    /// Who answers /v1/cni/ on the unix socket; nobody until then.
    void serve_cni(HttpServer::Handler handler) { cni_ = std::move(handler); }

    /// Something that status() tells has changed. Cheap; call it from anywhere in the agent's
    /// thread, as often as it happens: who waits is answered later, from the io_context.
    void changed();
    /// Asks the answers that wait, though the status is the same.
    void wake() { local_.wake(); }
    /// Closes everything.
    void stop();

  private:
    HttpResponse answer_local(const HttpRequest& request) const;
    HttpResponse answer_tcp(const HttpRequest& request) const;
    HttpResponse status(const HttpRequest& request) const;
    HttpResponse names(const HttpRequest& request) const;
    HttpResponse ready() const;

    const AgentView& view_;
    Metrics& metrics_;
    std::uint64_t revision_ = 0;  ///< Of the status; counts calls of changed().
    HttpServer::Handler cni_{};
    HttpServer local_;
    HttpServer tcp_;
};

}  // namespace podfence
