#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <boost/system/result.hpp>

namespace podfence::cni {

using Clock = std::chrono::steady_clock;

/// Why the agent gave no answer.
struct NoAnswer {
    enum class Kind : std::uint8_t {
        absent,  ///< Nobody listens on its socket.
        ended,   ///< It hung up before its answer was complete.
        late,    ///< The time was over.
        other,   ///< We may not ask it, or whoever is there is no agent.
    };
    Kind kind = Kind::other;
    std::string message{};
};
[[noreturn]] void throw_exception_from_error(const NoAnswer& error,
                                             const boost::source_location& where);

/// What the agent answers: its own words are {"state": ..., "reason": ...}.
struct Answer {
    std::string state{};
    std::string reason{};
};

/// Asks the agent that listens on `socket`, in one request: a GET, or a POST where there is a body.
/// Until `until` at the longest, whatever the agent does. Anything but a success is no answer.
boost::system::result<Answer, NoAnswer> call_agent(const std::string& socket,
                                                   const std::string& target,
                                                   const std::string& body,
                                                   Clock::time_point until);

}  // namespace podfence::cni
