#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>
#include <boost/system/result.hpp>

#include "cmd/exit.hpp"
#include "cmd/terminal.hpp"

/// Questions to the agent that runs on this node, through its unix socket (controller/local_api).
namespace podfence::cmd {

inline constexpr const char* kAgentSocket = "/run/podfence/podfence.sock";
/// $PODFENCE_SOCKET, else kAgentSocket.
std::string agent_socket();

struct AgentError {
    enum class Kind : std::uint8_t {
        absent,     ///< Nobody answers on the socket: no agent runs here.
        forbidden,  ///< We may not use the socket.
        ended,      ///< Whoever was there hung up before the answer was complete.
        broken,     ///< Somebody answers, but not as an agent does.
    };
    Kind kind = Kind::broken;
    std::string message{};
};
template <class T>
using AgentResult = boost::system::result<T, AgentError>;
[[noreturn]] void throw_exception_from_error(const AgentError& error,
                                             const boost::source_location& where);

/// How long an agent may be silent; it answers within milliseconds unless told to wait.
inline constexpr std::chrono::milliseconds kAgentSilenceMax{10'000};

/// The body of the answer to GET `target`. An answer that breaks off is an error.
AgentResult<std::string> ask_agent(const std::string& socket, const std::string& target,
                                   std::chrono::milliseconds silence_max = kAgentSilenceMax);
/// The same, as JSON.
AgentResult<boost::json::value> ask_agent_json(
    const std::string& socket, const std::string& target,
    std::chrono::milliseconds silence_max = kAgentSilenceMax);

enum class FollowEnd : std::uint8_t {
    agent,   ///< It ended its answer.
    reader,  ///< `line` said false, or nobody reads our standard output any more.
};
/// Gives each line of an endless answer to `line`.
AgentResult<FollowEnd> follow_agent(const std::string& socket, const std::string& target,
                                    const std::function<bool(std::string_view)>& line);

/// Reads an endless answer until it ends, however: true; or for so long: false.
bool await_hang_up(const std::string& socket, const std::string& target,
                   std::chrono::milliseconds time_max);

/// Says on stderr that the agent cannot be asked, and what to do. Exit::failure.
Exit report(Terminal& terminal, const AgentError& error);
/// The same for a command that could read manifests instead.
Exit report_no_input(Terminal& terminal, const AgentError& error);

/// "a/b c" as a part of a query.
std::string escape_query(std::string_view text);

}  // namespace podfence::cmd
