#include "cmd/help.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "cmd/cli11.hpp"
#include "cmd/settings.hpp"

namespace podfence::cmd {

namespace {

constexpr std::size_t kHelpColumnsMax = 96;
constexpr std::size_t kOptionColumn = 30;
constexpr std::size_t kTwoColumnsMin = 72;
constexpr std::size_t kNarrowIndent = 4;

constexpr std::array<std::pair<int, const char*>, 4> kGeneralExits{{
    {0, "fine"},
    {1, "a finding, or errors in the input that failed closed"},
    {2, "bad usage or bad input; nothing was done"},
    {3, "the kernel refused, a privilege is missing or no agent answers; stderr says what to do"},
}};

/// `text` broken at spaces into lines of `width`, each after the first with `indent` spaces.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
    std::istringstream words(text);
    std::string lines;
    std::string word;
    std::size_t column = indent;
    while (words >> word) {
        const std::size_t length = display_width(word);
        if (column > indent && column + 1 + length > width) {
            lines += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            lines += ' ';
            ++column;
        }
        lines += word;
        column += length;
    }
    return lines;
}

std::size_t help_columns(const Output& output) {
    return std::clamp<std::size_t>(output.columns(), 50, kHelpColumnsMax);
}

std::string heading(const Output& output, const std::string& text) {
    return "\n" + output.paint(Tone::strong, text) + "\n";
}

/// A name and what it means, in two columns.
std::string entry(const std::string& left, std::size_t left_width, const std::string& right,
                  const Output& output) {
    // Where there is little room, what it means stands below the name.
    const bool narrow = left_width > kNarrowIndent && help_columns(output) < kTwoColumnsMin;
    const std::size_t start = (narrow ? kNarrowIndent : left_width) + 4;
    std::string text = "  " + (narrow ? left : padded(left, left_width));
    if (narrow || display_width(left) > left_width) {
        text += "\n" + std::string(start, ' ');
    } else {
        text += "  ";
    }
    return text + wrapped(right, start, help_columns(output)) + "\n";
}

std::vector<std::pair<int, std::string>> exits_of(const CommandHelp& help) {
    std::vector<std::pair<int, std::string>> exits;
    for (const auto& [status, general] : kGeneralExits) {
        const auto own = std::find_if(help.exits.begin(), help.exits.end(),
                                      [s = status](const auto& e) { return e.first == s; });
        exits.emplace_back(status, own == help.exits.end() ? general : own->second);
    }
    return exits;
}

std::vector<const CLI::Option*> options_in(const CLI::App& command, const std::string& group) {
    return command.get_options(
        [&](const CLI::Option* option) { return option->get_group() == group; });
}

std::string usage_line(const CommandLine& line, const CLI::App& command) {
    std::string text = "podfence " + command.get_name();
    bool optional = false;
    for (const CLI::Option* option : command.get_options()) {
        if (option->get_positional()) {
            text += " " + (option->get_required() ? option->get_name(true)
                                                  : "[" + option->get_name(true) + "]");
        } else if (option->get_required()) {
            text += " " + display_name(*option) + " " + option->get_type_name();
        } else {
            optional = true;
        }
    }
    (void)line;
    return text + (optional ? " [options]" : "");
}

}  // namespace

bool takes_value(const CLI::Option& option) {
    return option.get_items_expected_max() > 0;
}

std::string signature(const CommandLine& line, const CLI::Option& option) {
    if (option.get_positional()) return option.get_name(true);
    std::string text;
    for (const std::string& name : option.get_snames()) {
        text += (text.empty() ? "-" : ", -") + name;
    }
    for (const std::string& name : option.get_lnames()) {
        text += (text.empty() ? "    --" : ", --") + name;
    }
    if (!takes_value(option)) return text;
    const auto& choices = line.hint(&option).choices;
    if (choices.empty()) {
        text += " " + option.get_type_name();
    } else {
        text += " ";
        for (const std::string& choice : choices) {
            text += (&choice == &choices.front() ? "" : "|") + choice;
        }
    }
    return text + (option.get_items_expected_max() > 1 ? "..." : "");
}

std::string overview(const CommandLine& line, const Output& output) {
    std::string text = "podfence enforces Kubernetes NetworkPolicy on this node by nftables.\n";
    text += heading(output, "Usage:") + "  podfence COMMAND [options]\n";
    text += heading(output, "Commands:");
    for (const CLI::App* command : line.commands()) {
        text += entry(command->get_name(), 12, command->get_description(), output);
    }
    text += heading(output, "Options:");
    for (const CLI::Option* option : line.root().get_options()) {
        text += entry(signature(line, *option), kOptionColumn, option->get_description(), output);
    }
    text += heading(output, "Exit status:");
    for (const auto& [status, meaning] : kGeneralExits) {
        text += entry(std::to_string(status), 2, meaning, output);
    }
    return text + "\nSee 'podfence COMMAND --help' for a command's options and examples.\n";
}

std::string command_help(const CommandLine& line, const CLI::App& command, const Output& output) {
    const CommandHelp& help = line.help(&command);
    std::string text = wrapped(help.description, 0, help_columns(output)) + "\n";
    text += heading(output, "Usage:") + "  " + usage_line(line, command) + "\n";
    for (const std::string& group : command.get_groups()) {
        if (group.empty()) continue;
        const auto options = options_in(command, group);
        if (options.empty()) continue;
        text += heading(output, group + ":");
        for (const CLI::Option* option : options) {
            text +=
                entry(signature(line, *option), kOptionColumn, option->get_description(), output);
        }
    }
    if (!help.examples.empty()) text += heading(output, "Examples:");
    for (const Example& example : help.examples) {
        text += "  " + output.paint(Tone::dim, "# " + example.what) + "\n  " + example.line + "\n";
    }
    text += heading(output, "Exit status:");
    for (const auto& [status, meaning] : exits_of(help)) {
        text += entry(std::to_string(status), 2, meaning, output);
    }
    return text;
}

namespace {

/// Text for roff: no request by accident, hyphens that can be searched for.
std::string roff(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\\') {
            escaped += "\\e";
        } else if (c == '-') {
            escaped += "\\-";
        } else if ((c == '.' || c == '\'') && (escaped.empty() || escaped.back() == '\n')) {
            escaped += std::string("\\&") + c;
        } else {
            escaped += c;
        }
    }
    return escaped;
}

std::string roff_command(const CommandLine& line, const CLI::App& command) {
    const CommandHelp& help = line.help(&command);
    std::string text = ".SS " + roff("podfence " + command.get_name()) + "\n";
    text += roff(help.description) + "\n.PP\n.B " + roff(usage_line(line, command)) + "\n";
    for (const CLI::Option* option : command.get_options()) {
        std::string name = signature(line, *option);
        name.erase(0, name.find_first_not_of(' '));
        text += ".TP\n.B " + roff(name) + "\n" + roff(option->get_description()) + "\n";
    }
    for (const Example& example : help.examples) {
        text += ".PP\n" + roff(example.what) + ":\n.PP\n.RS\n.nf\n" + roff(example.line) +
                "\n.fi\n.RE\n";
    }
    for (const auto& [status, meaning] : help.exits) {
        text += ".PP\nExit status " + std::to_string(status) + ": " + roff(meaning) + ".\n";
    }
    return text;
}

}  // namespace

std::string manual_page(const CommandLine& line) {
    std::string text =
        ".TH PODFENCE 8\n.SH NAME\npodfence \\- enforce Kubernetes NetworkPolicy on "
        "this node by nftables\n";
    text += ".SH SYNOPSIS\n.B podfence\n.I COMMAND\n[options]\n.SH COMMANDS\n";
    for (const CLI::App* command : line.commands()) text += roff_command(line, *command);
    text += ".SH EXIT STATUS\n";
    for (const auto& [status, meaning] : kGeneralExits) {
        text += ".TP\n.B " + std::to_string(status) + "\n" + roff(meaning) + "\n";
    }
    text +=
        std::string(
            ".SH CONFIGURATION\nWhere a command has the option \\-\\-config, some of its options "
            "may also be set by variables of the environment (PODFENCE_LOG_LEVEL for "
            "\\-\\-log\\-level; lists are separated by commas) and in one file of YAML, a map of "
            "the options' names. What the command line says goes before the variable, that "
            "before the file. One file serves all commands. \\fBpodfence status\\fR shows what "
            "the agent was given, and by what.\n.SH FILES\n.TP\n.B ") +
        kConfigFile + "\nThe configuration, unless another file is named.\n";
    text +=
        ".SH ENVIRONMENT\n.TP\n.B PODFENCE_CONFIG\nThe configuration file.\n.TP\n.B "
        "NODE_NAME\nThis node's name in the cluster, unless "
        "\\-\\-node gives it.\n.TP\n.B PODFENCE_SOCKET\nWhere the agent listens, unless "
        "\\-\\-socket gives it.\n.TP\n.B NO_COLOR\nNo colours, whatever the terminal.\n.TP\n.B "
        "COLUMNS\n"
        "Columns of the terminal, instead of what it says itself.\n.SH SEE ALSO\n.BR nft (8),\n.BR "
        "kubectl (1)\n";
    return text;
}

}  // namespace podfence::cmd
