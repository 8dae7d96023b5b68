// __names: what completion asks for. Not for people: silent whatever goes wrong.
#include <memory>

#include "cmd/agent_client.hpp"
#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/completion.hpp"

namespace podfence::cmd {

namespace {

/// Longer than a person waits for Tab to do something.
constexpr std::chrono::milliseconds kPatience{500};

struct NamesOptions {
    std::string kind{};
    std::string prefix{};
    std::string socket{};
};

Exit run_names(Terminal& terminal, const NamesOptions& options) {
    const auto names = ask_agent(
        options.socket,
        "/v1/names?kind=" + escape_query(options.kind) + "&prefix=" + escape_query(options.prefix),
        kPatience);
    if (names) terminal.out.write(*names);
    return Exit::fine;
}

}  // namespace

void add_names(CommandLine& line) {
    auto options = std::make_shared<NamesOptions>();
    CLI::App* command = line.add_command(
        kNamesCommand, {.summary = "Print names that the agent knows", .description = ""},
        [options](Terminal& terminal) { return run_names(terminal, *options); });
    command->group("");  // Neither listed nor completed.
    command->add_option("KIND", options->kind, "pod, policy or namespace")->required();
    command->add_option("PREFIX", options->prefix, "What the names begin with");
    add_socket_option(line, *command, options->socket);
}

}  // namespace podfence::cmd
