#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "controller/source.hpp"
#include "controller/watch_dir.hpp"

namespace podfence {

struct DirectoryOptions {
    WatchedFiles::Options files{};
    /// Everything is looked at again this often, for file systems that do not say what happens to
    /// them (NFS), and for changes behind links that lead through links.
    std::chrono::seconds look{60};
};

/// Follows files and directories with inotify. What cannot be read at the start leaves the source
/// without Sink::listed() until it can. Errors: input, for "-" and what is neither a file nor a
/// directory; or when the kernel gives no inotify. `io` and `sink` must outlive the source.
Sourced<std::unique_ptr<Source>> make_directory_source(boost::asio::io_context& io,
                                                       std::vector<std::string> paths, Sink& sink,
                                                       DirectoryOptions options = {});

}  // namespace podfence
