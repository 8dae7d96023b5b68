// status: how the agent of this node stands.
#include "cmd/status.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <boost/json.hpp>

#include "cmd/agent_client.hpp"
#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/socket_watch.hpp"

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
    const bool fine = in_sync(status) && !is_unguarded(status) && !is_unproven(status);
    return fine ? Exit::fine : Exit::finding;
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

/// Nobody answers, which may change.
bool may_come(const AgentError& error) {
    return error.kind == AgentError::Kind::absent || error.kind == AgentError::Kind::ended;
}

/// When the agent is in sync, which may have to be started first.
AgentResult<boost::json::value> ask_when_synced(Terminal& terminal, const StatusOptions& options) {
    using std::chrono::milliseconds;
    using std::chrono::steady_clock;
    const auto end =
        steady_clock::now() + milliseconds(static_cast<std::int64_t>(options.timeout_s * 1000));
    bool said = false;
    while (true) {
        // From before the question on, so that nothing is missed in between.
        const auto watch = SocketWatch::open(options.socket);
        if (!watch) return watch.error();
        const auto left = std::max(std::chrono::ceil<milliseconds>(end - steady_clock::now()),
                                   milliseconds::zero());
        auto status = ask_agent_json(
            options.socket, "/v1/status?wait=synced&timeout_ms=" + std::to_string(left.count()),
            left + kAgentSilenceMax);
        if (status || !may_come(status.error())) return status;
        if (!std::exchange(said, true) && terminal.err.columns() != Output::kUnlimited) {
            terminal.err.line(
                "waiting for an agent to listen on " + printable(options.socket) + ", at most " +
                text_of_seconds(std::chrono::ceil<std::chrono::seconds>(left).count()));
            terminal.err.flush();
        }
        if (!watch->wait(end)) return status;
    }
}

AgentResult<boost::json::value> ask(Terminal& terminal, const StatusOptions& options) {
    if (options.wait) return ask_when_synced(terminal, options);
    return ask_agent_json(options.socket, "/v1/status");
}

Exit run_status(Terminal& terminal, const StatusOptions& options) {
    if (options.watch) return watch(terminal, options);
    const auto status = ask(terminal, options);
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
                   {1, "not in sync, or packets were seen to pass by the rules (agent --canary)"},
                   {3, "no agent answers"}}},
        [options](Terminal& terminal) { return run_status(terminal, *options); });
    auto* wait =
        command
            ->add_flag("--wait", options->wait,
                       "Answer when in sync, or after --timeout, also when no agent runs yet")
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
