// cni: places the CNI plugin on this node, and takes it away.
#include <memory>

#include "cmd/agent_client.hpp"
#include "cmd/cli11.hpp"
#include "cmd/cni_install.hpp"
#include "cmd/command_line.hpp"
#include "cmd/common_options.hpp"

namespace podfence::cmd {

namespace {

struct CniCommand {
    std::string action{};
    CniPlace place{};
    std::string on_agent_missing = "wait";
    double timeout_s = 10;
    std::string socket = kAgentSocket;
    bool watch = false;
};

boost::json::object entry_of(const CniCommand& command) {
    boost::json::object plugin{{"type", kCniPlugin}, {"onAgentMissing", command.on_agent_missing}};
    // As a person writes it: 10, not 1E1.
    const auto whole = static_cast<std::int64_t>(command.timeout_s);
    auto& timeout = plugin["timeout"];
    timeout = command.timeout_s;
    if (static_cast<double>(whole) == command.timeout_s) timeout = whole;
    if (command.socket != kAgentSocket) plugin["socket"] = command.socket;
    return plugin;
}

Exit tell(Terminal& terminal, const ConflistResult<std::vector<std::string>>& done,
          const char* nothing) {
    if (!done) {
        terminal.error(done.error().message);
        return Exit::failure;
    }
    for (const std::string& line : *done) terminal.out.line(line);
    if (done->empty() && *nothing != '\0') terminal.out.line(nothing);
    return Exit::fine;
}

/// As long as it runs: the network's own installer may write its list, and its plugins, anew at any
/// time.
Exit keep_installed(Terminal& terminal, const CniCommand& command) {
    std::string told;
    while (true) {
        PlaceWatch watch(command.place);
        if (!watch.problem().empty()) {
            terminal.error(watch.problem());
            return Exit::failure;
        }
        const auto done = install_cni(command.place, entry_of(command));
        // A network that is not there yet, or half written, is one to wait for.
        const std::string problem = done ? "" : done.error().message;
        if (done) tell(terminal, done, "");
        if (!problem.empty() && problem != told) terminal.error(problem);
        told = problem;
        terminal.out.flush();
        if (!watch.wait()) return Exit::fine;
    }
}

Exit run_cni(Terminal& terminal, CniCommand command) {
    if (command.action == "remove") {
        return tell(terminal, remove_cni(command.place), "podfence-cni is not installed here");
    }
    if (command.place.program.empty()) command.place.program = find_cni_program();
    if (command.place.program.empty()) {
        terminal.error("podfence-cni is not beside this program");
        terminal.hint("say where it is with --program FILE");
        return Exit::usage;
    }
    if (command.watch) return keep_installed(terminal, command);
    return tell(terminal, install_cni(command.place, entry_of(command)),
                "podfence-cni is installed here already");
}

void add_places(CommandLine& line, CLI::App& command, CniPlace& place) {
    const auto add = [&](const char* name, std::string& value, const char* what, const char* type) {
        auto* option =
            command.add_option(name, value, what)->check(not_empty)->type_name(type)->group("Node");
        if (!value.empty()) option->capture_default_str();
        line.takes_path(option);
    };
    add("--bin-dir", place.bin_dir, "Where the runtime finds plugins", "DIR");
    add("--conf-dir", place.conf_dir, "Where the runtime finds the pod network's configuration",
        "DIR");
    add("--conf", place.conf,
        "The list to be added to (default: the first file of --conf-dir, as runtimes take it)",
        "FILE");
    add("--program", place.program, "The plugin (default: the one beside this program)", "FILE");
}

}  // namespace

void add_cni(CommandLine& line) {
    auto options = std::make_shared<CniCommand>();
    CLI::App* command = line.add_command(
        "cni",
        {.summary = "Install or remove the CNI plugin, for policies from the first packet",
         .description =
             "podfence-cni goes at the end of the node's chain of CNI plugins: a pod's first "
             "process does not run before the pod's rules are in force. install places it and "
             "adds it to the list, remove takes both back; nothing else in the list changes, to "
             "the byte.",
         .examples = {{"on a node where the agent runs", "podfence cni install"},
                      {"and put it back whenever somebody else writes the list",
                       "podfence cni install --watch"},
                      {"pods rather fail to start than start without their policies",
                       "podfence cni install --on-agent-missing deny"},
                      {"before podfence is removed", "podfence cni remove"}},
         .exits = {{0, "done, or there was nothing to do"},
                   {3, "the list cannot be read or written, or is none"}}},
        [options](Terminal& terminal) { return run_cni(terminal, *options); });
    line.choices(command->add_option("action", options->action, "What to do")->required(),
                 {"install", "remove"});
    line.choices(command
                     ->add_option("--on-agent-missing", options->on_agent_missing,
                                  "A pod that starts while no agent answers waits for it as long "
                                  "as --timeout and then starts without; starts without; or waits "
                                  "and then fails, and is tried again")
                     ->capture_default_str()
                     ->group("Plugin"),
                 {"wait", "allow", "deny"});
    command
        ->add_option("--timeout", options->timeout_s,
                     "How long a pod waits for its rules, in seconds, at most 180")
        ->check(CLI::Range(0.0, 180.0))
        ->capture_default_str()
        ->group("Plugin")
        ->type_name("SECONDS");
    auto* socket = command->add_option("--socket", options->socket, "Where the agent listens")
                       ->check(not_empty)
                       ->capture_default_str()
                       ->type_name("PATH")
                       ->group("Plugin");
    line.takes_path(socket);
    add_places(line, *command, options->place);
    command
        ->add_flag("--watch", options->watch,
                   "Stay, and install it again whenever the list is written anew")
        ->group("Node");
}

}  // namespace podfence::cmd
