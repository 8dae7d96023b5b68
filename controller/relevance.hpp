#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace podfence {

/// Fields of objects that never matter to policy and make up most of what kubectl prints. `path` is
/// relative to the object: "spec.containers[].env". Readers keep their key and drop what is below.
bool is_irrelevant(std::string_view path);

/// The same as a tree, to be followed from field to field by who reads an object.
class Field {
  public:
    /// Of any object.
    static const Field& of_object();
    /// Of an event of a watch: of its object one annotation matters, on bookmarks.
    static const Field& of_event();

    bool irrelevant() const { return irrelevant_; }
    /// A member of a map, or "[]" for the items of a list. nullptr: all of it matters.
    const Field* find(std::string_view key) const;

  private:
    static Field make_object();
    static Field make_event();

    Field& grow(std::string_view key);

    std::vector<std::pair<std::string_view, Field>> below_{};
    bool irrelevant_ = false;
    bool others_irrelevant_ = false;  ///< What is below and not named.
};

}  // namespace podfence
