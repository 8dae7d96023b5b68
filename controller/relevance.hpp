#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/source.hpp"

namespace podfence {

/// Fields of objects that never matter to policy and make up most of what kubectl prints. `path` is
/// relative to the object: "spec.containers[].env". Readers keep their key and drop what is below.
bool is_irrelevant(std::string_view path);

/// Whether the decoder of pods reads this field of a pod's spec or status, all above or below one
/// that it reads among them. Of other parts of a pod it says nothing: true.
bool is_read_of_pod(std::string_view path);

/// The same as a tree, to be followed from field to field by who reads an object.
class Field {
  public:
    /// Of any object.
    static const Field& of_object();
    /// Of an object of this kind in an API server's answer. Its pods have no misspelt fields: of
    /// them what nothing here reads leaves no trace.
    static const Field& of_answer(Kind kind);
    /// Of an event of a watch: of its object one more annotation matters, on bookmarks.
    static const Field& of_event(Kind kind);

    /// The value does not matter, though that there is one may.
    bool irrelevant() const { return irrelevant_; }
    /// Nor does that there is one.
    bool unread() const { return unread_; }
    /// A member of a map, or "[]" for the items of a list. nullptr: all of it matters.
    const Field* find(std::string_view key) const;

  private:
    enum class Others : std::uint8_t { matter, irrelevant, unread };

    static Field make_object();
    static Field make_pod();
    static Field make_event(Field object);

    Field& grow(std::string_view key);

    std::vector<std::pair<std::string_view, Field>> below_{};
    bool irrelevant_ = false;
    bool unread_ = false;
    Others others_ = Others::matter;  ///< What is below and not named.
};

}  // namespace podfence
