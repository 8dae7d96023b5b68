#include "controller/manifest_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <sys/stat.h>

#include "controller/limits.hpp"

namespace podfence {

namespace {

namespace fs = std::filesystem;

constexpr const char* kNotInForce = "nothing of it is in force";

std::int64_t nanoseconds(const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileIdentity identity_of(const struct stat& info) {
    return {.device = info.st_dev,
            .inode = info.st_ino,
            .size = info.st_size,
            .modified_ns = nanoseconds(info.st_mtim),
            .changed_ns = nanoseconds(info.st_ctim)};
}

}  // namespace

bool identify(const std::string& path, FileIdentity& identity) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return false;
    identity = identity_of(info);
    return true;
}

bool is_manifest_name(const std::string& name) {
    const auto ends = [&](std::string_view suffix) { return name.ends_with(suffix); };
    return !name.starts_with('.') && !name.starts_with('#') &&
           (ends(".yaml") || ends(".yml") || ends(".json"));
}

void ManifestTree::report(Severity severity, const std::string& path, std::string message,
                          std::string remedy) {
    problems.push_back({.severity = severity,
                        .pos = {.file = path},
                        .message = std::move(message),
                        .remedy = std::move(remedy)});
}

void ManifestTree::add(const std::string& path) {
    seen_.clear();
    directory(path, 0);
}

void ManifestTree::directory(const std::string& path, std::size_t depth) {
    FileIdentity identity;
    std::error_code failure;
    std::vector<std::string> names;
    if (identify(path, identity) && !seen_.emplace(identity.device, identity.inode).second) {
        return;  // A link leads back to what was read already.
    }
    if (depth > limits::kDirectoryDepth) {
        report(Severity::error, path,
               "directories deeper than " + std::to_string(limits::kDirectoryDepth), kNotInForce);
        return;
    }
    directories.push_back(path);
    for (fs::directory_iterator it(path, failure), end; !failure && it != end;
         it.increment(failure)) {
        if (++entries_ > limits::kDirectoryEntries) {
            report(Severity::error, path,
                   "more than " + std::to_string(limits::kDirectoryEntries) + " directory entries",
                   "name fewer directories; what is beyond was not read");
            return;
        }
        names.push_back(it->path().filename().string());
    }
    if (failure) {
        report(Severity::error, path, "cannot list the directory: " + failure.message(),
               kNotInForce);
        return;
    }
    std::sort(names.begin(), names.end());
    const std::string prefix = path.ends_with('/') ? path : path + '/';
    for (const std::string& name : names) {
        if (!name.starts_with('.')) entry(prefix + name, depth);
    }
}

void ManifestTree::entry(const std::string& path, std::size_t depth) {
    const bool manifest = is_manifest_name(path.substr(path.rfind('/') + 1));
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        const int os_error = errno;
        if (!manifest) return;
        if (os_error == ENOENT) {
            report(Severity::warning, path, "vanished while the directory was read",
                   "it is not part of the input");
        } else {
            report(Severity::error, path,
                   "cannot be read: " + std::generic_category().message(os_error), kNotInForce);
        }
    } else if (S_ISDIR(info.st_mode)) {
        directory(path, depth + 1);
    } else if (manifest && S_ISREG(info.st_mode)) {
        files.push_back({.path = path, .identity = identity_of(info)});
    } else if (manifest) {
        report(Severity::warning, path, "is no regular file and is skipped",
               "name it itself if it is to be read");
    }
}

}  // namespace podfence
