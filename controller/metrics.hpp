#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "controller/status.hpp"

namespace podfence {

/// The agent's figures in Prometheus' text format. The number of series is bounded whatever
/// happens: no label takes a value from the cluster, and of a label's values at most
/// kLabelValuesMax are told apart; the others count as "other".
class Metrics {
  public:
    static constexpr std::size_t kLabelValuesMax = 24;
    /// What to send it as.
    static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

    explicit Metrics(const std::string& version);
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;
    ~Metrics();

    void committed(const CommitRecord& record);
    /// Counts drift, too, where something had to be changed.
    void resynced(const ResyncRecord& record);
    /// `kind`: what failed: "kernel-rejected", "source-forbidden"...
    void error(std::string_view kind);
    /// Established connections that were cut, and that were allowed again while they were there.
    void connections_revoked(std::size_t cut, std::size_t restored);
    /// A watch or list of "pods", "namespaces" or "networkpolicies" had to begin again.
    void api_restarted(std::string_view kind);

    /// Everything, with the gauges as `status` has them.
    std::string text(const AgentStatus& status);

  private:
    struct Families;
    std::unique_ptr<Families> families_;
};

/// CPU time of this process so far, user and system.
double cpu_seconds();

}  // namespace podfence
