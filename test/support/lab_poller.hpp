#pragma once

#include <cstdint>

#include "test/support/lab_fd.hpp"

namespace podfence::lab {

/// Something with a file descriptor that acts when it is ready.
class Pollable {
  public:
    Pollable() = default;
    Pollable(const Pollable&) = delete;
    Pollable& operator=(const Pollable&) = delete;
    virtual ~Pollable() = default;
    virtual void ready(std::uint32_t events) = 0;
};

/// An epoll of objects. Everything runs on the thread that calls `wait`.
class Poller {
  public:
    Poller();
    /// Level-triggered. `object` must outlive its descriptor, whose closing ends the registration.
    void add(int fd, std::uint32_t events, Pollable& object);
    /// Lets ready objects act; waits up to `timeout_ms` for the first (-1: for ever, 0: not at
    /// all). True when anything was ready.
    bool wait(int timeout_ms);
    /// For nesting it in another epoll or a poll.
    int fd() const { return epoll_.get(); }

  private:
    UniqueFd epoll_;
};

}  // namespace podfence::lab
