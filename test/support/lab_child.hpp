#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "test/support/lab_netns.hpp"

namespace podfence::lab {

struct ChildSpec {
    std::vector<std::string> argv;
    std::string log;                            ///< File that gets both outputs, appended.
    std::vector<std::string> environment = {};  ///< "KEY=value", instead of ours of that key.
};

/// A program that runs beside the test, in a network namespace. It never outlives the object, nor
/// the test: the kernel kills it when the thread that started it ends.
class Child {
  public:
    /// Throws Failure when it cannot be started.
    Child(const NetNs& ns, const ChildSpec& spec);
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    ~Child();

    pid_t pid() const { return pid_; }
    bool running();
    void signal(int number) const;
    /// Its exit status, 128 + signal when killed; nullopt: it still runs after this time.
    std::optional<int> wait(std::chrono::milliseconds timeout);
    /// SIGKILL, and gone.
    void kill();

  private:
    pid_t pid_ = -1;
    UniqueFd pidfd_;
    std::optional<int> status_;
};

/// The last lines of a log, for the message of a failure.
std::string tail_of(const std::string& log);

}  // namespace podfence::lab
