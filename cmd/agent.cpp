// agent: the process of the DaemonSet.
#include "controller/agent.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/input.hpp"
#include "cmd/kernel_access.hpp"
#include "controller/directory_source.hpp"
#include "controller/kube_config.hpp"
#include "controller/kubernetes_source.hpp"
#include "podfence_version.hpp"

namespace podfence::cmd {

namespace {

constexpr const char* kMetricsAddress = ":9469";
/// Nothing of the kernel's own stands on that hook.
constexpr std::int32_t kHookPriorityIngressMin = -10'000;

struct AgentCommand {
    std::vector<std::string> paths{};
    AccessOptions access{};
    RulesetOptions rules{};
    std::string anti_spoof = "enforce";
    std::vector<std::string> extra_addresses{};
    std::string extra_by = "off";
    std::int32_t ingress_priority = kHookPriority;
    std::string socket{};
    std::string metrics_address = kMetricsAddress;
    std::string table_owner = "auto";
    std::string canary = "off";
    std::string log_format = "text";
    std::string log_level = "info";
};

struct Origin {
    Agent::MakeSource make_source{};
    std::optional<ClusterAccess> access{};  ///< None: files.
};

/// From files, or from the API server. Fails when it is not known how to reach it.
Outcome<Origin> origin_of(Terminal& terminal, const AgentCommand& command,
                          const std::string& node) {
    if (!command.paths.empty()) {
        return Origin{
            .make_source = [paths = command.paths](boost::asio::io_context& io, Sink& sink) {
                return make_directory_source(io, paths, sink);
            }};
    }
    auto access = find_access(command.access, process_environment());
    if (!access) {
        terminal.error(to_string(access.error()));
        terminal.hint(
            "in a pod the service account says where the API server is; elsewhere give "
            "--kubeconfig FILE, or manifests with -f");
        return Exit::usage;
    }
    return Origin{.make_source =
                      [access = *access, node](boost::asio::io_context& io, Sink& sink) {
                          return Sourced<std::unique_ptr<Source>>(make_kubernetes_source(
                              io, access, sink, {.notices = {.node = node}}));
                      },
                  .access = *access};
}

/// What is to be held is given, or the API server tells; files do not.
Outcome<UnknownPods::Options> unknown_pods_options(Terminal& terminal, const AgentCommand& command,
                                                   const CompileOptions& rules,
                                                   const Origin& origin) {
    const HoldOptions& given = command.rules.hold;
    UnknownPods::Options options{.hold = given.unknown_held.value_or(false)};
    if (!options.hold || !rules.held_ranges.empty()) return options;
    if (!origin.access && !check_hold(terminal, given, rules.held_ranges)) return Exit::usage;
    options.ask = origin.access;
    return options;
}

Exit refuse_to_listen(Terminal& terminal, const ListenError& error) {
    terminal.error(error.message);
    if (error.taken) {
        terminal.hint("another agent runs on this node; `podfence status` says how it stands");
    }
    return Exit::failure;
}

AntiSpoofOptions anti_spoof_options(const AgentCommand& command, const std::string& table) {
    AntiSpoofOptions options{.extra_by_annotation = command.extra_by == "annotation",
                             .log_group = command.rules.log_group};
    options.table.name = table;
    options.priority = command.ingress_priority;
    options.mode = command.anti_spoof == "off"     ? AntiSpoofMode::off
                   : command.anti_spoof == "audit" ? AntiSpoofMode::audit
                                                   : AntiSpoofMode::enforce;
    for (const std::string& text : command.extra_addresses) {
        options.extra.push_back(*nft::Prefix::parse(text));  // They were looked at when parsed.
    }
    return options;
}

/// Of --canary: a period, or whether at all; nullopt: something else.
std::optional<std::chrono::seconds> canary_period(const std::string& text) {
    if (text == "on" || text == "true") return Canary::kPeriodDefault;
    if (text == "off" || text == "false") return std::chrono::seconds(0);
    return parse_period(text);
}

std::vector<AgentSetting> settings_of(const CommandLine& line, const CLI::App& command) {
    std::vector<AgentSetting> settings;
    for (const Setting& one : line.settings(command)) {
        std::string value;
        for (const std::string& item : one.values) value += (value.empty() ? "" : ", ") + item;
        settings.push_back({.option = one.option, .value = value, .origin = one.origin});
    }
    return settings;
}

Exit run_agent(Terminal& terminal, const AgentCommand& command,
               std::vector<AgentSetting> settings) {
    const CompileOptions rules = compile_options(command.rules, Input{});
    auto origin = origin_of(terminal, command, rules.node);
    if (!origin) return origin.error();
    auto unknown_pods = unknown_pods_options(terminal, command, rules, *origin);
    if (!unknown_pods) return unknown_pods.error();
    const auto ownership =
        command.table_owner == "auto" ? nft::Ownership::owned : nft::Ownership::shared;
    auto kernel = nft::NetlinkKernel::open(ownership);
    if (!kernel) return report(terminal, kernel.error());
    // Whether we may at all is known before anything is promised.
    if (const auto held = (*kernel)->dump(rules.table); !held) {
        return report(terminal, held.error());
    }
    auto monitor = nft::Monitor::open(rules.table, (*kernel)->port());
    if (!monitor) return report(terminal, monitor.error());
    Log log({.format = *parse_log_format(command.log_format),
             .level = *parse_log_level(command.log_level)});
    Agent agent({.rules = rules,
                 .anti_spoof = anti_spoof_options(command, rules.table.name),
                 .version = kVersion,
                 .socket_path = command.socket,
                 .metrics_address = command.metrics_address,
                 .settings = std::move(settings),
                 .service = ServiceManager::from_environment(),
                 .ownership = ownership,
                 .canary = {.period = *canary_period(command.canary),
                            .cuts_established = rules.connmark_bit.has_value(),
                            .hook_priority = rules.priority},
                 .unknown_pods = *std::move(unknown_pods)},
                **kernel, *monitor, log);
    if (const auto followed = agent.follow(origin->make_source); !followed) {
        terminal.error(to_string(followed.error()));
        return Exit::usage;
    }
    if (const auto listening = agent.listen(); !listening) {
        return refuse_to_listen(terminal, listening.error());
    }
    if (const auto guarded = agent.guard_interfaces(); !guarded) {
        return report(terminal, guarded.error());
    }
    for (const std::string& text : bridge_warnings()) {
        log.warning("pods of one bridge may not be judged", {{"problem", text}});
    }
    agent.run();
    return Exit::fine;
}

void add_source_options(CommandLine& line, CLI::App& command, AgentCommand& options) {
    line.takes_path(command
                        .add_option("-f,--filename", options.paths,
                                    "Files and directories to follow instead of an API server")
                        ->type_name("PATH")
                        ->group("Source"));
    line.takes_path(command
                        .add_option("--kubeconfig", options.access.kubeconfig,
                                    "How to reach the API server (default: KUBECONFIG, then the "
                                    "pod's service account)")
                        ->type_name("FILE")
                        ->group("Source"));
    command
        .add_option("--context", options.access.context,
                    "Of the kubeconfig, instead of its current one")
        ->type_name("NAME")
        ->group("Source");
}

void add_table_options(CommandLine& line, CLI::App& command, AgentCommand& options) {
    line.choices(command
                     .add_option("--table-owner", options.table_owner,
                                 "auto: keep others from changing the table where the kernel "
                                 "can; off: let them, and repair what they do")
                     ->capture_default_str()
                     ->group("Rules"),
                 {"auto", "off"});
    line.choices(command
                     .add_option("--anti-spoof", options.anti_spoof,
                                 "Whether a pod's interface lets in only what comes from the "
                                 "pod's own addresses; audit: counts and lets in")
                     ->capture_default_str()
                     ->group("Rules"),
                 {"off", "audit", "enforce"});
    command
        .add_option("--pod-extra-addresses", options.extra_addresses,
                    "Addresses that every pod may use beside its own: of virtual machines, CARP, "
                    "gateways")
        ->delimiter(',')
        ->check([](const std::string& text) {
            return nft::Prefix::parse(text) ? ""
                                            : "'" + text +
                                                  "' is no block of addresses, like "
                                                  "192.0.2.0/24 or 2001:db8::/64";
        })
        ->type_name("CIDR")
        ->group("Rules");
    line.choices(command
                     .add_option("--extra-addresses", options.extra_by,
                                 "annotation: a pod may also use what its annotation "
                                 "podfence.io/extra-addresses lists; off: whoever may annotate a "
                                 "pod gives it no address by that")
                     ->capture_default_str()
                     ->group("Rules"),
                 {"off", "annotation"});
    command
        .add_option("--ingress-priority", options.ingress_priority,
                    "The place of what --anti-spoof does among what others do on the ingress hook "
                    "of a pod's interface; lower numbers come first")
        ->check(number_between(kHookPriorityIngressMin, kHookPriorityMax, "priority of a hook"))
        ->type_name("N")
        ->capture_default_str()
        ->group("Rules");
}

void add_service_options(CommandLine& line, CLI::App& command, AgentCommand& options) {
    command
        .add_option("--metrics-address", options.metrics_address,
                    "Serve /metrics, /healthz and /readyz here; '' for none")
        ->type_name("ADDRESS:PORT")
        ->capture_default_str()
        ->group("Service");
    command
        .add_option("--canary", options.canary,
                    "Prove with packets that they meet the rules, at the start and every 5m or "
                    "PERIOD, as 'podfence doctor --self-test' does; off: do not")
        ->type_name("[PERIOD|off]")
        ->expected(0, 1)
        ->default_str("on")  // What the option alone means.
        ->check([](const std::string& text) {
            return canary_period(text) ? ""
                                       : "'" + text +
                                             "' is no period like 90s, 5m or 1h, of 10s or more, "
                                             "and neither 'on' nor 'off'";
        })
        ->group("Service");
    line.choices(command.add_option("--log-format", options.log_format, "Of the log on stderr")
                     ->capture_default_str()
                     ->group("Service"),
                 {"text", "json"});
    line.choices(command.add_option("--log-level", options.log_level, "What is logged, and above")
                     ->capture_default_str()
                     ->group("Service"),
                 {"debug", "info", "warning", "error"});
}

}  // namespace

void add_agent(CommandLine& line) {
    auto options = std::make_shared<AgentCommand>();
    auto self = std::make_shared<const CLI::App*>();
    CLI::App* command = line.add_command(
        "agent",
        {.summary = "Keep this node's rules right, from the API server or watched files",
         .description =
             "Follows the cluster's pods, namespaces and network policies and keeps the kernel "
             "equal to what they say. Nothing is written before everything has been listed once: "
             "what a previous run left goes on being enforced until then. Where the kernel knows "
             "owners of tables (Linux 6.9) nobody else can change those of podfence while the "
             "agent runs; elsewhere what anybody changes in them is repaired at once. When it "
             "stops, the rules stay, and anybody may change them; `podfence cleanup` removes "
             "them.",
         .examples = {{"in a pod of the DaemonSet, as its service account", "podfence agent"},
                      {"on a node without one",
                       "podfence agent --kubeconfig /etc/podfence/kubeconfig --node worker-1"},
                      {"from manifests, which may change",
                       "podfence agent -f /etc/podfence/manifests --node worker-1"}},
         .exits = {{0, "stopped by SIGTERM or SIGINT; the rules stay in the kernel"},
                   {3, "the kernel refuses, a privilege is missing, or another agent runs here"}}},
        [options, self, &line](Terminal& terminal) {
            return run_agent(terminal, *options, settings_of(line, **self));
        });
    *self = command;
    add_source_options(line, *command, *options);
    add_ruleset_options(line, *command, options->rules);
    add_table_options(line, *command, *options);
    add_socket_option(line, *command, options->socket);
    add_service_options(line, *command, *options);
    for (CLI::Option* option : command->get_options([](CLI::Option*) { return true; })) {
        const std::string name = display_name(*option);
        if (name != "--help" && name != "--config") line.configurable(*command, option);
    }
}

}  // namespace podfence::cmd
