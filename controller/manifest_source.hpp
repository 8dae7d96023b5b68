#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/cluster.hpp"
#include "controller/limits.hpp"
#include "controller/problem.hpp"

namespace podfence {

struct LoadOptions {
    std::string default_namespace = "default";  ///< For objects without metadata.namespace.
    std::chrono::milliseconds fifo_wait = limits::kFifoWait;  ///< For a named FIFO's first writer.
    bool may_be_empty = false;  ///< A named file without objects is no error.
    bool whole = true;          ///< There is nothing else: find what only the whole shows.
};

/// What was read. The cluster holds everything that could be understood; what could not fails
/// closed and is among the problems. `unreadable` is true when part of the input is unknown: a path
/// that cannot be read or breaks off as binary or too much, a file or pipe named by the operator
/// that holds no object at all. Enforcing the rest may then open what the missing part isolates.
struct Loaded {
    Cluster cluster{};
    std::vector<Problem> problems{};
    std::size_t objects = 0;   ///< Pods, namespaces and policies taken.
    std::size_t skipped = 0;   ///< Objects of kinds that do not matter.
    std::size_t unparsed = 0;  ///< Pieces of text that are no YAML or JSON, or pass a limit.
    bool unreadable = false;
    bool has_errors() const;
};

/// Reads files, FIFOs, directories (*.yaml, *.yml, *.json, recursively, in name order, without
/// hidden ones) and "-" (standard input); YAML or JSON, many documents, List kinds. Beside the
/// cluster, memory is bounded by the limits in controller/limits.hpp, whatever the input.
Loaded load_manifests(const std::vector<std::string>& paths, const LoadOptions& options = {});

/// The same from text in memory; `name` stands for the file in messages. With an empty name objects
/// and problems have no positions.
Loaded load_text(const std::string& name, std::string_view text, const LoadOptions& options = {});

}  // namespace podfence
