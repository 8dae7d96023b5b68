#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace podfence {

/// Tells the service manager that started us how we stand, as sd_notify(3) does. Where there is
/// none, or it does not listen, nothing happens: what it is told is not worth waiting for.
class ServiceManager {
  public:
    /// NOTIFY_SOCKET, and WATCHDOG_USEC with WATCHDOG_PID.
    static ServiceManager from_environment();
    ServiceManager() = default;
    /// `socket`: a path, or an abstract name behind '@'; empty: nobody.
    explicit ServiceManager(std::string socket) : socket_(std::move(socket)) {}

    bool present() const { return !socket_.empty(); }
    /// Assignments, one a line: "READY=1\nSTATUS=in sync".
    void tell(std::string_view state) const;
    /// One line for a person.
    void tell_status(std::string_view text) const;
    /// How often "WATCHDOG=1" is expected at least; nullopt: it is not.
    std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

  private:
    std::string socket_{};
    std::optional<std::chrono::microseconds> watchdog_{};
};

}  // namespace podfence
