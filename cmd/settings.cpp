#include "cmd/settings.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <unistd.h>

#include "cmd/cli11.hpp"
#include "cmd/help.hpp"
#include "controller/yaml_file.hpp"

namespace podfence::cmd {

namespace {

constexpr const char* kRemedy = "write it as a map of option names, such as 'log-level: debug'";

const std::string& name_of(const CLI::Option* option) {
    return option->get_lnames().front();
}

const CLI::Option* find(const std::vector<const CLI::Option*>& options, const std::string& name) {
    const auto found = std::find_if(options.begin(), options.end(),
                                    [&](const auto* option) { return name_of(option) == name; });
    return found == options.end() ? nullptr : *found;
}

bool is_list(const CLI::Option& option) {
    return option.get_items_expected_max() > 1;
}

bool is_scalar(const Node& node) {
    return !node.is_map() && !node.is_list() && !node.is_null();
}

/// YAML has several words for a truth, options have one.
std::string value_of(const Node& node) {
    if (!node.is(Node::Kind::boolean)) return node.text;
    return parse_boolean(node.text).value_or(false) ? "true" : "false";
}

/// What is wrong with a value; empty: nothing.
std::string complaint_about(const Node& node, const CLI::Option& option) {
    if (is_scalar(node)) {
        const bool flag = !takes_value(option);
        return flag && !node.is(Node::Kind::boolean)
                   ? "is " + describe(node) + ", it is either true or false"
                   : "";
    }
    if (node.is_list() && is_list(option) && !node.children.empty() &&
        std::all_of(node.children.begin(), node.children.end(), is_scalar)) {
        return "";
    }
    return "is " + describe(node) + ", it takes " + (is_list(option) ? "a list" : "one value");
}

std::vector<std::string> values_of(const Node& node) {
    if (!node.is_list()) return {value_of(node)};
    std::vector<std::string> values;
    for (const Node& child : node.children) values.push_back(value_of(child));
    return values;
}

}  // namespace

std::set<std::string> given_options(const std::vector<std::string>& words,
                                    const CLI::App& command) {
    std::set<std::string> given;
    for (const std::string& word : words) {
        if (word == "--") break;
        const bool is_long = word.starts_with("--");
        if (!is_long && (word.size() < 2 || word.front() != '-')) continue;
        const std::string name = is_long ? word.substr(0, word.find('=')) : word.substr(0, 2);
        const CLI::Option* option = command.get_option_no_throw(name);
        if (option != nullptr && !option->get_lnames().empty()) given.insert(name_of(option));
    }
    return given;
}

std::string config_file(const std::vector<std::string>& words) {
    constexpr std::string_view kOption = "--config";
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        const std::string& word = words[i];
        if (word == kOption && i + 1 < words.size()) return words[i + 1];
        if (word.starts_with(std::string(kOption) + "=")) return word.substr(kOption.size() + 1);
    }
    const char* named = std::getenv(variable_of("config").c_str());
    if (named != nullptr && *named != '\0') return named;
    return ::access(kConfigFile, F_OK) == 0 ? kConfigFile : "";
}

std::string variable_of(const std::string& option) {
    std::string name = "PODFENCE_";
    for (const char c : option) {
        name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return name;
}

Outcome<std::vector<Setting>> settings_of_file(Terminal& terminal, const std::string& path,
                                               const std::vector<const CLI::Option*>& command,
                                               const std::vector<const CLI::Option*>& all) {
    const auto root = read_yaml_file(path, "configuration file", kRemedy);
    if (!root) {
        terminal.error(root.error().message);
        terminal.hint(root.error().remedy);
        return Exit::usage;
    }
    std::vector<Setting> settings;
    std::set<std::string> seen;
    bool bad = false;
    for (const Node& member : root->children) {
        const std::string origin = path + ":" + std::to_string(member.line);
        const CLI::Option* option = find(all, member.key);
        std::string complaint;
        if (option == nullptr) {
            complaint = "is no option that can be configured";
        } else if (!seen.insert(member.key).second) {
            complaint = "is written twice";
        } else {
            complaint = complaint_about(member, *option);
        }
        if (!complaint.empty()) {
            bad = true;
            terminal.error(origin + ": '" + printable(member.key) + "' " + printable(complaint));
            std::vector<std::string> known;
            for (const auto* candidate : all) known.push_back(name_of(candidate));
            const std::string meant = option == nullptr ? nearest(member.key, known) : "";
            if (!meant.empty()) terminal.hint("did you mean '" + meant + "'?");
        } else if (find(command, member.key) != nullptr) {
            settings.push_back(
                {.option = member.key, .values = values_of(member), .origin = origin});
        }
    }
    if (bad) return Exit::usage;
    return settings;
}

std::vector<Setting> settings_of_environment(const std::vector<const CLI::Option*>& command) {
    std::vector<Setting> settings;
    for (const CLI::Option* option : command) {
        const std::string variable = variable_of(name_of(option));
        const char* text = std::getenv(variable.c_str());
        if (text == nullptr || *text == '\0') continue;
        Setting setting{.option = name_of(option), .origin = variable};
        std::string rest = text;
        while (is_list(*option) && rest.find(',') != std::string::npos) {
            setting.values.push_back(rest.substr(0, rest.find(',')));
            rest.erase(0, rest.find(',') + 1);
        }
        setting.values.push_back(rest);
        settings.push_back(std::move(setting));
    }
    return settings;
}

}  // namespace podfence::cmd
