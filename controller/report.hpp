#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "controller/node.hpp"
#include "controller/problem_log.hpp"

namespace podfence {

/// Reports what is wrong with one object, field by field.
class Report {
  public:
    /// `object` is "NetworkPolicy shop/db". The log is not owned.
    Report(ProblemLog& log, std::string file, std::string object)
        : log_(log), file_(std::move(file)), object_(std::move(object)) {}

    void error(std::uint32_t line, std::string field, std::string message, std::string remedy);
    void warning(std::uint32_t line, std::string field, std::string message, std::string remedy);
    /// Of input without a name (an agent's answer) lines tell nobody anything.
    SourcePos pos(std::uint32_t line) const {
        return file_.empty() ? SourcePos{} : SourcePos{.file = file_, .line = line};
    }
    const std::string& object() const { return object_; }

    /// Reports members that are not among `known` (V15) and those that occur twice. True when there
    /// are none. `field` is the map's own path.
    bool check_members(const Node& map, std::string_view field,
                       std::initializer_list<std::string_view> known, const std::string& remedy);
    /// Only those that occur twice.
    bool check_repeated(const Node& map, std::string_view field, const std::string& remedy);

    /// The string member of a map; nullopt when missing, null, or no string, which is reported.
    std::optional<std::string> string(const Node& map, std::string_view field, std::string_view key,
                                      const std::string& remedy);
    std::optional<bool> boolean(const Node& map, std::string_view field, std::string_view key,
                                const std::string& remedy);
    /// The member, when it is a list or map as wanted; nullptr when missing, null, or of another
    /// kind, which is reported.
    const Node* child(const Node& map, std::string_view field, std::string_view key,
                      Node::Kind kind, const std::string& remedy);

  private:
    ProblemLog& log_;
    std::string file_;
    std::string object_;
};

/// "spec" and "ingress" give "spec.ingress"; an empty parent gives the key alone. Keys that hold
/// dots stand in brackets, as the API server writes them.
std::string join_field(std::string_view parent, std::string_view key);
/// "spec.ingress" and 2 give "spec.ingress[2]".
std::string join_index(std::string_view parent, std::size_t index);

}  // namespace podfence
