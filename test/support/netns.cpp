#include "test/support/netns.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace podfence::test {

namespace {

constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

int open_own_netns() {
    const int fd = ::open(kOwnNetns, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        throw std::runtime_error(std::string(kOwnNetns) + ": " + std::strerror(errno));
    }
    return fd;
}

/// A file that goes with the object: nft reads a ruleset twice when it is a pipe's worth too long.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& text) {
        const int fd = ::mkstemp(path_.data());
        if (fd < 0) {
            throw std::runtime_error(path_ + ": " + std::strerror(errno));
        }
        ::close(fd);
        std::ofstream(path_) << text;
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { ::unlink(path_.c_str()); }

    const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/podfence-test-XXXXXX";
};

}  // namespace

std::optional<std::string> PrivateNetns::missing() {
    const int home = open_own_netns();
    std::optional<std::string> reason;
    if (::unshare(CLONE_NEWNET) != 0) {
        reason = std::string("no network namespace can be made (CAP_SYS_ADMIN): ") +
                 std::strerror(errno);
    } else if (::setns(home, CLONE_NEWNET) != 0) {
        std::abort();  // Every later test would run in the wrong namespace.
    }
    ::close(home);
    return reason;
}

PrivateNetns::PrivateNetns() : home_(open_own_netns()) {
    if (::unshare(CLONE_NEWNET) != 0) {
        const std::string why = std::strerror(errno);
        ::close(home_);
        throw std::runtime_error("unshare(CLONE_NEWNET): " + why);
    }
}

PrivateNetns::~PrivateNetns() {
    if (::setns(home_, CLONE_NEWNET) != 0) {
        std::abort();
    }
    ::close(home_);
}

std::string run_shell(const std::string& command) {
    FILE* const pipe = ::popen((command + " 2>&1").c_str(), "re");
    if (pipe == nullptr) {
        throw std::runtime_error(command + ": " + std::strerror(errno));
    }
    std::string output;
    std::array<char, 65536> block;
    while (const std::size_t size = std::fread(block.data(), 1, block.size(), pipe)) {
        output.append(block.data(), size);
    }
    const int status = ::pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error(command + " failed:\n" + output);
    }
    return output;
}

std::optional<std::string> nft_missing() {
    try {
        run_shell("nft --version");
        return std::nullopt;
    } catch (const std::runtime_error& error) {
        return std::string("the program nft is not here: ") + error.what();
    }
}

void nft_load(const std::string& text) {
    const TemporaryFile file(text);
    run_shell("nft -f " + file.path());
}

}  // namespace podfence::test
