#include "controller/manifest_source.hpp"

#include <algorithm>

#include "controller/file_source.hpp"
#include "controller/manifest_stream.hpp"

namespace podfence {

bool Loaded::has_errors() const {
    return std::any_of(problems.begin(), problems.end(),
                       [](const Problem& p) { return p.severity == Severity::error; });
}

Loaded load_manifests(const std::vector<std::string>& paths, const LoadOptions& options) {
    Loaded loaded;
    ProblemLog log;
    ObjectLoader loader(loaded, log, options);
    FileSource source(loaded, log, loader, options);
    for (const std::string& path : paths) source.read(path);
    if (options.whole) loader.finish();
    loaded.problems = log.take();
    return loaded;
}

Loaded load_text(const std::string& name, std::string_view text, const LoadOptions& options) {
    Loaded loaded;
    ProblemLog log;
    ObjectLoader loader(loaded, log, options);
    loader.begin_source(name);
    ManifestStream stream(loader);
    stream.feed(text);
    stream.finish();
    loaded.unreadable = loaded.unreadable || stream.failed();
    if (options.whole) loader.finish();
    loaded.problems = log.take();
    return loaded;
}

}  // namespace podfence
