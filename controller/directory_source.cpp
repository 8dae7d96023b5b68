#include "controller/directory_source.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "nft/error.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kMask = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF |
                                IN_MOVE_SELF | IN_ONLYDIR;
/// Scans in a row that find directories which were not watched yet.
constexpr int kScansMax = 10;

Trouble input(std::string message, std::string remedy) {
    return {
        .cause = Trouble::Cause::input, .message = std::move(message), .remedy = std::move(remedy)};
}

/// The files, the kernel's notifications about them, and what waits for both.
struct Watcher {
    Watcher(asio::io_context& io, int inotify, std::vector<std::string> paths, Sink& sink,
            DirectoryOptions options)
        : look(options.look),
          files(std::move(paths), sink, std::move(options.files)),
          notifications(io, inotify),
          timer(io) {}

    void take(const inotify_event& event, const std::string& name, Clock::time_point now);
    void take_all(std::string_view bytes, Clock::time_point now);
    std::vector<Problem> scan();
    void sync();

    std::chrono::seconds look;
    WatchedFiles files;
    asio::posix::stream_descriptor notifications;
    asio::steady_timer timer;
    std::map<int, std::string> watched{};  ///< Directories by watch descriptor.
    bool stopped = false;
};

void Watcher::take(const inotify_event& event, const std::string& name, Clock::time_point now) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
        files.lost_track(now);
        return;
    }
    if ((event.mask & IN_IGNORED) != 0) watched.erase(event.wd);
    const auto directory = watched.find(event.wd);
    if (name.empty() || directory == watched.end() || (event.mask & IN_ISDIR) != 0) {
        files.touched(now);
        return;
    }
    // Editors' swap files. What kubelet calls "..data" matters.
    if (name.starts_with('.') && !name.starts_with("..")) return;
    const std::string path = directory->second + '/' + name;
    if ((event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) {
        files.written(now, path);
    } else if ((event.mask & IN_MODIFY) != 0) {
        files.writing(now, path);
    } else {
        FileIdentity identity;
        // A new file that holds nothing yet is about to be written.
        if ((event.mask & IN_CREATE) != 0 && identify(path, identity) && identity.size == 0) {
            files.writing(now, path);
        }
        files.touched(now);
    }
}

void Watcher::take_all(std::string_view bytes, Clock::time_point now) {
    while (!bytes.empty()) {
        inotify_event event{};
        std::memcpy(&event, bytes.data(), sizeof event);
        const std::string_view name = bytes.substr(sizeof event, event.len);
        take(event, std::string(name.substr(0, name.find('\0'))), now);  // padded with zeros
        bytes.remove_prefix(sizeof event + event.len);
    }
}

/// Watches every directory that matters before what it holds is listed for the last time, so that
/// no change falls between the two.
std::vector<Problem> Watcher::scan() {
    std::vector<Problem> unwatched;
    for (int i = 0; i < kScansMax; ++i) {
        bool news = false;
        unwatched.clear();
        for (const std::string& directory : files.scan()) {
            const int wd =
                ::inotify_add_watch(notifications.native_handle(), directory.c_str(), kMask);
            if (wd >= 0) {
                news = watched.insert_or_assign(wd, directory).second || news;
            } else if (errno != ENOENT && errno != ENOTDIR) {
                unwatched.push_back(
                    {.severity = Severity::warning,
                     .pos = {.file = directory},
                     .message = "its changes are seen only every " + std::to_string(look.count()) +
                                " s: " + std::generic_category().message(errno),
                     .remedy = errno == ENOSPC ? "raise fs.inotify.max_user_watches"
                                               : "let podfence read the directory"});
            }
        }
        if (!news) break;
    }
    return unwatched;
}

void Watcher::sync() {
    std::vector<Problem> unwatched = scan();
    files.sync(Clock::now(), std::move(unwatched));
}

asio::awaitable<void> read_notifications(std::shared_ptr<Watcher> self) {
    std::array<char, 16 << 10> buffer{};
    while (!self->stopped) {
        const auto [ec, size] =
            co_await self->notifications.async_read_some(asio::buffer(buffer), kTuple);
        if (self->stopped) co_return;
        PODFENCE_CHECK(!ec);  // reading from inotify does not fail
        const auto now = Clock::now();
        self->take_all({buffer.data(), size}, now);
        // Wakes the other side, which looks when it is due.
        self->timer.cancel();
    }
}

asio::awaitable<void> keep_in_sync(std::shared_ptr<Watcher> self) {
    self->sync();
    auto next_look = Clock::now() + self->look;
    while (!self->stopped) {
        const auto due = self->files.due();
        const auto at = due ? std::min(*due, next_look) : next_look;
        self->timer.expires_at(at);
        co_await self->timer.async_wait(kTuple);
        if (self->stopped) co_return;
        const auto now = Clock::now();
        const auto still_due = self->files.due();
        if ((still_due && now >= *still_due) || now >= next_look) {
            self->sync();
            next_look = Clock::now() + self->look;
        }
    }
}

class DirectorySource final : public Source {
  public:
    DirectorySource(asio::io_context& io, int inotify, std::vector<std::string> paths, Sink& sink,
                    DirectoryOptions options)
        : io_(io),
          watcher_(
              std::make_shared<Watcher>(io, inotify, std::move(paths), sink, std::move(options))) {}
    ~DirectorySource() override { DirectorySource::stop(); }
    DirectorySource(const DirectorySource&) = delete;
    DirectorySource& operator=(const DirectorySource&) = delete;

    void start() override {
        PODFENCE_CHECK(!std::exchange(started_, true));
        // What is thrown here is no I/O error: those are values. Let it end the program.
        const auto ended = [](const std::exception_ptr& thrown) {
            if (thrown) std::rethrow_exception(thrown);
        };
        asio::co_spawn(io_, read_notifications(watcher_), ended);
        asio::co_spawn(io_, keep_in_sync(watcher_), ended);
    }

    void stop() override {
        watcher_->stopped = true;
        watcher_->timer.cancel();
        watcher_->notifications.cancel();
    }

    SourceStatus status() const override {
        SourceStatus status = watcher_->files.status();
        if (watcher_->stopped || !started_) {
            for (KindStatus& kind : status.kinds) kind.state = KindStatus::State::stopped;
        }
        return status;
    }

  private:
    asio::io_context& io_;
    std::shared_ptr<Watcher> watcher_;
    bool started_ = false;
};

}  // namespace

Sourced<std::unique_ptr<Source>> make_directory_source(asio::io_context& io,
                                                       std::vector<std::string> paths, Sink& sink,
                                                       DirectoryOptions options) {
    for (const std::string& path : paths) {
        struct stat info {};
        const bool special =
            ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
        if (path != "-" && !special) continue;
        return input(path + ": only files and directories can be followed",
                     "write it to a file, or apply it once");
    }
    const int inotify = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify < 0) {
        return input("cannot follow files: " + std::generic_category().message(errno),
                     "raise fs.inotify.max_user_instances");
    }
    return std::unique_ptr<Source>(
        std::make_unique<DirectorySource>(io, inotify, std::move(paths), sink, std::move(options)));
}

}  // namespace podfence
