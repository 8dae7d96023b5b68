#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "controller/api_refusal.hpp"
#include "controller/backoff.hpp"
#include "controller/source.hpp"

namespace podfence {

/// What is to be said of policies by Events at an API server, where `kubectl describe` shows them
/// below the policy. A state machine without I/O, like the reflector: whoever drives it posts
/// next() when it is due() and tells what came of it.
///
/// All nodes have the same to say of a policy, and each of them tries: an Event's name says what it
/// is about, so that the first one makes it and the others meet it (409), which is as good.
class NoticeQueue {
  public:
    using Time = KindStatus::Time;
    using Wall = std::chrono::system_clock::time_point;

    struct Options {
        std::string node{};  ///< Who says so.
        std::uint64_t seed = 0;
        /// All nodes meet a bad policy at once; the server should not meet them all at once.
        std::chrono::milliseconds spread{5'000};
        Backoff::Limits backoff{.first = std::chrono::milliseconds(1'000),
                                .max = std::chrono::milliseconds(300'000)};
    };
    /// Waiting to be said; further ones are only told by our own status.
    static constexpr std::size_t kWaitingMax = 256;
    /// Policies of which it is remembered what was said.
    static constexpr std::size_t kRememberedMax = 4096;

    explicit NoticeQueue(Options options);

    /// Nothing happens when this was the last thing said of this policy.
    void add(Time now, Notice notice);
    /// It is not so any more; what has been said stays until the server drops it with time.
    void withdraw(const ObjectName& policy);

    /// When next() is to be posted; nullopt: there is nothing to say.
    std::optional<Time> due() const;
    struct Post {
        std::string target{};  ///< Path, to be put behind the server's base path.
        std::string body{};    ///< JSON.
    };
    /// Must be followed by answered() or failed(), whatever happens in between.
    Post next(Wall now);
    /// A Trouble is to be told, and comes once.
    std::optional<Trouble> answered(Time now, unsigned code, const ApiRefusal& refusal);
    void failed(Time now, Backoff::Duration asked = Backoff::Duration::zero());

  private:
    bool is_said(const Notice& notice) const;

    Options options_;
    Backoff backoff_;
    std::deque<Notice> waiting_{};
    std::optional<Notice> posted_{};            ///< By next(), and not answered yet.
    std::map<ObjectName, std::string> said_{};  ///< Names of Events, also of those above.
    Time not_before_{};
    bool given_up_ = false;  ///< We may not.
};

/// The Event's metadata.name.
std::string event_name(const Notice& notice);

}  // namespace podfence
