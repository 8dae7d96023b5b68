#pragma once

#include <cstdint>
#include <string>

#include <boost/json/value.hpp>

#include "cmd/exit.hpp"
#include "cmd/terminal.hpp"

/// What `podfence status` says of the agent's answer (controller/status.hpp: to_json), which may be
/// of another version: what it lacks is left out.
namespace podfence::cmd {

struct StatusLine {
    Tone tone = Tone::plain;
    std::string text{};
};
/// Does this node enforce? "node worker-1: ENFORCING, in sync for 3 h 12 min"
StatusLine headline(const boost::json::value& status);

/// The headline and everything a person wants to know next.
void print_status(Output& out, const boost::json::value& status);

/// Headline and counts on one line, the same as long as nothing happens: times since something are
/// not in it.
std::string watch_line(const boost::json::value& status);

bool in_sync(const boost::json::value& status);
/// Packets passed by the rules last time, or others took them.
bool is_unproven(const boost::json::value& status);

/// Sources are to be proved at pods' interfaces, and not all rules for that are in the kernel.
bool is_unguarded(const boost::json::value& status);

/// "42 s", "12 min", "3 h 12 min", "5 d 4 h"
std::string text_of_seconds(std::int64_t seconds);

}  // namespace podfence::cmd
