#include "test/support/lab_process.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "test/support/lab_fd.hpp"

extern char** environ;

namespace podfence::lab {
namespace {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) fail_errno("pipe");
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const auto& s : strings) result.push_back(const_cast<char*>(s.c_str()));
    result.push_back(nullptr);
    return result;
}

pid_t spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
            const Pipe& in, const Pipe& out, const Pipe& err) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
    std::vector<std::string> all = environment;
    for (char** e = environ; *e != nullptr; ++e) all.emplace_back(*e);
    pid_t pid = -1;
    const int failed = ::posix_spawnp(&pid, argv.at(0).c_str(), &actions, nullptr,
                                      pointers(argv).data(), pointers(all).data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) fail("run " + argv[0] + ": " + std::strerror(failed));
    return pid;
}

/// Reads what is there; false at the end of the stream.
bool drain(const UniqueFd& fd, std::string& into) {
    std::array<char, 16384> buffer{};
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n > 0) into.append(buffer.data(), static_cast<std::size_t>(n));
    return n > 0 || (n < 0 && errno == EINTR);
}

void feed(Pipe& in, std::string_view& input) {
    const ssize_t n = ::write(in.write.get(), input.data(), input.size());
    if (n > 0) input.remove_prefix(static_cast<std::size_t>(n));
    // A program may end without having read everything; its status tells what it thought of it.
    if (input.empty() || (n < 0 && errno != EINTR && errno != EAGAIN)) in.write.reset();
}

}  // namespace

Finished run_program(const std::vector<std::string>& argv, std::string_view input,
                     const std::vector<std::string>& environment) {
    ::signal(SIGPIPE, SIG_IGN);
    Pipe in = make_pipe();
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    const pid_t pid = spawn(argv, environment, in, out, err);
    in.read.reset();
    out.write.reset();
    err.write.reset();
    if (input.empty()) in.write.reset();
    // A program that writes before it has read everything must not stop us from reading.
    else if (::fcntl(in.write.get(), F_SETFL, O_NONBLOCK) != 0)
        fail_errno("fcntl");
    Finished finished;
    while (out.read || err.read) {
        std::array<pollfd, 3> fds{pollfd{out.read.get(), POLLIN, 0},
                                  pollfd{err.read.get(), POLLIN, 0},
                                  pollfd{in.write.get(), POLLOUT, 0}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) fail_errno("poll");
        if (fds[0].revents != 0 && !drain(out.read, finished.out)) out.read.reset();
        if (fds[1].revents != 0 && !drain(err.read, finished.err)) err.read.reset();
        if (fds[2].revents != 0) feed(in, input);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) fail_errno("wait for " + argv[0]);
    }
    finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return finished;
}

std::string check_program(const std::vector<std::string>& argv, std::string_view input,
                          const std::vector<std::string>& environment) {
    auto finished = run_program(argv, input, environment);
    if (finished.status != 0) {
        std::string line;
        for (const auto& a : argv) line += a + " ";
        fail(line + "gave status " + std::to_string(finished.status) + ": " + finished.err +
             finished.out);
    }
    return std::move(finished.out);
}

}  // namespace podfence::lab
