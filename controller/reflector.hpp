#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "controller/api_refusal.hpp"
#include "controller/api_stream.hpp"
#include "controller/backoff.hpp"
#include "controller/known_objects.hpp"
#include "controller/source.hpp"

namespace podfence {

/// Follows one kind of objects at an API server as client-go's reflectors do, without doing any I/O
/// or asking any clock: it says what to ask the server next, is given what comes back, and tells
/// the sink the difference. Whoever drives it repeats
///
///     next()  ->  Wait: come back then
///             ->  Ask: send it, then either fail(), or respond() and feed()... and
///                 finish() at the answer's end or fail() when it breaks off
///
/// Everything is asked for with a watch that begins with what there is ("WatchList"), or where the
/// server does not offer that with a list in pages; from then on a watch is resumed where the last
/// one ended. When the server has forgotten where that was, everything is asked for again and the
/// sink hears exactly what differs.
class Reflector {
  public:
    using Time = KindStatus::Time;
    using Duration = Backoff::Duration;

    struct Options {
        std::uint64_t seed = 0;  ///< Of all that is left to chance. Must not be foreseeable.
        Backoff::Limits backoff{};
        std::string field_selector{};  ///< Of the objects that are asked for; empty: all.
        bool watch_list = true;        ///< Ask so first.
    };
    /// `sink` is not owned.
    Reflector(Kind kind, Sink& sink, Options options);

    struct Ask {
        std::string target{};  ///< Path and query, to be put behind the server's base path.
        bool watch = false;    ///< The answer goes on for minutes and may be silent for long.
    };
    struct Wait {
        Time until{};
    };
    std::variant<Ask, Wait> next(Time now);

    /// The answer's status line has come.
    void respond(Time now, unsigned status, std::optional<std::chrono::seconds> retry_after);
    /// A piece of its body. False: nothing more of it is wanted, and the connection is to be given
    /// up with it. Neither finish() nor fail() may follow then.
    bool feed(Time now, std::string_view bytes);
    /// The body is complete.
    void finish(Time now);
    /// There was no answer, or it broke off.
    void fail(Time now, Trouble trouble);

    KindStatus status() const;

  private:
    static constexpr unsigned kOk = 200;

    /// How the next question is asked.
    enum class Mode : std::uint8_t { watch_list, list, watch };

    std::string list_target() const;
    std::string watch_target();
    void start_list();
    void refuse(Time now, unsigned code, const ApiRefusal& refusal);
    bool take_event(const ApiEvent& event);
    bool take_bookmark(const Node& bookmark);
    void take_object(const ApiObject& object);
    void remove(const ObjectName& name);
    void finish_list(Time now);
    void complete_list(std::string version);
    void forget_version(bool too_large);
    void tell(Trouble trouble);
    void heal();
    void retry(Time now, Duration asked, Duration max);
    Trouble garbage(const std::string& what) const;

    Kind kind_;
    Sink& sink_;
    Options options_;
    Backoff backoff_;
    HashKey key_;
    KnownObjects known_;
    KindStatus status_{};
    Mode mode_ = Mode::list;
    Time not_before_{};

    std::string version_{};  ///< Of the last thing heard; empty: anything, but the most recent.
    std::string list_version_{};  ///< Of the list's first page.
    std::string continue_{};      ///< Where the list's next page begins; empty: at the start.
    bool paged_ = true;
    unsigned unfinished_ = 0;  ///< Initial watches in a row that ended before all was told.

    // Of the current answer.
    std::unique_ptr<ApiStream> stream_{};
    unsigned code_ = 0;
    std::optional<std::chrono::seconds> retry_after_{};
    Time began_{};
    std::string refusal_text_{};
    std::optional<ApiRefusal> refusal_{};  ///< By an ERROR event.
    bool heard_event_ = false;
};

}  // namespace podfence
