#pragma once

#include <set>
#include <string>
#include <vector>

#include "cmd/command_line.hpp"

/// Options may be set on the command line, by variables, and in one file; the first of these that
/// says something wins.
namespace podfence::cmd {

/// Where settings are read when --config and PODFENCE_CONFIG name no other file. It need not exist.
constexpr const char* kConfigFile = "/etc/podfence/config.yaml";

/// The options that words of a command line name, as their long names, up to "--".
std::set<std::string> given_options(const std::vector<std::string>& words, const CLI::App& command);
/// The file that --config names, else PODFENCE_CONFIG, else kConfigFile where it exists; empty:
/// none.
std::string config_file(const std::vector<std::string>& words);

/// "PODFENCE_LOG_LEVEL" of "log-level".
std::string variable_of(const std::string& option);

/// What stands in the file and is an option that some command takes from there (`all`), without
/// those that this `command` has not: one file serves all commands. Fails after having said so: a
/// file that cannot be read, no YAML, unknown names, values that are no scalars.
Outcome<std::vector<Setting>> settings_of_file(Terminal& terminal, const std::string& path,
                                               const std::vector<const CLI::Option*>& command,
                                               const std::vector<const CLI::Option*>& all);
/// What variables say; an empty one says nothing. Lists are separated by commas.
std::vector<Setting> settings_of_environment(const std::vector<const CLI::Option*>& command);

}  // namespace podfence::cmd
