#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cmd/exit.hpp"
#include "cmd/terminal.hpp"

// CLI11 costs seconds a file: only the files that define options include it, by cmd/cli11.hpp.
namespace CLI {  // NOLINT(readability-identifier-naming): the library's own name.
class App;
class Option;
class ParseError;
}  // namespace CLI

namespace podfence::cmd {

/// An example below a command's help: what it does, and the command line.
struct Example {
    std::string what;
    std::string line;
};

/// What help, the manual page and completion say about a command beyond its options.
struct CommandHelp {
    std::string summary;      ///< Half a line, for the list of commands.
    std::string description;  ///< One paragraph.
    std::vector<Example> examples{};
    /// Status and meaning, where it differs from the general list.
    std::vector<std::pair<int, std::string>> exits{};
};

/// What an option's value is, for completion.
struct ValueHint {
    bool path = false;
    std::vector<std::string> choices{};
    std::string names{};        ///< Of objects the agent knows: "pod", "policy" or "namespace".
    bool configurable = false;  ///< See CommandLine::configurable.
};

/// What gives an option its value.
struct Setting {
    std::string option{};               ///< Its long name, without dashes.
    std::vector<std::string> values{};  ///< More than one only where the option takes a list.
    /// "command line", "PODFENCE_LOG_LEVEL", "/etc/podfence/config.yaml:3".
    std::string origin{};
};

/// The tree of commands and options, and which one was chosen. Help, the manual page and
/// completion are made from this tree, so that they cannot go stale.
class CommandLine {
  public:
    using Run = std::function<Exit(Terminal&)>;

    CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;
    ~CommandLine();

    /// A new command. Options that its `run` needs are captured by whoever adds it.
    CLI::App* add_command(const std::string& name, CommandHelp help, Run run);

    /// Only these values; also offered by completion.
    void choices(CLI::Option* option, std::vector<std::string> values);
    void takes_path(CLI::Option* option) { hints_[option].path = true; }
    /// Completion asks the agent for names of this kind, as cmd/names.cpp takes it.
    void takes_names(CLI::Option* option, std::string kind) {
        hints_[option].names = std::move(kind);
    }
    /// The option may also be set by a variable and in the configuration file, see
    /// cmd/settings.hpp; the command gets a --config.
    void configurable(CLI::App& command, CLI::Option* option);
    const ValueHint& hint(const CLI::Option* option) const;
    std::vector<const CLI::Option*> configurable_options(const CLI::App& command) const;
    /// What was set for these options of the command, and by what, after parsing.
    std::vector<Setting> settings(const CLI::App& command) const;

    const CLI::App& root() const { return *root_; }
    const CommandHelp& help(const CLI::App* command) const { return commands_.at(command).help; }
    /// In the order they were added, without those that are not for people.
    std::vector<const CLI::App*> commands() const;
    const CLI::App* find(const std::string& name) const;  ///< nullptr: no such command.

    /// Parses, and runs the chosen command. Says on `terminal` whatever went wrong.
    Exit run(int argc, char** argv, Terminal& terminal);

  private:
    struct Command {
        CommandHelp help;
        Run run;
    };

    Outcome<void> add_settings(std::vector<std::string>& words, Terminal& terminal);
    std::string origin_of(const std::string& complaint) const;
    Exit run_chosen(Terminal& terminal);
    Exit complain(const CLI::ParseError& error, Terminal& terminal);
    Exit complain_about_extras(const CLI::App& command, const std::vector<std::string>& extras,
                               Terminal& terminal);

    std::unique_ptr<CLI::App> root_;
    std::map<const CLI::App*, Command> commands_{};
    std::map<const CLI::Option*, ValueHint> hints_{};
    std::vector<Setting> applied_{};  ///< Of the variables and the file.
};

/// The nearest of `known` to what was typed, when it is near enough to be meant; "" otherwise.
std::string nearest(const std::string& typed, const std::vector<std::string>& known);

/// "--from", or "-f" where there is no long name; for positional ones their name.
std::string display_name(const CLI::Option& option);

// Each command's file adds its own; main() lists them.
void add_agent(CommandLine& line);
void add_apply(CommandLine& line);
void add_diff(CommandLine& line);
void add_dump(CommandLine& line);
void add_explain(CommandLine& line);
void add_matrix(CommandLine& line);
void add_status(CommandLine& line);
void add_doctor(CommandLine& line);
void add_cleanup(CommandLine& line);
void add_cni(CommandLine& line);
void add_version(CommandLine& line);
void add_names(CommandLine& line);
void add_completion(CommandLine& line);
void add_help(CommandLine& line);

}  // namespace podfence::cmd
