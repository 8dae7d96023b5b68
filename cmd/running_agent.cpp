#include "cmd/running_agent.hpp"

#include <boost/json.hpp>

#include "cmd/agent_client.hpp"
#include "controller/status.hpp"

namespace podfence::cmd {

namespace {

/// An agent that answers at all does so at once.
constexpr std::chrono::milliseconds kPatience{2'000};

}  // namespace

std::string running_agent(const std::string& socket) {
    const auto status = ask_agent_json(socket, "/v1/status", kPatience);
    if (!status) {
        // Who may not ask may not change rules either, and hears so from the kernel.
        using Kind = AgentError::Kind;
        const auto kind = status.error().kind;
        return kind == Kind::absent || kind == Kind::forbidden ? "" : status.error().message;
    }
    const auto* object = status->if_object();
    const auto* netns = object == nullptr ? nullptr : object->if_contains("netns");
    const auto* pid = object == nullptr ? nullptr : object->if_contains("pid");
    if (netns == nullptr || pid == nullptr) return "it is of another version";
    boost::system::error_code error;
    if (netns->to_number<std::uint64_t>(error) != network_namespace()) return "";
    return "process " + boost::json::serialize(*pid);
}

bool await_agent_end(const std::string& socket, std::chrono::milliseconds time_max) {
    return running_agent(socket).empty() || await_hang_up(socket, "/v1/status/watch", time_max);
}

Outcome<void> refuse_beside_agent(Terminal& terminal, const std::string& socket,
                                  std::string_view hint) {
    const std::string agent = running_agent(socket);
    if (agent.empty()) return {};
    terminal.error("an agent keeps the rules of this node and would undo this; nothing was done (" +
                   printable(agent) + " on " + printable(socket) + ")");
    terminal.hint(hint);
    return Exit::usage;
}

}  // namespace podfence::cmd
