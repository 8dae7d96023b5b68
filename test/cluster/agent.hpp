#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/cluster/http.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_child.hpp"

namespace podfence::lab {

/// The program under test: $PODFENCE_UNDER_TEST, else the one that was built with these tests.
std::string agent_program();
/// The program to upgrade from: $PODFENCE_FORMER, else the same one.
std::string former_agent_program();
/// nullopt: it has a command `agent`. Else that it has not, for PODFENCE_SKIP.
std::optional<std::string> agent_missing();

/// `podfence agent` on one node of the lab.
class Agent {
  public:
    Agent(const Lab& lab, std::size_t node, const std::string& kubeconfig,
          const std::string& program = agent_program());

    Child& process() { return *process_; }
    /// Starts it, or another one after the last has ended.
    void start();
    /// SIGTERM, and its exit status.
    int stop();
    void use_program(const std::string& program) { program_ = program; }
    void use_kubeconfig(const std::string& file) { kubeconfig_ = file; }
    /// Besides the usual ones, from the next start on.
    void use_options(std::vector<std::string> options) { options_ = std::move(options); }

    /// Whether /readyz says so now; no answer is no.
    bool ready();
    /// Throws Failure with the end of the log when it is not so in time or the agent ends.
    void await_ready(std::chrono::seconds limit = std::chrono::seconds(20));
    /// The text of /metrics.
    std::string metrics();
    /// Of it: the value of a series, its labels as printed; 0 when there is none.
    double metric(const std::string& series);
    const std::string& log() const { return log_; }
    std::size_t resident_kib() const;

  private:
    std::optional<HttpResponse> ask(const std::string& target);

    const Host& node_;
    std::string program_;
    std::string kubeconfig_;
    std::vector<std::string> options_{};
    std::string socket_;
    std::string log_;
    std::optional<Child> process_;
    Http http_;
};

}  // namespace podfence::lab
