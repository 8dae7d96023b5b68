#include "cmd/socket_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace podfence::cmd {

namespace {

namespace fs = std::filesystem;

/// All directories on the way, from the top down, as far as there are any: what is made later is
/// made in one that is watched. The errno of what is in the way, or 0.
int watch_way(int fd, const fs::path& parent) {
    fs::path directory;
    for (const fs::path& part : parent) {
        directory /= part;
        const int watch =
            ::inotify_add_watch(fd, directory.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
        if (watch < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
    }
    return 0;
}

}  // namespace

AgentResult<SocketWatch> SocketWatch::open(const std::string& socket) {
    SocketWatch watch(::inotify_init1(IN_CLOEXEC));
    std::error_code relative;
    const fs::path path = fs::absolute(socket, relative);
    int error = watch.fd_ < 0 ? errno : relative.value();
    if (error == 0) error = watch_way(watch.fd_, path.parent_path());
    if (error != 0) {
        return AgentError{.message = "cannot wait for " + socket + ": " + std::strerror(error)};
    }
    return watch;
}

SocketWatch::SocketWatch(SocketWatch&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

SocketWatch::~SocketWatch() {
    if (fd_ >= 0) ::close(fd_);
}

bool SocketWatch::wait(std::chrono::steady_clock::time_point end) const {
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
        const int count =
            ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (count > 0) return true;
        if (count == 0 || errno != EINTR) return false;
    }
}

}  // namespace podfence::cmd
