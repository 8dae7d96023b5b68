#pragma once

#include <string>

#include "cmd/command_line.hpp"

/// Scripts that make a shell complete podfence's command line, made from the tree of commands.
namespace podfence::cmd {

/// The hidden command by which the scripts ask for names: "KIND [PREFIX]".
inline constexpr const char* kNamesCommand = "__names";

std::string bash_completion(const CommandLine& line);
std::string zsh_completion(const CommandLine& line);
std::string fish_completion(const CommandLine& line);

}  // namespace podfence::cmd
