#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cmd/exit.hpp"
#include "cmd/terminal.hpp"

/// For commands that change rules: an agent that keeps them undoes within milliseconds what it did
/// not do itself.
namespace podfence::cmd {

/// The agent that keeps the rules of this network namespace, as one that a person can find
/// ("process 4711"); "" when there is none.
std::string running_agent(const std::string& socket);

/// Waits for its end; at once true when there is none.
bool await_agent_end(const std::string& socket, std::chrono::milliseconds time_max);

/// Fails, and says so, when there is one. `hint`: what to do about it.
Outcome<void> refuse_beside_agent(Terminal& terminal, const std::string& socket,
                                  std::string_view hint);

}  // namespace podfence::cmd
