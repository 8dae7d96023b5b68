#include "cmd/completion.hpp"

#include <memory>
#include <utility>

#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/help.hpp"

namespace podfence::cmd {

namespace {

std::string join(const std::vector<std::string>& words, const std::string& separator = " ") {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
    return text;
}

std::vector<std::string> spellings(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames()) names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
    return names;
}

bool takes_many(const CLI::Option& option) {
    return option.get_items_expected_max() > 1;
}

/// Everything that may stand after the command: options, and the values of positional ones.
std::vector<std::string> words_after(const CommandLine& line, const CLI::App& command) {
    std::vector<std::string> words;
    for (const CLI::Option* option : command.get_options()) {
        const auto more = option->get_positional() ? line.hint(option).choices : spellings(*option);
        words.insert(words.end(), more.begin(), more.end());
    }
    return words;
}

// ---- bash -----------------------------------------------------------------------------------

constexpr const char* kBashHead =
    R"(# bash completion for podfence, made by 'podfence completion bash'.
_podfence() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' option='' i
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -?*) option=${COMP_WORDS[i]} ;;
            *) [[ -n $command ]] || command=${COMP_WORDS[i]} ;;
        esac
    done
    [[ $cur == -?* ]] && option=''
)";

/// What the agent knows, in no time or not at all.
std::string bash_names(const std::string& kind) {
    return "mapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" " + std::string(kNamesCommand) + " " +
           kind + " \"$cur\" 2>/dev/null); return";
}

constexpr const char* kBashFiles =
    "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return";

std::string bash_words(const std::vector<std::string>& words) {
    return "mapfile -t COMPREPLY < <(compgen -W '" + join(words) + "' -- \"$cur\"); return";
}

/// A case branch for the option's value, where it has one.
std::string bash_value(const CommandLine& line, const CLI::App& command,
                       const CLI::Option& option) {
    std::vector<std::string> patterns;
    for (const std::string& name : spellings(option)) {
        patterns.push_back(command.get_name() + "," + name);
    }
    const ValueHint& hint = line.hint(&option);
    std::string action = "return";
    if (hint.path) action = kBashFiles;
    if (!hint.names.empty()) action = bash_names(hint.names);
    if (!hint.choices.empty()) action = bash_words(hint.choices);
    return "        " + join(patterns, "|") + ") " + action + " ;;\n";
}

}  // namespace

std::string bash_completion(const CommandLine& line) {
    std::string one = "    case $command,$prev in\n";
    std::string many = "    case $command,$option in\n";
    std::string words = "    case $command in\n";
    std::vector<std::string> top;
    for (const CLI::App* command : line.commands()) {
        top.push_back(command->get_name());
        for (const CLI::Option* option : command->get_options()) {
            if (option->get_positional() || !takes_value(*option)) continue;
            (takes_many(*option) ? many : one) += bash_value(line, *command, *option);
        }
        words += "        " + command->get_name() + ") " + bash_words(words_after(line, *command)) +
                 " ;;\n";
    }
    for (const CLI::Option* option : line.root().get_options()) {
        const auto names = spellings(*option);
        top.insert(top.end(), names.begin(), names.end());
    }
    words += "        '') " + bash_words(top) + " ;;\n";
    const std::string esac = "    esac\n";
    return kBashHead + one + esac + many + esac + words + esac +
           "}\ncomplete -F _podfence podfence\n";
}

// ---- zsh ------------------------------------------------------------------------------------

namespace {

/// Inside single quotes, with the characters that end a field of _arguments and _describe masked.
std::string zsh_text(const std::string& text) {
    std::string masked;
    for (const char c : text) {
        if (c == '\'') {
            masked += "'\\''";
        } else if (c == ':' || c == '[' || c == ']' || c == '\\') {
            masked += std::string("\\") + c;
        } else {
            masked += c;
        }
    }
    return masked;
}

std::string zsh_value(const CommandLine& line, const CLI::Option& option) {
    if (!takes_value(option)) return "";
    const ValueHint& hint = line.hint(&option);
    const std::string what = ":" + zsh_text(option.get_type_name()) + ":";
    if (!hint.choices.empty()) return what + "(" + join(hint.choices) + ")";
    if (!hint.names.empty()) return what + "_podfence_names " + hint.names;
    return what + (hint.path ? "_files" : " ");
}

std::string zsh_option(const CommandLine& line, const CLI::Option& option) {
    if (option.get_positional()) return "'1" + zsh_value(line, option) + "'";
    const auto names = spellings(option);
    std::string text;
    if (takes_many(option)) {
        text = "'*'";
    } else if (names.size() > 1) {
        text = "'(" + join(names) + ")'";
    }
    text += names.size() > 1 ? "{" + join(names, ",") + "}" : names.front();
    return text + "'[" + zsh_text(option.get_description()) + "]" + zsh_value(line, option) + "'";
}

}  // namespace

std::string zsh_completion(const CommandLine& line) {
    std::string text =
        "#compdef podfence\n# zsh completion for podfence, made by 'podfence completion zsh'.\n"
        "_podfence_names() {\n    local -a names\n    names=(${(f)\"$(podfence " +
        std::string(kNamesCommand) +
        " $1 ${PREFIX} 2>/dev/null)\"})\n    compadd -a names\n}\n"
        "_podfence() {\n    local -a commands\n    commands=(\n";
    std::string cases = "    case $words[1] in\n";
    for (const CLI::App* command : line.commands()) {
        text +=
            "        '" + command->get_name() + ":" + zsh_text(command->get_description()) + "'\n";
        cases += "        " + command->get_name() + ")\n            _arguments -s";
        for (const CLI::Option* option : command->get_options()) {
            cases += " \\\n                " + zsh_option(line, *option);
        }
        cases += "\n            ;;\n";
    }
    text +=
        "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
        "        return\n    fi\n    shift words\n    (( CURRENT-- ))\n";
    return text + cases +
           "    esac\n}\nif [[ $funcstack[1] == _podfence ]]; then\n    _podfence \"$@\"\nelse\n"
           "    compdef _podfence podfence\nfi\n";
}

// ---- fish -----------------------------------------------------------------------------------

namespace {

std::string fish_text(const std::string& text) {
    std::string masked;
    for (const char c : text) {
        if (c == '\'' || c == '\\') masked += '\\';
        masked += c;
    }
    return "'" + masked + "'";
}

std::string fish_option(const CommandLine& line, const std::string& command,
                        const CLI::Option& option) {
    const std::string start =
        "complete -c podfence -n '__fish_seen_subcommand_from " + command + "'";
    const ValueHint& hint = line.hint(&option);
    if (option.get_positional()) return start + " -a " + fish_text(join(hint.choices)) + "\n";
    std::string text = start;
    for (const std::string& name : option.get_snames()) text += " -s " + name;
    for (const std::string& name : option.get_lnames()) text += " -l " + name;
    if (takes_value(option)) {
        text += hint.path ? " -r -F" : " -x";
        if (!hint.choices.empty()) text += " -a " + fish_text(join(hint.choices));
        if (!hint.names.empty()) {
            text +=
                " -a " + fish_text("(podfence " + std::string(kNamesCommand) + " " + hint.names +
                                   " (commandline -ct | string replace -r '^--[^=]*=' '') "
                                   "2>/dev/null)");
        }
    }
    return text + " -d " + fish_text(option.get_description()) + "\n";
}

}  // namespace

std::string fish_completion(const CommandLine& line) {
    std::string text =
        "# fish completion for podfence, made by 'podfence completion fish'.\n"
        "complete -c podfence -f\n";
    for (const CLI::App* command : line.commands()) {
        text += "complete -c podfence -n __fish_use_subcommand -a " + command->get_name() + " -d " +
                fish_text(command->get_description()) + "\n";
        for (const CLI::Option* option : command->get_options()) {
            text += fish_option(line, command->get_name(), *option);
        }
    }
    return text;
}

// ---- the commands ---------------------------------------------------------------------------

void add_completion(CommandLine& line) {
    auto shell = std::make_shared<std::string>();
    CLI::App* command = line.add_command(
        "completion",
        {.summary = "Print a script that makes a shell complete podfence's command line",
         .description = "Prints a completion script for bash, zsh or fish. It is made from the "
                        "same definitions as the command line itself.",
         .examples = {{"bash, for this session", "source <(podfence completion bash)"},
                      {"zsh, for all sessions",
                       "podfence completion zsh > /usr/local/share/zsh/site-functions/_podfence"},
                      {"fish",
                       "podfence completion fish > ~/.config/fish/completions/podfence.fish"}},
         .exits = {}},
        [shell, &line](Terminal& terminal) {
            if (*shell == "bash") terminal.out.write(bash_completion(line));
            if (*shell == "zsh") terminal.out.write(zsh_completion(line));
            if (*shell == "fish") terminal.out.write(fish_completion(line));
            return Exit::fine;
        });
    auto* option = command->add_option("SHELL", *shell, "bash, zsh or fish")->required();
    option->type_name("SHELL");
    line.choices(option, {"bash", "zsh", "fish"});
}

namespace {

struct HelpOptions {
    std::string topic{};
    bool manual = false;
};

Exit run_help(const CommandLine& line, const HelpOptions& options, Terminal& terminal) {
    if (options.manual) {
        terminal.out.write(manual_page(line));
    } else if (options.topic.empty()) {
        terminal.out.write(overview(line, terminal.out));
    } else {
        terminal.out.write(command_help(line, *line.find(options.topic), terminal.out));
    }
    return Exit::fine;
}

}  // namespace

void add_help(CommandLine& line) {
    auto options = std::make_shared<HelpOptions>();
    CLI::App* command = line.add_command(
        "help",
        {.summary = "Print a command's help, or the manual page",
         .description = "Prints the help of one command or the list of all. With --man it prints "
                        "the manual page podfence(8).",
         .examples = {{"one command", "podfence help explain"},
                      {"install the manual page",
                       "podfence help --man > /usr/local/share/man/man8/podfence.8"}},
         .exits = {}},
        [options, &line](Terminal& terminal) { return run_help(line, *options, terminal); });
    command->add_flag("--man", options->manual, "Print the manual page, in roff");
    auto* topic =
        command->add_option("COMMAND", options->topic, "The command")->type_name("COMMAND");
    std::vector<std::string> names;
    for (const CLI::App* known : line.commands()) names.push_back(known->get_name());
    line.choices(topic, std::move(names));
}

}  // namespace podfence::cmd
