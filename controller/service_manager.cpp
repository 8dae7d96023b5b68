#include "controller/service_manager.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace podfence {

namespace {

/// What `systemctl status` shows on one line.
constexpr std::size_t kStatusBytesMax = 512;

std::string_view variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
    ServiceManager manager{std::string(variable("NOTIFY_SOCKET"))};
    // It may be meant for a parent of ours.
    const auto whose = variable("WATCHDOG_PID");
    const auto period_us = number(variable("WATCHDOG_USEC"));
    if (period_us && *period_us > 0 && (whose.empty() || number(whose) == ::getpid())) {
        manager.watchdog_ = std::chrono::microseconds(*period_us);
    }
    return manager;
}

void ServiceManager::tell(std::string_view state) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) return;
    socket_.copy(address.sun_path, socket_.size());
    if (socket_.front() == '@') address.sun_path[0] = '\0';
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    (void)::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&address), size);
    ::close(fd);
}

void ServiceManager::tell_status(std::string_view text) const {
    std::string line = "STATUS=" + std::string(text.substr(0, kStatusBytesMax));
    std::replace_if(
        line.begin(), line.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
    tell(line);
}

}  // namespace podfence
