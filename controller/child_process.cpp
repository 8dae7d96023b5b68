#include "controller/child_process.hpp"

#include <algorithm>
#include <csignal>
#include <memory>
#include <system_error>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/unique_fd.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;

/// Of what it says when it fails.
constexpr std::size_t kErrorBytes = 4096;

/// A file in memory; what a program writes there waits until it is read.
UniqueFd memory_file() {
    return UniqueFd(::memfd_create("podfence-child", MFD_CLOEXEC));
}

/// From the start, up to a limit.
std::string read(const UniqueFd& file, std::size_t limit) {
    std::string text(limit, '\0');
    const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text;
}

std::vector<std::string> environment_of(const ChildCommand& command) {
    std::vector<std::string> out;
    for (char** variable = environ; *variable != nullptr; ++variable) out.emplace_back(*variable);
    for (const auto& [name, value] : command.environment) {
        std::erase_if(out, [&](const std::string& old) { return old.starts_with(name + '='); });
        std::string assignment = name;
        assignment += '=';
        assignment += value;
        out.push_back(std::move(assignment));
    }
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

/// Starts it in a process group of its own, with a mask and dispositions of its own; gives 0 or an
/// errno.
int spawn(const ChildCommand& command, const UniqueFd& output, const UniqueFd& errors, pid_t& pid) {
    std::vector<std::string> words = command.words;
    std::vector<std::string> variables = environment_of(command);
    posix_spawn_file_actions_t files{};
    posix_spawnattr_t attributes{};
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, output.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, errors.get(), STDERR_FILENO);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int error = ::posix_spawnp(&pid, words.front().c_str(), &files, &attributes,
                                     pointers(words).data(), pointers(variables).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    return error;
}

/// A process that was started; killed and reaped with all of its group if it still runs.
class Child {
  public:
    explicit Child(pid_t pid) : pid_(pid) {}
    ~Child() {
        if (pid_ <= 0) return;
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// Becomes readable when the process ends; -1: the kernel has none.
    int descriptor() const { return static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)); }
    /// The status as waitpid() has it; the process must have ended.
    int reap() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }

  private:
    pid_t pid_;
};

ChildEnd failed(std::string why) {
    return {.failure = std::move(why)};
}

}  // namespace

asio::awaitable<ChildEnd> run_child(asio::any_io_executor executor, ChildCommand command) {
    const UniqueFd output = memory_file();
    const UniqueFd errors = memory_file();
    if (!output || !errors) {
        co_return failed("cannot be started: no memory for its output");
    }
    pid_t pid = -1;
    if (const int error = spawn(command, output, errors, pid); error != 0) {
        co_return failed("cannot be started: " + std::generic_category().message(error));
    }
    Child child(pid);
    const int ended = child.descriptor();
    if (ended < 0) {
        co_return failed("cannot be awaited: the kernel is too old (5.3)");
    }
    // Shared, because the timer may be about to fire when the process ends.
    const auto end = std::make_shared<asio::posix::stream_descriptor>(executor, ended);
    asio::steady_timer timer(executor, command.timeout);
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): it is no coroutine.
    timer.async_wait([end](const boost::system::error_code& ec) {
        if (!ec) end->cancel();
    });
    const auto [ec] = co_await end->async_wait(asio::posix::stream_descriptor::wait_read,
                                               asio::as_tuple(asio::use_awaitable));
    if (ec) co_return failed("did not end in time");
    timer.cancel();
    const int status = child.reap();
    ChildEnd done{.output = read(output, command.output_bytes_max),
                  .errors = read(errors, kErrorBytes)};
    if (WIFEXITED(status)) {
        done.status = WEXITSTATUS(status);
    } else {
        done.failure = "was killed by signal " + std::to_string(WTERMSIG(status));
    }
    co_return done;
}

}  // namespace podfence
