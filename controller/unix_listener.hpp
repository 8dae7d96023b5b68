#pragma once

#include <string>

#include "controller/http_server.hpp"

namespace podfence {

/// A listening unix socket with a file of its own: mode 0600, guarded by a lock that dies with its
/// process, gone when this goes.
class UnixListener {
  public:
    /// Replaces a socket file that nobody answers on. Missing directories are made with mode 0755:
    /// who may not use the socket then hears so, and not that there is none.
    static ListenResult<UnixListener> open(const std::string& path, int backlog);

    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&&) = delete;
    UnixListener(const UnixListener&) = delete;
    UnixListener& operator=(const UnixListener&) = delete;
    /// Removes the files.
    ~UnixListener();

    /// The socket, non-blocking; from now on the caller's to close.
    int release();

  private:
    UnixListener(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

    std::string path_;
    int lock_;
    int socket_ = -1;
    bool bound_ = false;
};

}  // namespace podfence
