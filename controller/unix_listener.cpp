#include "controller/unix_listener.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace podfence {

namespace {

constexpr int kLockAttempts = 8;

ListenError failed(const std::string& doing, int error) {
    return {.message = doing + ": " + std::strerror(error)};
}

ListenError taken(const std::string& path) {
    return {.taken = true, .message = "another agent answers on " + path};
}

std::string lock_path(const std::string& path) {
    return path + ".lock";
}

/// Where the socket is made. It gets its name when it is listened on: who waits for that to appear
/// is never turned away.
std::string draft_path(const std::string& path) {
    return path + ".new";
}

/// The lock is worth something only while its file is the one that others find.
bool is_file_at(int fd, const std::string& path) {
    struct stat ours {};
    struct stat theirs {};
    return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &theirs) == 0 &&
           ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

/// An flock: the kernel gives it back however its holder ends.
ListenResult<int> take_lock(const std::string& path) {
    const std::string file = lock_path(path);
    for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
        const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return failed("open " + file, errno);
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
            const int error = errno;
            ::close(fd);
            if (error == EWOULDBLOCK) return taken(path);
            return failed("lock " + file, error);
        }
        // The last holder removes the file when it goes, maybe just before we had the lock.
        if (is_file_at(fd, file)) return {boost::system::in_place_value, fd};
        ::close(fd);
    }
    return taken(path);
}

std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) return std::nullopt;
    path.copy(address.sun_path, path.size());
    return address;
}

/// Removes what an earlier run left; refuses when somebody is there.
ListenResult<void> clear(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return {};
        return failed("look at " + path, errno);
    }
    if (!S_ISSOCK(status.st_mode)) return ListenError{.message = path + " exists and is no socket"};
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return failed("make a socket", errno);
    const int connected =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int error = connected == 0 ? 0 : errno;
    ::close(fd);
    // EAGAIN: somebody listens, and does not keep up.
    if (error == 0 || error == EAGAIN) return taken(path);
    if (error != ECONNREFUSED) return failed("connect to " + path, error);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove " + path, errno);
    return {};
}

ListenResult<void> make_directory(const std::string& path) {
    const auto directory = std::filesystem::path(path).parent_path();
    std::error_code error;
    if (directory.empty() || !std::filesystem::create_directories(directory, error)) {
        if (error) return failed("make " + directory.string(), error.value());
        return {};
    }
    std::filesystem::permissions(directory, std::filesystem::perms{0755}, error);
    return {};
}

}  // namespace

ListenResult<UnixListener> UnixListener::open(const std::string& path, int backlog) {
    const std::string draft = draft_path(path);
    const auto address = address_of(path);
    const auto draft_address = address_of(draft);
    if (!address || !draft_address)
        return ListenError{.message = "'" + path + "' is too long for a socket's path"};
    if (auto made = make_directory(path); !made) return made.error();
    auto lock = take_lock(path);
    if (!lock) return lock.error();
    UnixListener listener(path, *lock);
    if (auto cleared = clear(path, *address); !cleared) return cleared.error();
    listener.socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener.socket_ < 0) return failed("make a socket", errno);
    // Before bind: the file is made with the socket's own mode (net/unix/af_unix.c, unix_bind_bsd),
    // so that it is never open to others, not even for a moment.
    if (::fchmod(listener.socket_, 0600) != 0) return failed("protect " + path, errno);
    (void)::unlink(draft.c_str());  // Of one that was killed in the act.
    const bool listening =
        ::bind(listener.socket_, reinterpret_cast<const sockaddr*>(&*draft_address),
               sizeof(*draft_address)) == 0 &&
        ::listen(listener.socket_, backlog) == 0 && ::rename(draft.c_str(), path.c_str()) == 0;
    if (!listening) {
        const int error = errno;
        (void)::unlink(draft.c_str());
        return failed("listen on " + path, error);
    }
    listener.bound_ = true;
    return listener;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      bound_(std::exchange(other.bound_, false)) {}

UnixListener::~UnixListener() {
    if (socket_ >= 0) ::close(socket_);
    if (bound_) ::unlink(path_.c_str());
    if (lock_ < 0) return;
    ::unlink(lock_path(path_).c_str());
    ::close(lock_);
}

int UnixListener::release() {
    return std::exchange(socket_, -1);
}

}  // namespace podfence
