#include "cmd/command_line.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/help.hpp"
#include "cmd/settings.hpp"
#include "podfence_version.hpp"

namespace podfence::cmd {

CommandLine::CommandLine()
    : root_(std::make_unique<CLI::App>("NetworkPolicy enforced by nftables", "podfence")) {
    root_->set_help_flag("-h,--help", "Show this help and exit");
    root_->set_version_flag("--version", kVersion)->description("Print the version and exit");
    root_->require_subcommand(0, 1);  // None is answered by our own words.
    root_->allow_extras();            // So are unknown words: with the nearest known one.
}

CommandLine::~CommandLine() = default;

CLI::App* CommandLine::add_command(const std::string& name, CommandHelp help, Run run) {
    CLI::App* command = root_->add_subcommand(name, help.summary);
    command->set_help_flag("-h,--help", "Show this help and exit");
    command->allow_extras();
    commands_.emplace(command, Command{.help = std::move(help), .run = std::move(run)});
    return command;
}

void CommandLine::choices(CLI::Option* option, std::vector<std::string> values) {
    hints_[option].choices = std::move(values);
    option->check([this, option](const std::string& value) {
        const auto& known = hints_[option].choices;
        if (std::find(known.begin(), known.end(), value) != known.end()) return std::string();
        const std::string all = std::accumulate(
            std::next(known.begin()), known.end(), known.front(),
            [](const std::string& a, const std::string& b) { return a + ", " + b; });
        return "'" + value + "' is not one of: " + all;
    });
}

void CommandLine::configurable(CLI::App& command, CLI::Option* option) {
    hints_[option].configurable = true;
    if (command.get_option_no_throw("--config") != nullptr) return;
    const std::string description =
        std::string("Options by name, in YAML (default: $PODFENCE_CONFIG, then ") + kConfigFile +
        " where it exists; '' for none)";
    takes_path(
        command.add_option("--config", description)->type_name("FILE")->group("Configuration"));
}

const ValueHint& CommandLine::hint(const CLI::Option* option) const {
    static const ValueHint kNone;
    const auto found = hints_.find(option);
    return found == hints_.end() ? kNone : found->second;
}

std::vector<const CLI::Option*> CommandLine::configurable_options(const CLI::App& command) const {
    return command.get_options(
        [this](const CLI::Option* option) { return hint(option).configurable; });
}

std::vector<Setting> CommandLine::settings(const CLI::App& command) const {
    std::vector<Setting> all;
    for (const CLI::Option* option : configurable_options(command)) {
        if (option->empty()) continue;
        const std::string& name = option->get_lnames().front();
        const auto found = std::find_if(applied_.begin(), applied_.end(),
                                        [&](const Setting& one) { return one.option == name; });
        all.push_back({.option = name,
                       .values = option->results(),
                       .origin = found == applied_.end() ? "command line" : found->origin});
    }
    return all;
}

std::vector<const CLI::App*> CommandLine::commands() const {
    const CLI::App& root = *root_;
    return root.get_subcommands([](const CLI::App* app) { return !app->get_group().empty(); });
}

const CLI::App* CommandLine::find(const std::string& name) const {
    const auto known = commands();
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const CLI::App* app) { return app->get_name() == name; });
    return found == known.end() ? nullptr : *found;
}

Exit CommandLine::run(int argc, char** argv, Terminal& terminal) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (const auto added = add_settings(words, terminal); !added) return added.error();
    std::reverse(words.begin(), words.end());  // As CLI11 wants them.
    try {
        root_->parse(std::move(words));
    } catch (const CLI::CallForVersion&) {
        terminal.out.line(std::string("podfence ") + kVersion);
        return Exit::fine;
    } catch (const CLI::CallForHelp&) {
        const auto chosen = root_->get_subcommands();
        terminal.out.write(chosen.empty() ? overview(*this, terminal.out)
                                          : command_help(*this, *chosen.front(), terminal.out));
        return Exit::fine;
    } catch (const CLI::ParseError& error) {
        return complain(error, terminal);
    }
    return run_chosen(terminal);
}

/// Puts what variables and the configuration file say before the command's options, unless those
/// say something themselves.
Outcome<void> CommandLine::add_settings(std::vector<std::string>& words, Terminal& terminal) {
    const CLI::App* command = words.empty() ? nullptr : find(words.front());
    if (command == nullptr) return {};
    const auto own = configurable_options(*command);
    auto given = given_options(words, *command);
    if (own.empty() || given.contains("help")) return {};
    std::vector<Setting> candidates = settings_of_environment(own);
    if (const std::string file = config_file(words); !file.empty()) {
        std::vector<const CLI::Option*> all;
        for (const auto& [app, ignored] : commands_) {
            const auto more = configurable_options(*app);
            all.insert(all.end(), more.begin(), more.end());
        }
        auto settings = settings_of_file(terminal, file, own, all);
        if (!settings) return settings.error();
        std::move(settings->begin(), settings->end(), std::back_inserter(candidates));
    }
    std::vector<std::string> added;
    for (Setting& setting : candidates) {
        if (!given.insert(setting.option).second) continue;
        for (const std::string& value : setting.values) {
            added.push_back("--" + setting.option + "=" + value);
        }
        applied_.push_back(std::move(setting));
    }
    words.insert(std::next(words.begin()), added.begin(), added.end());
    return {};
}

/// Where the value comes from that CLI11 complains about; empty: from the command line.
std::string CommandLine::origin_of(const std::string& complaint) const {
    const auto found = std::find_if(applied_.begin(), applied_.end(), [&](const Setting& one) {
        const std::size_t at = complaint.find("--" + one.option);
        const std::size_t end = at + 2 + one.option.size();
        return at != std::string::npos &&
               (end == complaint.size() || complaint[end] == ':' || complaint[end] == ' ');
    });
    return found == applied_.end() ? "" : found->origin + ": ";
}

Exit CommandLine::run_chosen(Terminal& terminal) {
    if (const auto extras = root_->remaining(); !extras.empty()) {
        return complain_about_extras(*root_, extras, terminal);
    }
    const auto chosen = root_->get_subcommands();
    if (chosen.empty()) {
        terminal.err.write(overview(*this, terminal.err));
        return Exit::usage;
    }
    if (const auto extras = chosen.front()->remaining(); !extras.empty()) {
        return complain_about_extras(*chosen.front(), extras, terminal);
    }
    apply_colour(*chosen.front(), terminal);
    return commands_.at(chosen.front()).run(terminal);
}

Exit CommandLine::complain(const CLI::ParseError& error, Terminal& terminal) {
    const auto chosen = root_->get_subcommands();
    // A misspelt option is the likelier cause when something else is reported as missing.
    if (const auto extras = root_->remaining(); !extras.empty()) {
        return complain_about_extras(*root_, extras, terminal);
    }
    const std::string name = chosen.empty() ? "" : chosen.front()->get_name() + " ";
    if (!chosen.empty()) {
        const auto extras = chosen.front()->remaining();
        const bool option = !extras.empty() && extras.front().starts_with('-');
        if (option) return complain_about_extras(*chosen.front(), extras, terminal);
    }
    terminal.error(origin_of(error.what()) + error.what());
    terminal.hint("see 'podfence " + name + "--help'");
    return Exit::usage;
}

Exit CommandLine::complain_about_extras(const CLI::App& command,
                                        const std::vector<std::string>& extras,
                                        Terminal& terminal) {
    const std::string typed = extras.front().substr(0, extras.front().find('='));
    const bool option = typed.starts_with('-');
    const bool top = &command == root_.get();
    std::vector<std::string> known;
    if (option) {
        for (const CLI::Option* candidate : command.get_options()) {
            for (const std::string& name : candidate->get_lnames()) known.push_back("--" + name);
        }
    } else if (top) {
        for (const CLI::App* candidate : commands()) known.push_back(candidate->get_name());
    }
    if (option) {
        terminal.error("unknown option '" + printable(typed) + "'" +
                       (top ? "" : " for 'podfence " + command.get_name() + "'"));
    } else if (top) {
        terminal.error("unknown command '" + printable(typed) + "'");
    } else {
        terminal.error("'podfence " + command.get_name() + "' takes no argument '" +
                       printable(typed) + "'");
    }
    if (const std::string meant = nearest(typed, known); !meant.empty()) {
        terminal.hint("did you mean '" + meant + "'?");
    }
    if (option && top) terminal.hint("a command stands before its options: podfence COMMAND ...");
    terminal.hint("see 'podfence " + (top ? "" : command.get_name() + " ") + "--help'");
    return Exit::usage;
}

namespace {

/// Edits (insert, delete, replace, swap neighbours) that lead from `a` to `b`.
std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                   cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[a.size()][b.size()];
}

/// Longer words are no names of ours or of Kubernetes', and comparing them costs their product.
constexpr std::size_t kTypedMax = 320;

}  // namespace

std::string nearest(const std::string& typed, const std::vector<std::string>& known) {
    if (typed.size() > kTypedMax) return "";
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, typed.size() / 3) + 1;
    for (const std::string& candidate : known) {
        // A beginning of a name is meant as that name, however much is missing.
        const bool prefix = typed.size() >= 2 && candidate.starts_with(typed);
        const std::size_t distance = prefix ? 1 : edit_distance(typed, candidate);
        if (distance < best_distance && distance < candidate.size()) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string display_name(const CLI::Option& option) {
    if (!option.get_lnames().empty()) return "--" + option.get_lnames().front();
    if (!option.get_snames().empty()) return "-" + option.get_snames().front();
    return option.get_name(true);
}

}  // namespace podfence::cmd
