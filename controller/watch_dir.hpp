#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/manifest_source.hpp"
#include "controller/manifest_tree.hpp"
#include "controller/source.hpp"

namespace podfence {

/// Follows files: tells a sink what they hold and, when they change, exactly the difference. Reads
/// files but neither waits nor asks a clock: whoever drives it tells what the kernel saw (see
/// make_directory_source()) and calls sync() when it is due.
///
/// What people and programs do to files must not open anything for a moment, so:
/// - changes count once the files have been quiet for a moment, and a file that is being written
///   counts as it was before;
/// - a file that stops being YAML or JSON keeps what it last held, and is reported;
/// - a file that is gone counts as gone only if it stays so: editors save by renaming.
class WatchedFiles {
  public:
    using Time = KindStatus::Time;
    struct Options {
        LoadOptions load{};
        std::chrono::milliseconds settle{50};       ///< Quiet before changes are read...
        std::chrono::milliseconds settle_max{500};  ///< ...or at the latest.
        std::chrono::milliseconds gone{300};        ///< Before a missing file is believed gone.
        std::chrono::milliseconds writing{5'000};   ///< Quiet in a file that is open for writing.
    };
    /// `paths` are files and directories; `sink` is not owned.
    WatchedFiles(std::vector<std::string> paths, Sink& sink, Options options);

    /// Something happened somewhere.
    void touched(Time now);
    /// The file at `path` was written to and is not closed yet.
    void writing(Time now, const std::string& path);
    /// It was closed, or replaced as a whole.
    void written(Time now, const std::string& path);
    /// It is not known what happened.
    void lost_track(Time now);

    /// When to call sync(); nullopt: not before something happens.
    std::optional<Time> due() const { return due_; }
    /// Lists what there is now, without reading it: the directories that must be watched.
    std::set<std::string> scan();
    /// Reads what has changed since the last time, as it was found by the last scan(). `unwatched`
    /// are directories whose changes will not be told, as problems.
    void sync(Time now, std::vector<Problem> unwatched = {});

    const SourceStatus& status() const { return status_; }

  private:
    using Inode = std::pair<std::uint64_t, std::uint64_t>;
    using Key = std::pair<Kind, ObjectName>;
    struct Held {
        Object object;
        std::vector<Problem> problems{};
        friend bool operator==(const Held&, const Held&) = default;
    };
    struct File {
        FileIdentity identity{};
        std::map<Key, std::shared_ptr<const Held>> objects{};
        std::vector<Problem> problems{};  ///< Of no object.
        bool read = false;                ///< Successfully at least once.
        bool failed = false;              ///< The last time.
        bool unreadable = false;          ///< The last time; nothing is known of it.
        bool named = false;               ///< By the operator, and not found in a directory.
        std::optional<Time> missing{};    ///< Since when.
    };

    void read(Time now, const ManifestTree::File& found, bool named);
    static void take(Loaded loaded, File& file);
    void miss(Time now, File& file);
    void tell_difference();
    void tell_state(std::vector<Problem> problems);
    void wake(Time at);

    std::vector<std::string> paths_;
    Sink& sink_;
    Options options_;
    SourceStatus status_{};
    std::map<std::string, File> files_{};  ///< By path, which is the order they are read in.
    std::map<Key, std::shared_ptr<const Held>> told_{};
    std::vector<Problem> told_problems_{};
    std::map<Inode, Time> writing_{};  ///< Files that are open for writing; believed until then.
    std::set<Inode> dirty_{};          ///< Files to be read whatever they look like.
    bool all_dirty_ = false;
    std::vector<std::pair<ManifestTree::File, bool>> found_{};  ///< By scan(); named or not.
    std::vector<Problem> scan_problems_{};
    std::optional<Time> touched_{};  ///< Since when there is something to read.
    std::optional<Time> due_{};
};

}  // namespace podfence
