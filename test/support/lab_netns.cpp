#include "test/support/lab_netns.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace podfence::lab {
namespace {

constexpr const char* kNetnsDir = "/run/netns";
constexpr const char* kClaimsDir = "/run/pflab";
constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

UniqueFd open_or_fail(const std::string& path, int flags, mode_t mode = 0) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) fail_errno("open " + path);
    return fd;
}

/// As `ip netns add` does: without a shared mount point, names would stay invisible to processes
/// in other mount namespaces.
void prepare_netns_dir() {
    std::filesystem::create_directories(kNetnsDir);
    if (::mount("", kNetnsDir, "none", MS_SHARED | MS_REC, nullptr) == 0) return;
    if (errno != EINVAL) fail_errno(std::string("share ") + kNetnsDir);
    if (::mount(kNetnsDir, kNetnsDir, "none", MS_BIND | MS_REC, nullptr) != 0)
        fail_errno(std::string("bind ") + kNetnsDir);
    if (::mount("", kNetnsDir, "none", MS_SHARED | MS_REC, nullptr) != 0)
        fail_errno(std::string("share ") + kNetnsDir);
}

void remove_netns_name(const std::string& path) {
    ::umount2(path.c_str(), MNT_DETACH);
    ::unlink(path.c_str());
}

/// Held while claims are made or swept, so that a new claim is not taken for an orphan between its
/// mkdir and its lock.
UniqueFd lock_all_claims() {
    std::filesystem::create_directories(kClaimsDir);
    auto fd = open_or_fail(std::string(kClaimsDir) + "/.lock", O_RDWR | O_CREAT, 0600);
    if (::flock(fd.get(), LOCK_EX) != 0) fail_errno("lock /run/pflab/.lock");
    return fd;
}

void remove_everything_of(const std::string& id) {
    const std::string prefix = "pflab-" + id + "-";
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(kNetnsDir, ignored)) {
        if (entry.path().filename().string().starts_with(prefix))
            remove_netns_name(entry.path().string());
    }
    std::filesystem::remove_all(std::filesystem::path(kClaimsDir) / id, ignored);
}

}  // namespace

void fail(const std::string& what) {
    throw Failure("lab: " + what);
}

void fail_errno(const std::string& doing) {
    fail(doing + ": " + std::strerror(errno));
}

Stay::Stay(int netns_fd) : home_(open_or_fail(kOwnNetns, O_RDONLY)) {
    if (::setns(netns_fd, CLONE_NEWNET) != 0) fail_errno("enter a network namespace");
}

Stay::~Stay() {
    // To go on in the wrong namespace would put rules where they must never be.
    if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

NetNs NetNs::create(const std::string& name) {
    prepare_netns_dir();
    const std::string path = std::string(kNetnsDir) + "/" + name;
    open_or_fail(path, O_RDONLY | O_CREAT | O_EXCL, 0);
    const UniqueFd home = open_or_fail(kOwnNetns, O_RDONLY);
    if (::unshare(CLONE_NEWNET) != 0) fail_errno("make a network namespace (root is needed)");
    const bool bound = ::mount(kOwnNetns, path.c_str(), "none", MS_BIND, nullptr) == 0;
    const int bind_errno = errno;
    UniqueFd fd(::open(kOwnNetns, O_RDONLY | O_CLOEXEC));
    if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
    if (!bound || !fd) {
        ::unlink(path.c_str());
        errno = bind_errno;
        fail_errno("bind " + path);
    }
    return {name, std::move(fd), true};
}

NetNs NetNs::open(const std::string& name) {
    return {name, open_or_fail(std::string(kNetnsDir) + "/" + name, O_RDONLY), false};
}

NetNs::~NetNs() {
    if (owned_ && fd_) remove_netns_name(path());
}

std::string NetNs::path() const {
    return std::string(kNetnsDir) + "/" + name_;
}

void set_sysctl(std::string_view key, std::string_view value) {
    const std::string path = "/proc/sys/" + std::string(key);
    const auto fd = open_or_fail(path, O_WRONLY);
    if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
        fail_errno("write " + path);
}

void raise_loopback() {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) fail_errno("raise lo");
}

Claim::Claim() {
    sweep();
    const auto all = lock_all_claims();
    static std::atomic<unsigned> count{0};
    const unsigned nth = count++;
    id_ = std::to_string(::getpid()) + (nth == 0 ? "" : "." + std::to_string(nth));
    directory_ = std::string(kClaimsDir) + "/" + id_;
    std::filesystem::create_directories(directory_);
    lock_ = open_or_fail(directory_ + "/lock", O_RDWR | O_CREAT, 0600);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) fail_errno("lock " + directory_);
}

Claim::~Claim() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string Claim::name(std::string_view suffix) const {
    return "pflab-" + id_ + "-" + std::string(suffix);
}

std::vector<std::string> Claim::sweep() {
    const auto all = lock_all_claims();
    std::vector<std::string> swept;
    for (const auto& entry : std::filesystem::directory_iterator(kClaimsDir)) {
        if (!entry.is_directory()) continue;
        const UniqueFd lock(
            ::open((entry.path() / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
        swept.push_back(entry.path().filename().string());
    }
    for (const auto& id : swept) remove_everything_of(id);
    return swept;
}

}  // namespace podfence::lab
