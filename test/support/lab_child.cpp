#include "test/support/lab_child.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace podfence::lab {
namespace {

std::vector<std::string> merged(const std::vector<std::string>& changes) {
    std::map<std::string, std::string> by_key;
    const auto add = [&](std::string_view entry) {
        by_key[std::string(entry.substr(0, entry.find('=')))] = entry;
    };
    for (char** e = environ; *e != nullptr; ++e) add(*e);
    for (const auto& change : changes) add(change);
    std::vector<std::string> all;
    for (auto& [key, entry] : by_key) all.push_back(std::move(entry));
    return all;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const auto& s : strings) result.push_back(const_cast<char*>(s.c_str()));
    result.push_back(nullptr);
    return result;
}

}  // namespace

Child::Child(const NetNs& ns, const ChildSpec& spec) {
    constexpr mode_t kLogMode = 0600;
    const UniqueFd log(
        ::open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kLogMode));
    if (!log) fail_errno("open " + spec.log);
    const auto environment = merged(spec.environment);
    const auto argv = pointers(spec.argv);
    const auto envp = pointers(environment);
    const Stay stay = ns.enter();
    pid_ = ::fork();
    if (pid_ < 0) fail_errno("fork");
    if (pid_ == 0) {  // Only calls that are allowed after fork().
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(log.get(), STDOUT_FILENO);
        ::dup2(log.get(), STDERR_FILENO);
        ::signal(SIGPIPE, SIG_DFL);
        ::execvpe(argv[0], argv.data(), envp.data());
        constexpr int kNotStarted = 127;
        ::_exit(kNotStarted);
    }
    pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!pidfd_) fail_errno("pidfd_open");
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      status_(other.status_) {}

Child::~Child() {
    if (pid_ > 0) kill();
}

bool Child::running() {
    return !wait(std::chrono::milliseconds(0));
}

void Child::signal(int number) const {
    if (!status_) ::kill(pid_, number);
}

std::optional<int> Child::wait(std::chrono::milliseconds timeout) {
    if (status_) return status_;
    pollfd ends{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ends, 1, static_cast<int>(timeout.count())) != 1) return std::nullopt;
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) return std::nullopt;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
}

void Child::kill() {
    signal(SIGKILL);
    while (!wait(std::chrono::seconds(1))) {}
}

std::string tail_of(const std::string& log) {
    constexpr std::streamoff kBytes = 3000;
    std::ifstream file(log, std::ios::ate);
    const std::streamoff size = file.tellg();
    file.seekg(size > kBytes ? size - kBytes : 0);
    std::ostringstream text;
    text << file.rdbuf();
    return log + ":\n" + text.str();
}

}  // namespace podfence::lab
