#include "controller/watch_dir.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>

#include "controller/unsure_pods.hpp"

namespace podfence {

namespace {

bool is_directory(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string parent_of(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path();
    return parent.empty() ? "." : parent;
}

/// The directory that holds what a link leads to; empty when that is nothing.
std::string target_directory(const std::string& path) {
    std::error_code failure;
    const auto target = std::filesystem::canonical(path, failure);
    return failure ? "" : target.parent_path().string();
}

bool is_link(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

std::string label_of(Kind kind, const ObjectName& name) {
    return std::string(to_string(kind)) + ' ' + (name.ns.empty() ? name.name : to_string(name));
}

template <class Objects, class Take>
void each_object(const Objects& objects, Take take) {
    for (const auto& [name, object] : objects) take(Object(object));
}

}  // namespace

WatchedFiles::WatchedFiles(std::vector<std::string> paths, Sink& sink, Options options)
    : paths_(std::move(paths)), sink_(sink), options_(std::move(options)) {
    options_.load.whole = false;
    for (const std::string& path : paths_) {
        status_.origin += (status_.origin.empty() ? "files of " : ", ") + path;
    }
    for (KindStatus& kind : status_.kinds) kind.state = KindStatus::State::listing;
}

void WatchedFiles::wake(Time at) {
    due_ = due_ ? std::min(*due_, at) : at;
}

void WatchedFiles::touched(Time now) {
    if (!touched_) touched_ = now;
    due_ = std::min(now + options_.settle, *touched_ + options_.settle_max);
}

void WatchedFiles::writing(Time now, const std::string& path) {
    FileIdentity identity;
    if (!identify(path, identity)) return;
    writing_[{identity.device, identity.inode}] = now + options_.writing;
    wake(now + options_.writing);
}

void WatchedFiles::written(Time now, const std::string& path) {
    FileIdentity identity;
    if (identify(path, identity)) {
        const Inode inode{identity.device, identity.inode};
        writing_.erase(inode);
        dirty_.insert(inode);
    }
    touched(now);
}

void WatchedFiles::lost_track(Time now) {
    all_dirty_ = true;
    writing_.clear();
    touched(now);
}

std::set<std::string> WatchedFiles::scan() {
    std::set<std::string> directories;
    found_.clear();
    ManifestTree tree;
    for (const std::string& path : paths_) {
        directories.insert(parent_of(path));  // where it may be replaced as a whole
        if (is_directory(path)) {
            tree.add(path);
            continue;
        }
        ManifestTree::File file{.path = path};
        if (identify(path, file.identity)) {
            found_.emplace_back(std::move(file), true);
        } else {
            tree.problems.push_back(
                {.pos = {.file = path},
                 .message = "cannot be read: " + std::generic_category().message(errno),
                 .remedy = "what was read before stays in force"});
        }
    }
    directories.insert(tree.directories.begin(), tree.directories.end());
    for (ManifestTree::File& file : tree.files) found_.emplace_back(std::move(file), false);
    for (const auto& [file, named] : found_) {
        if (!is_link(file.path)) continue;
        if (auto target = target_directory(file.path); !target.empty()) {
            directories.insert(std::move(target));
        }
    }
    scan_problems_ = std::move(tree.problems);
    return directories;
}

/// Sorts what was loaded by object.
void WatchedFiles::take(Loaded loaded, File& file) {
    std::map<std::string, std::vector<Problem>> problems;
    for (Problem& problem : loaded.problems) {
        problems[problem.object].push_back(std::move(problem));
    }
    file.objects.clear();
    const auto put = [&](Object object) {
        const Key key{kind_of(object), name_of(object)};
        const auto own = problems.extract(label_of(key.first, key.second));
        file.objects[key] = std::make_shared<const Held>(
            Held{.object = std::move(object),
                 .problems = own ? std::move(own.mapped()) : std::vector<Problem>()});
    };
    each_object(loaded.cluster.namespaces(), put);
    each_object(loaded.cluster.policies(), put);
    each_object(loaded.cluster.pods(), put);
    file.problems.clear();
    for (auto& [object, rest] : problems) {
        std::move(rest.begin(), rest.end(), std::back_inserter(file.problems));
    }
}

void WatchedFiles::read(Time now, const ManifestTree::File& found, bool named) {
    const Inode inode{found.identity.device, found.identity.inode};
    File& file = files_[found.path];
    file.missing.reset();
    file.named = named;
    const auto written = writing_.find(inode);
    if (written != writing_.end() && written->second > now) return;  // another time
    const bool known = file.read || file.failed;
    if (known && file.identity == found.identity && !all_dirty_ && !dirty_.contains(inode)) return;
    LoadOptions load = options_.load;
    load.may_be_empty = !named;
    Loaded loaded = load_manifests({found.path}, load);
    FileIdentity after;
    if (!identify(found.path, after)) {
        miss(now, file);  // it went while it was read
        return;
    }
    // Another change while it was read is seen as one, because this is how it was before.
    file.identity = found.identity;
    file.unreadable = loaded.unreadable && !file.read;
    file.failed = loaded.unreadable || loaded.unparsed > 0;
    if (!file.failed || !file.read) {
        take(std::move(loaded), file);
        file.read = !file.failed;
        return;
    }
    file.problems.clear();
    for (Problem& problem : loaded.problems) {
        // Of objects that were understood nothing is in force, so they are not reported either.
        if (problem.severity != Severity::error || !problem.object.empty()) continue;
        problem.remedy = "mend it; until then what the file last held stays in force";
        file.problems.push_back(std::move(problem));
    }
}

/// A file that was known is not there.
void WatchedFiles::miss(Time now, File& file) {
    if (!file.missing) file.missing = now;
    const Time gone = *file.missing + options_.gone;
    if (gone > now) wake(gone);
}

void WatchedFiles::sync(Time now, std::vector<Problem> unwatched) {
    touched_.reset();
    due_.reset();
    std::erase_if(writing_, [&](const auto& entry) { return entry.second <= now; });
    for (const auto& [inode, until] : writing_) wake(until);
    std::set<std::string> present;
    for (const auto& [found, named] : found_) {
        present.insert(found.path);
        read(now, found, named);
    }
    all_dirty_ = false;
    dirty_.clear();
    // A directory that cannot be listed says nothing about what it holds.
    const bool blind = std::any_of(scan_problems_.begin(), scan_problems_.end(),
                                   [](const auto& p) { return p.severity == Severity::error; });
    for (auto it = files_.begin(); it != files_.end();) {
        File& file = it->second;
        if (!present.contains(it->first)) miss(now, file);
        // What the operator named is not given up: its loss is most often a mistake.
        const bool gone = file.missing && now >= *file.missing + options_.gone && !file.named;
        it = gone && !blind ? files_.erase(it) : std::next(it);
    }
    tell_difference();
    tell_state(std::move(unwatched));
}

void WatchedFiles::tell_difference() {
    std::map<Key, std::shared_ptr<const Held>> wanted;
    for (const auto& [path, file] : files_) {
        for (const auto& [key, held] : file.objects) {
            const auto [place, first] = wanted.emplace(key, held);
            // Each file that needs it has its own, and all are the same.
            if (first || (key.first == Kind::policy && is_stand_in(key.second))) continue;
            // The last one wins, as it does when all are read at once.
            auto winner = std::make_shared<Held>(*held);
            const auto pos = [](const auto& object) -> const SourcePos& { return object.pos; };
            winner->problems.push_back(
                {.severity = Severity::warning,
                 .pos = std::visit(pos, held->object),
                 .object = label_of(key.first, key.second),
                 .message = "is also at " + to_string(std::visit(pos, place->second->object)),
                 .remedy = "remove one; this later one is in force"});
            place->second = std::move(winner);
        }
    }
    for (const auto& [key, held] : wanted) {
        const auto before = told_.find(key);
        if (before != told_.end() && (before->second == held || *before->second == *held)) continue;
        ++status_.kinds[index_of(key.first)].events;
        sink_.put(held->object, held->problems);
    }
    for (const auto& [key, held] : told_) {
        if (wanted.contains(key)) continue;
        ++status_.kinds[index_of(key.first)].events;
        sink_.remove(key.first, key.second);
    }
    told_ = std::move(wanted);
}

/// What is wrong with the files, and whether all is known that there is.
void WatchedFiles::tell_state(std::vector<Problem> problems) {
    problems.insert(problems.end(), scan_problems_.begin(), scan_problems_.end());
    bool unknown = false;
    for (const Problem& problem : scan_problems_) {
        const auto known = files_.find(problem.pos.file);
        const bool read = known != files_.end() && known->second.read;
        unknown = unknown || (problem.severity == Severity::error && !read);
    }
    for (const auto& [path, file] : files_) {
        problems.insert(problems.end(), file.problems.begin(), file.problems.end());
        unknown = unknown || file.unreadable;
    }
    if (problems != told_problems_) sink_.problems(problems);
    told_problems_ = problems;
    std::optional<Trouble> trouble;
    const auto worst = std::find_if(problems.begin(), problems.end(), [](const Problem& problem) {
        return problem.severity == Severity::error;
    });
    if (worst != problems.end()) {
        trouble = Trouble{.cause = Trouble::Cause::input,
                          .message = to_string(worst->pos) + ": " + worst->message,
                          .remedy = worst->remedy};
    }
    for (const Kind kind : kKinds) {
        KindStatus& status = status_.kinds[index_of(kind)];
        status.objects = static_cast<std::size_t>(
            std::count_if(told_.begin(), told_.end(),
                          [&](const auto& entry) { return entry.first.first == kind; }));
        const bool healed = status.trouble && !trouble;
        const bool news = trouble && status.trouble != trouble;
        status.trouble = trouble;
        if (news) sink_.trouble(kind, *trouble);
        if (healed) sink_.recovered(kind);
        if (unknown || status.listed) continue;
        status.listed = true;
        ++status.lists;
        status.state = KindStatus::State::watching;
        sink_.listed(kind);
    }
}

}  // namespace podfence
