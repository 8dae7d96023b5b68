#include "test/cluster/agent.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "test/support/lab_process.hpp"
#include "test/support/paths.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kMetricsPort = 9469;
constexpr std::chrono::milliseconds kPatience{2000};

std::string from_environment(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? otherwise : value;
}

}  // namespace

std::string agent_program() {
    return from_environment("PODFENCE_UNDER_TEST", test::podfence_program());
}

std::string former_agent_program() {
    return from_environment("PODFENCE_FORMER", agent_program());
}

std::optional<std::string> agent_missing() {
    // Its help, that is: of a command that is not there the program prints its general help.
    const Finished help = run_program({agent_program(), "agent", "--help"});
    if (help.out.find("--kubeconfig") != std::string::npos) return std::nullopt;
    return agent_program() + " has no command 'agent'";
}

Agent::Agent(const Lab& lab, std::size_t node, const std::string& kubeconfig,
             const std::string& program)
    : node_(lab.node(node)),
      program_(program),
      kubeconfig_(kubeconfig),
      socket_(lab.claim().directory() + "/" + node_.name + ".sock"),
      log_(lab.claim().directory() + "/agent-" + node_.name + ".log"),
      http_(node_.ns, "::1", kMetricsPort) {
    start();
}

void Agent::start() {
    process_.reset();
    std::vector<std::string> argv{
        program_,   "agent",    "--kubeconfig",      kubeconfig_,
        "--node",   node_.name, "--metrics-address", "[::]:" + std::to_string(kMetricsPort),
        "--socket", socket_};
    argv.insert(argv.end(), options_.begin(), options_.end());
    process_.emplace(node_.ns, ChildSpec{.argv = std::move(argv), .log = log_});
}

int Agent::stop() {
    constexpr std::chrono::seconds kLimit{10};
    process_->signal(SIGTERM);
    const auto status = process_->wait(kLimit);
    if (!status) fail("the agent does not end on SIGTERM, " + tail_of(log_));
    return *status;
}

std::optional<HttpResponse> Agent::ask(const std::string& target) {
    auto answer = http_.ask({.target = target}, kPatience);
    if (!answer) answer = http_.ask({.target = target}, kPatience);  // A restarted agent.
    return answer;
}

bool Agent::ready() {
    const auto answer = ask("/readyz");
    return answer && answer->status == 200;
}

void Agent::await_ready(std::chrono::seconds limit) {
    constexpr std::chrono::milliseconds kBetween{10};
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!ready()) {
        if (const auto status = process_->wait(kBetween))
            fail("the agent ended with status " + std::to_string(*status) + ", " + tail_of(log_));
        if (std::chrono::steady_clock::now() > until)
            fail("the agent is not ready in time, " + tail_of(log_));
    }
}

std::string Agent::metrics() {
    const auto answer = ask("/metrics");
    if (!answer || answer->status != 200) fail("no /metrics: " + http_.error());
    return answer->body;
}

double Agent::metric(const std::string& series) {
    std::istringstream lines(metrics());
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
    }
    return 0;
}

std::size_t Agent::resident_kib() const {
    std::ifstream status("/proc/" + std::to_string(process_->pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:"))
            return std::stoul(line.substr(line.find_first_of("0123456789")));
    }
    return 0;
}

}  // namespace podfence::lab
