#pragma once

#include <string>

#include "controller/manifest_source.hpp"
#include "controller/manifest_tree.hpp"
#include "controller/object_loader.hpp"

namespace podfence {

/// Reads what the operator named: files, pipes, directories, standard input.
class FileSource {
  public:
    /// Nothing is owned.
    FileSource(Loaded& loaded, ProblemLog& log, ObjectLoader& loader, const LoadOptions& options)
        : loaded_(loaded), log_(log), loader_(loader), options_(options) {}

    /// One argument: a path, or "-" for standard input.
    void read(const std::string& path);

  private:
    /// How a path came here decides what may be wrong with it.
    enum class Origin : std::uint8_t { named, listed };

    void directory(const std::string& path);
    void file(const std::string& path, Origin origin);
    void stream(int fd, const std::string& name, Origin origin);
    bool await_writer(int fd, const std::string& path);
    void error(const std::string& file, std::string message, std::string remedy);
    void warning(const std::string& file, std::string message, std::string remedy);

    Loaded& loaded_;
    ProblemLog& log_;
    ObjectLoader& loader_;
    const LoadOptions& options_;
    ManifestTree tree_{};
};

}  // namespace podfence
