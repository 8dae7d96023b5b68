#include "cmd/cni_install.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace podfence::cmd {

namespace {

namespace fs = std::filesystem;

/// Runtimes take only files that end in .conf, .conflist or .json.
constexpr const char* kDraftSuffix = ".podfence-new";
constexpr mode_t kConfMode = 0600;

ConflistError failed(const std::string& doing) {
    return {doing + ": " + std::strerror(errno)};
}

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file.bad()) return std::nullopt;
    return text;
}

/// At once or not at all, and there for good when it returns.
ConflistResult<void> replace_file(const std::string& path, const std::string& text, mode_t mode) {
    struct stat former {};
    const bool existed = ::stat(path.c_str(), &former) == 0;
    const std::string draft = path + kDraftSuffix;
    const int fd =
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return failed("write " + draft);
    std::string_view left = text;
    bool fine = ::fchmod(fd, existed ? former.st_mode & 07777U : mode) == 0;
    while (fine && !left.empty()) {
        const ssize_t written = ::write(fd, left.data(), left.size());
        if (written < 0 && errno == EINTR) continue;
        fine = written > 0;
        if (fine) left.remove_prefix(static_cast<std::size_t>(written));
    }
    fine = fine && ::fsync(fd) == 0;
    ::close(fd);
    if (fine && ::rename(draft.c_str(), path.c_str()) == 0) return {};
    const ConflistError error = failed("write " + path);
    (void)::unlink(draft.c_str());
    return error;
}

/// All that a runtime would take, in its order.
std::vector<std::string> configurations(const std::string& directory) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator file(directory, error), end; !error && file != end;
         file.increment(error)) {
        const std::string extension = file->path().extension();
        if (extension == ".conf" || extension == ".conflist" || extension == ".json") {
            found.push_back(file->path());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

std::string find_cni_program() {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path& place :
         {self / "podfence-cni", self.parent_path() / "libexec/podfence/podfence-cni"}) {
        if (::access(place.c_str(), X_OK) == 0) return place;
    }
    return "";
}

ConflistResult<std::vector<std::string>> install_cni(const CniPlace& place,
                                                     const boost::json::object& plugin) {
    std::vector<std::string> done;
    const auto program = read_file(place.program);
    if (!program) return failed("read " + place.program);
    const std::string target = place.bin_dir + "/" + std::string(kCniPlugin);
    if (read_file(target) != program) {
        std::error_code error;
        fs::create_directories(place.bin_dir, error);
        if (auto written = replace_file(target, *program, 0755); !written) return written.error();
        done.push_back("placed " + target);
    }
    std::string conf = place.conf;
    if (conf.empty()) {
        const auto all = configurations(place.conf_dir);
        if (all.empty()) {
            return ConflistError{place.conf_dir +
                                 " holds no configuration: is there no CNI plugin yet?"};
        }
        conf = all.front();
    }
    const auto text = read_file(conf);
    if (!text) return failed("read " + conf);
    const auto changed = with_plugin(*text, plugin);
    if (!changed) return ConflistError{conf + ": " + changed.error().message};
    if (*changed != *text) {
        if (auto written = replace_file(conf, *changed, kConfMode); !written) {
            return written.error();
        }
        done.push_back("added podfence-cni to " + conf);
    }
    return done;
}

ConflistResult<std::vector<std::string>> remove_cni(const CniPlace& place) {
    std::vector<std::string> done;
    auto all = configurations(place.conf_dir);
    if (!place.conf.empty()) all.push_back(place.conf);
    for (const auto& conf : all) {
        const auto text = read_file(conf);
        if (!text || text->find(kCniPlugin) == std::string::npos) continue;
        const auto changed = without_plugin(*text);
        if (!changed) return ConflistError{conf + ": " + changed.error().message};
        if (*changed == *text) continue;
        if (auto written = replace_file(conf, *changed, kConfMode); !written) {
            return written.error();
        }
        done.push_back("removed podfence-cni from " + conf);
    }
    const std::string target = place.bin_dir + "/" + std::string(kCniPlugin);
    if (::unlink(target.c_str()) == 0) {
        done.push_back("removed " + target);
    } else if (errno != ENOENT && errno != ENOTDIR) {
        return failed("remove " + target);
    }
    return done;
}

PlaceWatch::PlaceWatch(const CniPlace& place) : inotify_(::inotify_init1(IN_CLOEXEC)) {
    // Blocked, they end the wait and nothing else: a container's first process gets no signals that
    // it neither handles nor blocks.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    signals_ = ::signalfd(-1, &ends, SFD_CLOEXEC);
    constexpr auto kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
    for (const auto& directory : {place.conf_dir, place.bin_dir}) {
        std::error_code ignored;  // Then it cannot be watched either.
        fs::create_directories(directory, ignored);
        if (inotify_ >= 0 && signals_ >= 0 &&
            ::inotify_add_watch(inotify_, directory.c_str(), kEvents) >= 0) {
            continue;
        }
        problem_ = "watch " + directory + ": " + std::strerror(errno);
        return;
    }
}

PlaceWatch::~PlaceWatch() {
    if (inotify_ >= 0) ::close(inotify_);
    if (signals_ >= 0) ::close(signals_);
}

bool PlaceWatch::wait() {
    std::array<pollfd, 2> ready{pollfd{.fd = inotify_, .events = POLLIN, .revents = 0},
                                pollfd{.fd = signals_, .events = POLLIN, .revents = 0}};
    while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) continue;
    if (ready[1].revents != 0) return false;
    std::array<char, 65536> events{};  // What changed does not matter.
    return ::read(inotify_, events.data(), events.size()) > 0;
}

}  // namespace podfence::cmd
