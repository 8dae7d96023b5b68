#pragma once

#include <chrono>
#include <string>

#include "cmd/agent_client.hpp"

namespace podfence::cmd {

/// Notices what appears where an agent's socket is to be, also when its directory is not there yet.
class SocketWatch {
  public:
    /// From now on. Errors: broken, when the place cannot be watched.
    static AgentResult<SocketWatch> open(const std::string& socket);
    SocketWatch(SocketWatch&& other) noexcept;
    SocketWatch& operator=(SocketWatch&&) = delete;
    SocketWatch(const SocketWatch&) = delete;
    SocketWatch& operator=(const SocketWatch&) = delete;
    ~SocketWatch();

    /// Until something has appeared there or on the way there, maybe the socket: true; or until
    /// `end`: false. To be asked once.
    bool wait(std::chrono::steady_clock::time_point end) const;

  private:
    explicit SocketWatch(int fd) : fd_(fd) {}

    int fd_;
};

}  // namespace podfence::cmd
