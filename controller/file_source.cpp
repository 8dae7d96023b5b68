#include "controller/file_source.hpp"

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/limits.hpp"
#include "controller/manifest_stream.hpp"

namespace podfence {

namespace {

constexpr const char* kNotInForce = "nothing of it is in force";

std::string reason(int os_error) {
    return std::generic_category().message(os_error);
}

/// Closes at the end of the scope.
class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

void FileSource::error(const std::string& file, std::string message, std::string remedy) {
    log_.add({.pos = {.file = file}, .message = std::move(message), .remedy = std::move(remedy)});
    loaded_.unreadable = true;
}

void FileSource::warning(const std::string& file, std::string message, std::string remedy) {
    log_.add({.severity = Severity::warning,
              .pos = {.file = file},
              .message = std::move(message),
              .remedy = std::move(remedy)});
}

void FileSource::read(const std::string& path) {
    if (path == "-") {
        stream(STDIN_FILENO, path, Origin::named);
        return;
    }
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
        directory(path);
    } else {
        file(path, options_.may_be_empty ? Origin::listed : Origin::named);
    }
}

void FileSource::directory(const std::string& path) {
    tree_.add(path);
    for (const ManifestTree::File& found : std::exchange(tree_.files, {})) {
        file(found.path, Origin::listed);
    }
    for (Problem& problem : std::exchange(tree_.problems, {})) {
        loaded_.unreadable = loaded_.unreadable || problem.severity == Severity::error;
        log_.add(std::move(problem));
    }
}

/// A FIFO opened without waiting shows no difference between "no writer yet" and "all written" to
/// read(), but poll() does: it wakes for the first writer's data or end, not before.
bool FileSource::await_writer(int fd, const std::string& path) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    int ready = -1;
    do {
        ready = ::poll(&waiting, 1, static_cast<int>(options_.fifo_wait.count()));
    } while (ready < 0 && errno == EINTR);
    if (ready > 0) return true;
    error(
        path,
        "nobody has written to this FIFO for " + std::to_string(options_.fifo_wait.count()) + " ms",
        "start its writer first");
    return false;
}

void FileSource::file(const std::string& path, Origin origin) {
    // O_NONBLOCK: opening a FIFO would wait for a writer; regular files do not care.
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    const int os_error = errno;
    struct stat info {};
    if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) {
        if (origin == Origin::listed && os_error == ENOENT) {
            warning(path, "vanished while the directory was read", "it is not part of the input");
        } else {
            error(path, "cannot be read: " + reason(os_error), kNotInForce);
        }
        return;
    }
    if (S_ISFIFO(info.st_mode) && origin == Origin::listed) {
        // It was a regular file a moment ago.
        warning(path, "is no regular file and is skipped", "name it itself if it is to be read");
        return;
    }
    if (S_ISFIFO(info.st_mode) && !await_writer(fd.get(), path)) return;
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
    stream(fd.get(), path, origin);
}

void FileSource::stream(int fd, const std::string& name, Origin origin) {
    const std::size_t before = loaded_.objects + loaded_.skipped;
    const std::size_t errors_before = log_.errors();
    loader_.begin_source(name);
    ManifestStream manifests(loader_);
    std::vector<char> buffer(limits::kReadBytes);
    while (true) {
        const ssize_t size = ::read(fd, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) {
            const int os_error = errno;
            manifests.finish();
            error(name, "cannot be read: " + reason(os_error), "what was read before is in force");
            return;
        }
        if (size == 0) {
            manifests.finish();
            break;
        }
        if (!manifests.feed({buffer.data(), static_cast<std::size_t>(size)})) break;
    }
    loaded_.unreadable = loaded_.unreadable || manifests.failed();
    // An empty pipe is most often a writer that failed; taking it for an empty cluster would open
    // everything.
    const bool nothing =
        loaded_.objects + loaded_.skipped == before && log_.errors() == errors_before;
    if (origin == Origin::named && nothing) {
        error(name, "holds no Kubernetes object", "check what writes it, or leave it out");
    }
}

}  // namespace podfence
