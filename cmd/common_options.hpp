#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cmd/command_line.hpp"
#include "controller/compile.hpp"
#include "controller/explain.hpp"

/// Groups of options that several commands share, so that they are spelt the same everywhere.
namespace podfence::cmd {

enum class Format : std::uint8_t { text, json, nft };

struct OutputOptions {
    Format format = Format::text;
};
/// -o and --color.
void add_output_options(CommandLine& line, CLI::App& command, OutputOptions& options,
                        std::vector<std::string> formats);
/// --color takes effect here, as the first thing a command does.
void apply_colour(const CLI::App& command, Terminal& terminal);

struct InputOptions {
    std::vector<std::string> paths{};
    bool strict = false;
    bool may_ask_agent = false;  ///< Without paths the agent of this node is asked.
    std::string socket{};        ///< Where that listens.
};
/// -f and --strict.
void add_input_options(CommandLine& line, CLI::App& command, InputOptions& options);
/// The same for a command that asks the agent when there is no -f; and --socket.
void add_input_or_agent_options(CommandLine& line, CLI::App& command, InputOptions& options);
void add_socket_option(CommandLine& line, CLI::App& command, std::string& socket);

/// --unknown-pods and --pod-cidr.
struct HoldOptions {
    std::optional<bool> unknown_held{};    ///< nullopt: not given.
    std::vector<std::string> pod_cidrs{};  ///< All of them were understood.

    std::vector<Prefix> ranges() const;
};

/// What decides the rules beyond the cluster's state. `diff` and `dump` must be told the same as
/// `apply`, or they show other rules.
struct RulesetOptions {
    std::string node{};  ///< Empty: by node_name().
    bool counters = false;
    std::optional<std::uint16_t> log_group{};
    std::optional<bool> pod_to_node_enforced{};   ///< nullopt: not given.
    std::optional<bool> established_cut{};        ///< Likewise.
    std::optional<std::uint8_t> connmark_bit{};   ///< Likewise.
    std::optional<DenyWith> deny_with{};          ///< Likewise.
    std::optional<std::string> table_name{};      ///< Likewise.
    std::optional<std::int32_t> hook_priority{};  ///< Likewise.
    HoldOptions hold{};
};
/// A check: a value that a script left empty must not count as not given.
std::string not_empty(const std::string& value);
void add_node_option(CLI::App& command, std::string& node);
void add_pod_to_node_option(CommandLine& line, CLI::App& command, std::optional<bool>& enforced);
void add_hold_options(CommandLine& line, CLI::App& command, HoldOptions& options);
void add_table_name_option(CommandLine& line, CLI::App& command, std::optional<std::string>& name);
void add_hook_priority_option(CommandLine& line, CLI::App& command,
                              std::optional<std::int32_t>& priority);
/// A check: "" for a whole number from `min` to `max`. `what`: "priority of a hook".
std::function<std::string(const std::string&)> number_between(std::int64_t min, std::int64_t max,
                                                              std::string what);
void add_ruleset_options(CommandLine& line, CLI::App& command, RulesetOptions& options);

/// --node, else NODE_NAME, else the host name in lower case, as kubelet names nodes. Where an agent
/// may have been asked, its node goes before these: see cmd/input.hpp.
std::string node_name(const std::string& given);
/// Where that name comes from, for messages: "--node", "$NODE_NAME", "the host name".
std::string node_name_origin(const std::string& given);

/// --port and --protocol.
struct PortOptions {
    std::string port{};      ///< A number or a name; empty: not given.
    std::string protocol{};  ///< "TCP", "UDP", "SCTP", "ICMP"; empty: not given.
};
void add_port_options(CommandLine& line, CLI::App& command, PortOptions& options);

}  // namespace podfence::cmd
