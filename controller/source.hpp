#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/system/result.hpp>

#include "controller/objects.hpp"
#include "controller/problem.hpp"

/// Where the agent's objects come from, whatever that is: an API server or watched files. A source
/// tells a sink what there is and every change of it, in one thread.
namespace podfence {

enum class Kind : std::uint8_t { pod, ns, policy };
inline constexpr std::array<Kind, 3> kKinds = {Kind::pod, Kind::ns, Kind::policy};
inline constexpr std::size_t index_of(Kind kind) {
    return static_cast<std::size_t>(kind);
}
std::string_view to_string(Kind kind);       ///< "Pod", "Namespace", "NetworkPolicy"
std::string_view resource_name(Kind kind);   ///< "pods", "namespaces", "networkpolicies"
std::string_view api_group_path(Kind kind);  ///< "/api/v1", "/apis/networking.k8s.io/v1"

using Object = std::variant<Pod, Namespace, NetworkPolicy>;
Kind kind_of(const Object& object);
/// The namespace is empty for a Namespace, whose name is `name`.
ObjectName name_of(const Object& object);

/// Why a source cannot follow what it should. What it told before stays true until it says
/// otherwise: losing a source never removes anything.
struct Trouble {
    enum class Cause : std::uint8_t {
        unreachable,   ///< Nobody answers, or the connection broke or fell silent.
        untrusted,     ///< The server's certificate: wrong CA, wrong name, expired, wrong clock.
        credentials,   ///< Our own: a file or plugin gives none, or the server refuses them (401).
        forbidden,     ///< A missing permission (403); the message names verb and resource.
        throttled,     ///< The server asks to wait (429).
        server_error,  ///< 5xx.
        protocol,      ///< What comes is not what a Kubernetes API server says.
        input,         ///< A file or directory cannot be read.
    };
    Cause cause = Cause::unreachable;
    std::string message{};  ///< What is wrong.
    std::string remedy{};   ///< What to do; may be empty.
    friend bool operator==(const Trouble&, const Trouble&) = default;
};
template <class T>
using Sourced = boost::system::result<T, Trouble>;
/// Found by argument-dependent lookup when `.value()` is called on an error (a bug of the caller).
[[noreturn]] void throw_exception_from_error(const Trouble& trouble,
                                             const boost::source_location& where);

std::string_view to_string(Trouble::Cause cause);  ///< "unreachable", ...: for metrics and JSON.
std::string to_string(const Trouble& trouble);     ///< "message (remedy)"

/// That a policy is not enforced as it is written, for those who look at it where it comes from.
struct Notice {
    ObjectName policy{};
    std::string uid{};   ///< Of the object; none: nothing can be said of it there.
    std::string key{};   ///< What makes two notices of an object the same, whoever has it.
    std::string text{};  ///< For a person.
};

/// Told by a source what there is. Calls come from the io_context's thread, never after
/// Source::stop(); an implementation must not throw and must not stop the source from inside.
class Sink {
  public:
    virtual ~Sink() = default;
    /// A new object, or another state of one that was told. One in error arrives as it fails
    /// closed. `problems` are all of this object; they replace those told with its last state.
    virtual void put(Object object, std::vector<Problem> problems) = 0;
    virtual void remove(Kind kind, const ObjectName& name) = 0;
    /// Everything of this kind that there is has been told, once or again after it was lost track
    /// of. Before the first time the cluster is not known and nothing may be concluded from what is
    /// missing.
    virtual void listed(Kind kind) = 0;
    /// The kind cannot be followed at the moment. Comes once for as long as the reason stays the
    /// same; what afflicts several kinds comes for each, and compares equal.
    virtual void trouble(Kind kind, const Trouble& trouble) = 0;
    virtual void recovered(Kind kind) = 0;  ///< Only after trouble().
    /// What is wrong with the input as such and not with one object (text that is no YAML, a file
    /// that cannot be read). All of it each time; replaces what was told before.
    virtual void problems(std::vector<Problem> all) = 0;
    /// Notices cannot be posted, and will not be any more.
    virtual void untold(const Trouble& trouble) { static_cast<void>(trouble); }
};

/// How a source stands with one kind.
struct KindStatus {
    using Time = std::chrono::steady_clock::time_point;
    enum class State : std::uint8_t {
        stopped,
        listing,   ///< Everything is being asked for, at the start or after losing track.
        watching,  ///< Changes arrive as they happen.
        waiting,   ///< For the next attempt, at `retry_at`.
    };
    State state = State::stopped;
    bool listed = false;               ///< Sink::listed() was called at least once.
    std::size_t objects = 0;           ///< Told and not removed.
    std::string resource_version{};    ///< Where the watch stands; opaque; empty: unknown.
    Time heard{};                      ///< When the source last said anything; zero: never.
    Time retry_at{};                   ///< While waiting.
    std::optional<Trouble> trouble{};  ///< As last told to the sink.
    std::uint64_t events = 0;          ///< Changes told to the sink, puts and removes.
    std::uint64_t ignored = 0;         ///< Changes of what does not matter, not told.
    std::uint64_t lists = 0;           ///< Complete ones.
    std::uint64_t watches = 0;         ///< Started.
    std::uint64_t failures = 0;        ///< Attempts that came to nothing or broke off.
};
std::string_view to_string(KindStatus::State state);  ///< "listing"...

struct SourceStatus {
    std::string origin{};  ///< "https://10.96.0.1:443 (in-cluster)", "directory /etc/podfence"
    std::array<KindStatus, kKinds.size()> kinds{};  ///< By index_of(kind).
};

class Source {
  public:
    virtual ~Source() = default;  ///< Stops.
    virtual void start() = 0;     ///< Once.
    /// The sink hears nothing more after it returns. What was begun ends as the io_context runs.
    virtual void stop() = 0;
    virtual SourceStatus status() const = 0;
    /// Says so where the policy comes from, once for all who say the same. Sources without a place
    /// for that ignore it.
    virtual void notify(const Notice& notice) { static_cast<void>(notice); }
    /// Nothing is wrong with the policy any more, or it is gone.
    virtual void withdraw(const ObjectName& policy) { static_cast<void>(policy); }
};

}  // namespace podfence
