#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace podfence {

/// A program to run beside the event loop.
struct ChildCommand {
    std::vector<std::string> words{};  ///< The program, by path or by PATH, and its arguments.
    std::vector<std::pair<std::string, std::string>> environment{};  ///< Added to ours.
    std::size_t output_bytes_max = std::size_t{1} << 20;
    std::chrono::milliseconds timeout{};
};

/// How it ended.
struct ChildEnd {
    /// Why there is no exit status: "cannot be started: ...", "did not end in time", "was killed by
    /// signal 9"; empty: there is one.
    std::string failure{};
    int status = 0;
    std::string output{};  ///< The beginning of what it wrote to stdout, and to stderr.
    std::string errors{};
};

/// Runs it, in a process group of its own and without standard input, and waits for its end without
/// blocking; after the timeout it is killed with all processes of its group, and so it is when the
/// coroutine is destroyed.
boost::asio::awaitable<ChildEnd> run_child(boost::asio::any_io_executor executor,
                                           ChildCommand command);

}  // namespace podfence
