// status: how the agent of this node stands.
#include "cmd/status.hpp"

#include <memory>

#include <boost/json.hpp>

#include "cmd/agent_client.hpp"
#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"

namespace podfence::cmd {

namespace {

struct StatusOptions {
    OutputOptions output{};
    std::string socket{};
    bool wait = false;
    bool watch = false;
    double timeout_s = 60;
};

Exit status_of(const boost::json::value& status) {
    return in_sync(status) ? Exit::fine : Exit::finding;
}

/// A line for each change, until somebody has seen enough.
Exit watch(Terminal& terminal, const StatusOptions& options) {
    Exit last = Exit::failure;
    std::string said;
    const auto show = [&](std::string_view line) {
        boost::system::error_code error;
        const boost::json::value status = boost::json::parse({line.data(), line.size()}, error);
        if (error) return false;
        last = status_of(status);
        if (options.output.format == Format::json) {
            terminal.out.line(line);
            return terminal.out.flush() == 0;
        }
        const StatusLine head = headline(status);
        // The same is said again only for another commit, repair or trouble.
        const std::string text = watch_line(status);
        if (text == said) return true;
        said = text;
        terminal.out.line(terminal.out.paint(head.tone, text));
        return terminal.out.flush() == 0;
    };
    const auto end = follow_agent(options.socket, "/v1/status/watch", show);
    if (!end) return report(terminal, end.error());
    if (*end == FollowEnd::reader) return last;
    return report(terminal, {.message = options.socket + ": the agent has ended"});
}

AgentResult<boost::json::value> ask(const StatusOptions& options) {
    if (!options.wait) return ask_agent_json(options.socket, "/v1/status");
    const std::chrono::milliseconds time(static_cast<std::int64_t>(options.timeout_s * 1000));
    return ask_agent_json(options.socket,
                          "/v1/status?wait=synced&timeout_ms=" + std::to_string(time.count()),
                          time + kAgentSilenceMax);
}

Exit run_status(Terminal& terminal, const StatusOptions& options) {
    if (options.watch) return watch(terminal, options);
    const auto status = ask(options);
    if (!status) return report(terminal, status.error());
    if (options.output.format == Format::json) {
        terminal.out.json(*status);
    } else {
        print_status(terminal.out, *status);
    }
    return status_of(*status);
}

}  // namespace

void add_status(CommandLine& line) {
    auto options = std::make_shared<StatusOptions>();
    CLI::App* command = line.add_command(
        "status",
        {.summary = "Say whether this node enforces, and how its agent stands",
         .description =
             "Asks the agent on this node. The first line says whether the kernel holds what the "
             "cluster wants; below stand the sources it follows, the last commits, what others "
             "changed in the rules and was repaired, policies that cannot be enforced as written, "
             "and pods that policies do not judge.",
         .examples = {{"is this node enforcing?", "podfence status"},
                      {"block until it is, at most two minutes",
                       "podfence status --wait --timeout "
                       "120"},
                      {"a line for every change", "podfence status --watch"},
                      {"for a script", "podfence status -o json"}},
         .exits = {{0, "in sync: the kernel enforces what the agent knows of the cluster"},
                   {1, "not in sync"},
                   {3, "no agent answers"}}},
        [options](Terminal& terminal) { return run_status(terminal, *options); });
    auto* wait =
        command->add_flag("--wait", options->wait, "Answer when in sync, or after --timeout")
            ->group("Input");
    command->add_option("--timeout", options->timeout_s, "How long --wait waits (default: 60)")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, 600.0))
        ->group("Input");
    command->add_flag("--watch", options->watch, "Go on: a line for every change, until Ctrl-C")
        ->excludes(wait)
        ->group("Output");
    add_socket_option(line, *command, options->socket);
    add_output_options(line, *command, options->output, {"text", "json"});
}

}  // namespace podfence::cmd
