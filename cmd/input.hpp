#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "cmd/common_options.hpp"
#include "controller/manifest_source.hpp"

namespace podfence::cmd {

/// The choices of the agent that was asked: what it enforces follows from these.
struct AgentSettings {
    std::string node{};
    bool counters = false;
    std::optional<std::uint16_t> log_group{};
    bool pod_to_node_enforced = false;
    std::optional<std::uint8_t> connmark_bit{};  ///< None: established connections are kept.
    std::vector<Prefix> held_ranges{};           ///< None: unknown pods are not held.
    DenyWith deny_with = DenyWith::drop;
    std::string table{};
    std::int32_t hook_priority = kHookPriority;
};

/// What was read, and what was said about it. The remarks are on stderr already.
struct Input {
    Loaded loaded{};
    std::optional<AgentSettings> agent{};  ///< Of whom all this was learnt; nullopt: manifests.
    std::vector<std::string> warnings{};
    double read_ms = 0;

    const Cluster& cluster() const { return loaded.cluster; }
    /// finding when something in it was in error.
    Exit status() const { return loaded.has_errors() ? Exit::finding : Exit::fine; }
};

/// Reads the manifests and prints what is wrong with them. Fails (Exit::usage) when no path was
/// given, one cannot be read, nothing in them matters, or with --strict on any error: then what the
/// kernel enforces must stay as it is. Where the agent may be asked, it is when there are no paths;
/// Exit::failure when it cannot be, or does not know the cluster yet.
Outcome<Input> read_input(Terminal& terminal, const InputOptions& options);

/// False, said on stderr with the names there are, when pods of the input are on nodes and none on
/// this one: the name is then most often not the one that the cluster knows the node by, and
/// enforcing nothing would open the node. An input without scheduled pods is as good as any name.
bool check_node_is_known(Terminal& terminal, const Input& input, const RulesetOptions& options);

/// What was given on the command line, else what the agent that was asked chose, else the default.
CompileOptions compile_options(const RulesetOptions& options, const Input& input);
std::string node_name(const std::string& given, const Input& input);
bool pod_to_node_enforced(std::optional<bool> given, const Input& input);
std::vector<Prefix> held_ranges(const HoldOptions& options, const Input& input);
/// False, said on stderr, when unknown pods are to be held and nobody said which addresses are
/// pods': it would hold nothing.
bool check_hold(Terminal& terminal, const HoldOptions& options,
                const std::vector<Prefix>& held_ranges);
/// What the tables in this node's kernel are called: as given, else as the agent says that answers
/// there, else the default.
std::string table_name(const std::optional<std::string>& given, const std::string& socket);

/// Says so on stderr when no pod of the input is on the node; never silent about not enforcing.
void warn_when_node_is_empty(Terminal& terminal, Input& input, const std::string& node,
                             std::size_t local_pods);

/// Prints a warning and keeps it for the JSON output.
void warn(Terminal& terminal, std::vector<std::string>& warnings, std::string message);

boost::json::value to_json(const std::vector<Problem>& problems);
boost::json::value to_json(const std::vector<std::string>& texts);

}  // namespace podfence::cmd
