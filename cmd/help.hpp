#pragma once

#include <string>

#include "cmd/command_line.hpp"

/// Help and the manual page, made from the tree of commands.
namespace podfence::cmd {

/// What `podfence --help` prints.
std::string overview(const CommandLine& line, const Output& output);
/// What `podfence COMMAND --help` prints.
std::string command_help(const CommandLine& line, const CLI::App& command, const Output& output);
/// The manual page podfence(8) in roff (man(7)).
std::string manual_page(const CommandLine& line);

/// "-f, --filename PATH..." as help shows an option.
std::string signature(const CommandLine& line, const CLI::Option& option);
/// Does the option take a value?
bool takes_value(const CLI::Option& option);

}  // namespace podfence::cmd
