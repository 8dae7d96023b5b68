#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/problem.hpp"

namespace podfence {

/// Changes whenever the content of a file may have changed, but for a write within the clock tick
/// of the one before.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
/// Of what a path leads to, through links. False: nothing, with the reason in errno.
bool identify(const std::string& path, FileIdentity& identity);

/// *.yaml, *.yml and *.json. Hidden files (and with them the "..data" of mounted ConfigMaps, which
/// is reached through its links) and editors' backups never count.
bool is_manifest_name(const std::string& name);

/// What a directory holds: manifests in the order they are read, and the directories they are in.
class ManifestTree {
  public:
    struct File {
        std::string path{};
        FileIdentity identity{};
    };
    /// Adds a directory, recursively, in name order, without hidden ones. A directory that links
    /// lead to again is listed once for each call.
    void add(const std::string& directory);

    std::vector<File> files{};
    std::vector<std::string> directories{};  ///< Each that was listed.
    /// Errors are about what could not be read, warnings about what was left out.
    std::vector<Problem> problems{};

  private:
    void directory(const std::string& path, std::size_t depth);
    void entry(const std::string& path, std::size_t depth);
    void report(Severity severity, const std::string& path, std::string message,
                std::string remedy);

    std::size_t entries_ = 0;
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen_{};  ///< device, inode
};

}  // namespace podfence
