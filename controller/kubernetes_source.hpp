#pragma once

#include <cstdint>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "controller/api_client.hpp"
#include "controller/backoff.hpp"
#include "controller/notices.hpp"
#include "controller/source.hpp"

namespace podfence {

struct KubernetesOptions {
    ApiClient::Options client{};
    Backoff::Limits backoff{};
    bool watch_list = true;  ///< Ask for initial events first; see Reflector.
    /// Pods that have finished, too. They hold no address and mean nothing to policy (N52), and
    /// clusters keep thousands of them; without them a pod is removed when it finishes.
    bool finished_pods = false;
    NoticeQueue::Options notices{};
    std::uint64_t seed = 0;  ///< Of all that is left to chance; 0: from the system.
};

/// Follows pods, namespaces and network policies at an API server, each on a connection of its own.
/// `io` and `sink` must outlive the source, and `io` must be run by one thread.
std::unique_ptr<Source> make_kubernetes_source(boost::asio::io_context& io, ClusterAccess access,
                                               Sink& sink, KubernetesOptions options = {});

}  // namespace podfence
