#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/clock.hpp"
#include "test/bench/scenarios.hpp"
#include "test/support/lab_fd.hpp"
#include "test/support/netns.hpp"
#include "test/support/paths.hpp"
#include "test/support/scale.hpp"

namespace podfence::bench {
namespace {

constexpr double kMebibyte = 1024.0 * 1024;

/// VmHWM of a process that is still there.
double peak_bytes(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) * 1024;
    }
    lab::fail("/proc/PID/status has no VmHWM");
}

/// In the child: becomes podfence, stopped until its parent lets it go on.
[[noreturn]] void become_podfence(const std::vector<std::string>& arguments) {
    std::vector<char*> argv{const_cast<char*>(test::podfence_program())};
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const int nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(nowhere, STDIN_FILENO);
    ::dup2(nowhere, STDOUT_FILENO);
    // The sanitizers' build cannot look for leaks while it is traced, and would fail.
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execv(test::podfence_program(), argv.data());
    ::_exit(127);
}

/// Runs podfence to its end, which must be good, and gives its peak of resident memory in bytes.
/// It is looked at where the kernel stops it on its way out: what wait4(2) tells of a child is no
/// less than its parent had when it was started.
double peak_of_podfence(const std::vector<std::string>& arguments) {
    const pid_t child = ::fork();
    if (child < 0) lab::fail_errno("fork");
    if (child == 0) become_podfence(arguments);
    double peak = 0;
    int status = 0;
    for (bool first = true;; first = false) {
        if (::waitpid(child, &status, 0) < 0) lab::fail_errno("wait for podfence");
        if (!WIFSTOPPED(status)) break;
        if (first) ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACEEXIT);
        const bool leaving = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
        if (leaving) peak = peak_bytes(child);
        const int signal = first || leaving ? 0 : WSTOPSIG(status);
        if (::ptrace(PTRACE_CONT, child, nullptr, signal) != 0) lab::fail_errno("ptrace");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || peak == 0)
        lab::fail("podfence did not do what its memory was to be measured at");
    return peak;
}

/// A file in memory that children inherit.
lab::UniqueFd file_of(const std::string& text) {
    lab::UniqueFd fd(::memfd_create("manifest.yaml", 0));
    for (std::size_t at = 0; fd && at < text.size();) {
        const ssize_t n = ::write(fd.get(), text.data() + at, text.size() - at);
        if (n < 0) lab::fail_errno("write a manifest");
        at += static_cast<std::size_t>(n);
    }
    return fd;
}

}  // namespace

void measure_memory(Report& report, const Options& options) {
    const test::Scale scale = options.smoke ? test::kSmallScale : test::Scale{};
    const std::string size = "/" + std::to_string(scale.pods) + "-pods";
    double text_bytes = 0;
    lab::UniqueFd file;
    {
        const std::string text = test::scale_manifest(scale);
        text_bytes = static_cast<double>(text.size());
        file = file_of(text);
    }
    const std::string path = "/dev/fd/" + std::to_string(file.get());
    Figure time{.name = "memory/apply" + size + "/time", .unit = "ms"};
    Figure figure{.name = "memory/apply" + size,
                  .unit = "MiB",
                  .demand = Demand{.of = Measure::max, .bound = 64},
                  .note = "beyond the " + std::to_string(static_cast<int>(text_bytes / kMebibyte)) +
                          " MiB of text; baseline: podfence version"};
    for (std::size_t i = 0; i < (options.smoke ? 1 : 3); ++i) {
        const test::PrivateNetns netns;
        double peak = 0;
        time.samples.push_back(
            microseconds([&] {
                peak = peak_of_podfence({"apply", "-f", path, "--node", test::kScaleNode});
            }) /
            1000);
        figure.samples.push_back((peak - text_bytes) / kMebibyte);
        figure.baseline.push_back(peak_of_podfence({"version"}) / kMebibyte);
    }
    report.print(figure);
    time.note = "the whole program: read, compile, commit";
    report.print(time);
}

}  // namespace podfence::bench
