#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/node.hpp"
#include "controller/relevance.hpp"
#include "controller/source.hpp"

/// What the API server says in the bodies of its answers, piece by piece as it comes: memory holds
/// one object at a time, however long the answer is.
namespace podfence {

/// An object in an answer. `cut` is the path where a part of it was lost to a limit; empty: whole.
struct ApiObject {
    Node tree{};
    std::string cut{};
};

/// One line of a watch.
struct ApiEvent {
    enum class Type : std::uint8_t { added, modified, deleted, bookmark, error, unknown };
    Type type = Type::unknown;
    ApiObject object{};  ///< For an error a Status.
};

/// metadata.resourceVersion; empty when there is none.
std::string resource_version_of(const Node& object);
/// Whether this bookmark says that everything that was there has been told.
bool ends_initial_events(const Node& bookmark);

struct DecodedObject {
    Object object;
    std::vector<Problem> problems{};
};
/// Fails closed as everything that decodes does. nullopt: a pod or namespace without a usable name,
/// which no API server gives.
std::optional<DecodedObject> decode_api_object(Kind kind, const ApiObject& object);
/// Read without reporting anything; a name that no API server gives is replaced by a made-up one.
ObjectName name_of(const Node& object);

/// Reads JSON documents one after another from pieces of any size. `fields` are those of an item or
/// an event, and not owned.
class ApiStream {
  public:
    /// How documents are built of the stream.
    enum class Shape : std::uint8_t {
        list,    ///< One document with `items`, given one by one.
        events,  ///< Any number, one an event.
    };
    using OnItem = std::function<void(ApiObject)>;
    using OnEvent = std::function<bool(ApiEvent)>;  ///< False: stop reading.

    /// Of `list`, and of any single document.
    explicit ApiStream(OnItem on_item, const Field& fields = Field::of_object());
    /// Of `events`.
    ApiStream(OnEvent on_event, const Field& fields);
    ~ApiStream();
    ApiStream(const ApiStream&) = delete;
    ApiStream& operator=(const ApiStream&) = delete;

    /// False: this is no JSON or passes a limit, see error(); or on_event wants no more.
    bool feed(std::string_view bytes);
    const std::string& error() const;  ///< Empty: nothing is wrong.
    /// Nothing has begun that has not ended.
    bool complete() const;
    /// Of a list: the document but for its items, once complete.
    const Node& root() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace podfence
