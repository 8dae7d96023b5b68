#include "cmd/input.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <boost/json.hpp>

#include "cmd/agent_client.hpp"
#include "cmd/json_view.hpp"

namespace podfence::cmd {

namespace {

/// More are counted on stderr; -o json has them all.
constexpr std::size_t kProblemsPrintedMax = 100;
constexpr std::size_t kNodesListedMax = 8;

void print(Terminal& terminal, const std::vector<Problem>& problems) {
    for (std::size_t i = 0; i < std::min(problems.size(), kProblemsPrintedMax); ++i) {
        const bool error = problems[i].severity == Severity::error;
        std::string text = printable(to_string(problems[i]));
        // The word that says how bad it is stands behind the place: colour it there.
        const std::string word = error ? "error:" : "warning:";
        if (const auto at = text.find(" " + word); at != std::string::npos) {
            text.replace(at + 1, word.size(),
                         terminal.err.paint(error ? Tone::bad : Tone::warn, word));
        }
        terminal.err.line(text);
    }
    if (problems.size() > kProblemsPrintedMax) {
        terminal.err.line("... and " +
                          count_of(problems.size() - kProblemsPrintedMax, "more problem"));
    }
}

std::size_t count_errors(const std::vector<Problem>& problems) {
    return static_cast<std::size_t>(
        std::count_if(problems.begin(), problems.end(),
                      [](const Problem& p) { return p.severity == Severity::error; }));
}

using PodsByNode = std::map<std::string, std::size_t>;

PodsByNode pods_by_node(const Input& input) {
    PodsByNode nodes;
    for (const auto& [name, pod] : input.cluster().pods()) {
        if (!pod.node.empty()) ++nodes[pod.node];
    }
    return nodes;
}

/// "node-a (4 pods), node-b (2 pods)": first those that differ from `wanted` by their domain only,
/// then those with the most pods.
std::string list_of(const PodsByNode& nodes, const std::string& wanted) {
    const auto host = [](const std::string& name) { return name.substr(0, name.find('.')); };
    std::vector<std::pair<std::string, std::size_t>> order(nodes.begin(), nodes.end());
    std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
        const bool near_a = host(a.first) == host(wanted);
        const bool near_b = host(b.first) == host(wanted);
        return near_a != near_b ? near_a : a.second > b.second;
    });
    std::string text;
    for (std::size_t i = 0; i < std::min(order.size(), kNodesListedMax); ++i) {
        text +=
            (i == 0 ? "" : ", ") + order[i].first + " (" + count_of(order[i].second, "pod") + ")";
    }
    if (order.size() > kNodesListedMax) {
        text += " and " + std::to_string(order.size() - kNodesListedMax) + " more";
    }
    return text;
}

}  // namespace

namespace {

AgentSettings settings_of(const boost::json::value& status) {
    const boost::json::value& rules = status.at("rules");
    AgentSettings settings{
        .node = std::string(status.at("node").as_string()),
        .counters = rules.at("counters").as_bool(),
        .pod_to_node_enforced = rules.at("pod_to_node") == "enforce",
        .deny_with = rules.at("deny_with") == "reject" ? DenyWith::reject : DenyWith::drop,
        .table = std::string(rules.at("table").as_string()),
        .hook_priority = static_cast<std::int32_t>(rules.at("hook_priority").as_int64())};
    if (const auto* group = rules.at("log_group").if_int64()) {
        settings.log_group = static_cast<std::uint16_t>(*group);
    }
    if (const auto* bit = rules.at("connmark_bit").if_int64()) {
        settings.connmark_bit = static_cast<std::uint8_t>(*bit);
    }
    for (const auto& text : status.at("unknown_pods").at("pod_cidrs").as_array()) {
        const auto range = Prefix::parse(std::string(text.as_string()));
        if (range) settings.held_ranges.push_back(*range);
    }
    return settings;
}

/// Everything the agent of this node knows, and how it compiles it.
Outcome<Input> read_agent(Terminal& terminal, const InputOptions& options) {
    const auto status = ask_agent_json(options.socket, "/v1/status");
    if (!status) return report_no_input(terminal, status.error());
    Input input;
    std::string not_followed;
    try {
        input.agent = settings_of(*status);
        for (const boost::json::value& source : status->at("sources").as_array()) {
            if (!source.at("listed").as_bool()) {
                terminal.error("the agent does not know the cluster yet: " +
                               printable(std::string(status->at("summary").as_string())));
                terminal.hint("'podfence status --wait' waits until it does");
                return Exit::failure;
            }
            if (const auto* error = source.at("error").if_string()) not_followed = *error;
        }
    } catch (const std::exception& error) {  // From at() and as_*() of Boost.JSON.
        return report(terminal, {.message = std::string("its status is of another version: ") +
                                            error.what()});
    }
    const auto objects = ask_agent(options.socket, "/v1/objects");
    if (!objects) return report_no_input(terminal, objects.error());
    input.loaded = load_text("", *objects);
    if (!not_followed.empty()) {
        warn(terminal, input.warnings, "the agent goes by what it knew last: " + not_followed);
    }
    return input;
}

Outcome<Input> read_manifests(Terminal& terminal, const InputOptions& options) {
    if (!options.paths.empty()) return Input{.loaded = load_manifests(options.paths)};
    terminal.error("no input");
    terminal.hint("give the cluster's manifests with -f PATH..., or -f - for standard input:");
    terminal.hint("kubectl get pods,namespaces,networkpolicies -A -o yaml | podfence ... -f -");
    return Exit::usage;
}

}  // namespace

Outcome<Input> read_input(Terminal& terminal, const InputOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    const bool ask = options.may_ask_agent && options.paths.empty();
    auto read = ask ? read_agent(terminal, options) : read_manifests(terminal, options);
    if (!read) return read.error();
    Input input = std::move(*read);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    input.read_ms = took.count();
    print(terminal, input.loaded.problems);
    if (input.loaded.unreadable) {
        terminal.error("a part of the input could not be read; nothing was done");
        return Exit::usage;
    }
    if (options.strict && input.loaded.has_errors()) {
        terminal.error(count_of(count_errors(input.loaded.problems), "error") +
                       " in the input; nothing was done, because of --strict");
        return Exit::usage;
    }
    // An agent may well know that the cluster is empty.
    if (input.loaded.objects == 0 && !ask) {
        terminal.error("the input holds no pod, namespace or network policy; nothing was done");
        if (input.loaded.skipped > 0) {
            terminal.hint(count_of(input.loaded.skipped, "object") + " of other kinds skipped");
        } else {
            terminal.hint(input.loaded.has_errors()
                              ? "mend what is said above"
                              : "is it empty? 'podfence cleanup' is what removes all rules");
        }
        return Exit::usage;
    }
    return input;
}

CompileOptions compile_options(const RulesetOptions& options, const Input& input) {
    CompileOptions compile{
        .node = node_name(options.node, input),
        .counters = options.counters || (input.agent && input.agent->counters),
        .log_group = options.log_group,
        .pod_to_node_enforced = pod_to_node_enforced(options.pod_to_node_enforced, input)};
    if (input.agent) {
        compile.connmark_bit = input.agent->connmark_bit;
        compile.deny_with = input.agent->deny_with;
        compile.table.name = input.agent->table;
        compile.priority = input.agent->hook_priority;
    }
    if (options.deny_with) compile.deny_with = *options.deny_with;
    if (options.table_name) compile.table.name = *options.table_name;
    if (options.hook_priority) compile.priority = *options.hook_priority;
    if (options.connmark_bit) compile.connmark_bit = options.connmark_bit;
    if (options.established_cut) {
        compile.connmark_bit = *options.established_cut
                                   ? std::optional(compile.connmark_bit.value_or(kConnmarkBit))
                                   : std::nullopt;
    }
    if (!compile.log_group && input.agent) compile.log_group = input.agent->log_group;
    compile.held_ranges = held_ranges(options.hold, input);
    return compile;
}

std::vector<Prefix> held_ranges(const HoldOptions& options, const Input& input) {
    if (options.unknown_held && !*options.unknown_held) return {};
    auto of_agent = input.agent ? input.agent->held_ranges : std::vector<Prefix>();
    if (!options.unknown_held) return of_agent;
    return options.pod_cidrs.empty() ? of_agent : options.ranges();
}

bool check_hold(Terminal& terminal, const HoldOptions& options,
                const std::vector<Prefix>& held_ranges) {
    if (!options.unknown_held.value_or(false) || !held_ranges.empty()) return true;
    terminal.error("--unknown-pods=hold without --pod-cidr: nothing would be held");
    terminal.hint(
        "give the addresses that this node gives to its pods, as 'kubectl get node NAME -o "
        "jsonpath={.spec.podCIDRs}' prints them: --pod-cidr CIDR");
    return false;
}

std::string node_name(const std::string& given, const Input& input) {
    return given.empty() && input.agent ? input.agent->node : node_name(given);
}

std::string table_name(const std::optional<std::string>& given, const std::string& socket) {
    if (given) return *given;
    const auto status = ask_agent_json(socket, "/v1/status");
    const std::string told = status ? View(&*status)["rules"]["table"].text() : "";
    return told.empty() ? nft::TableId{}.name : told;
}

bool pod_to_node_enforced(std::optional<bool> given, const Input& input) {
    return given.value_or(input.agent && input.agent->pod_to_node_enforced);
}

void warn(Terminal& terminal, std::vector<std::string>& warnings, std::string message) {
    terminal.warning(printable(message));
    warnings.push_back(std::move(message));
}

bool check_node_is_known(Terminal& terminal, const Input& input, const RulesetOptions& options) {
    const std::string node = node_name(options.node);
    const PodsByNode nodes = pods_by_node(input);
    if (nodes.empty() || nodes.contains(node)) return true;
    terminal.error("no pod of the input is on node '" + printable(node) + "' (the name is from " +
                   node_name_origin(options.node) + "); nothing was changed");
    terminal.hint("nodes in the input: " + printable(list_of(nodes, node)));
    terminal.hint("say which one this is with --node NAME, as 'kubectl get nodes' prints it");
    terminal.hint("if it is this name and really has no pods, --force enforces an empty node");
    return false;
}

void warn_when_node_is_empty(Terminal& terminal, Input& input, const std::string& node,
                             std::size_t local_pods) {
    if (local_pods > 0) return;
    const PodsByNode nodes = pods_by_node(input);
    std::string message =
        "no pod with an address is on node '" + node + "': no policy takes effect here; ";
    message += nodes.empty()
                   ? "no pod in the input has a spec.nodeName"
                   : "nodes in the input: " + list_of(nodes, node) + "; choose one with --node";
    warn(terminal, input.warnings, std::move(message));
}

boost::json::value to_json(const std::vector<std::string>& texts) {
    return boost::json::array(texts.begin(), texts.end());
}

boost::json::value to_json(const std::vector<Problem>& problems) {
    boost::json::array list;
    for (const Problem& problem : problems) {
        list.push_back({{"severity", problem.severity == Severity::error ? "error" : "warning"},
                        {"file", problem.pos.file},
                        {"line", problem.pos.line},
                        {"object", problem.object},
                        {"field", problem.field},
                        {"message", problem.message},
                        {"remedy", problem.remedy}});
    }
    return list;
}

}  // namespace podfence::cmd
