#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/desired.hpp"
#include "controller/explain.hpp"
#include "controller/reconciler.hpp"
#include "test/sim/chaos_kernel.hpp"
#include "test/sim/under_way.hpp"
#include "test/support/generator.hpp"

namespace podfence::test {

/// What a run of the simulation has seen, so that one that went blind is noticed.
struct SimulationTally {
    std::size_t events = 0;    ///< Of the cluster.
    std::size_t commits = 0;   ///< That the kernel took.
    std::size_t faults = 0;    ///< Errors it gave.
    std::size_t tampered = 0;  ///< Changes by strangers.
    std::size_t repelled = 0;  ///< That the kernel refused, since the agent owns the table.
    std::size_t crashes = 0;   ///< Restarts of the agent with the kernel as it was.
    std::size_t returns = 0;   ///< Commits after the table was deleted.
    std::size_t refused = 0;   ///< Policies that the kernel did not take.
    std::size_t verdicts = 0;  ///< Judged between two quiet points.
    std::size_t waits = 0;     ///< For packets under way, while other things went on.
    std::size_t stops = 0;     ///< For packets under way, while nothing did.
    std::size_t quiet = 0;     ///< Quiet points, where the kernel must equal what is wanted.
    void operator+=(const SimulationTally& other);
};

/// One node's agent on a simulated kernel, clock and cluster. A seed fixes everything.
class World final : public ReconcilerObserver {
  public:
    explicit World(std::uint64_t seed);

    /// Lives through so many random events. Empty, or the first thing that was wrong.
    std::string run(std::size_t events);
    const SimulationTally& tally() const { return tally_; }

  private:
    using Time = Reconciler::Time;

    void committed(const CommitReport&) override {}
    void resynced(const ResyncReport& report) override;
    void failed(const nft::Error&, Clock::duration) override {}
    void refused(const ObjectName& policy, const nft::Error&) override;

    void start();
    void something_happens();
    void cluster_event();
    bool change_table();
    void tamper();
    void curse();
    void let_time_pass(Clock::duration duration);
    void run_due();
    void quieten();
    void check_quiet();
    void step();
    void judge_commit(const nft::Batch& batch);
    void packets_pass();
    void judge_return(const nft::Table& table);
    void remember();
    Cluster enforced(const Cluster& cluster) const;
    std::vector<nft::Table> allowed_tables() const;
    void fail(const std::string& what);

    std::uint64_t seed_;
    Generator generator_;
    Random& random_;
    CompileOptions options_;
    ChaosKernel kernel_;
    Time now_{};
    Cluster cluster_;
    std::unique_ptr<Desired> desired_;
    std::unique_ptr<Reconciler> reconciler_;
    UnderWay under_way_;
    std::size_t wait_began_ = 0;       ///< In commits.
    std::optional<Time> wait_ends_{};  ///< When packets have left what they are waited for in.
    std::vector<ObjectName> refused_;
    std::string cursed_;
    /// Of the cluster as enforced, since the kernel last equalled what is wanted: a packet must
    /// meet the verdict of one of them.
    std::vector<Cluster> versions_;
    bool pending_ = false;           ///< Changes that were not in the kernel before this step.
    std::size_t faults_before_ = 0;  ///< The last quiet point.
    bool tampered_ = false;          ///< By a stranger, and not repaired yet.
    bool deleted_ = false;           ///< And all he did was to delete the table.
    SimulationTally tally_;
    std::string wrong_;
};

}  // namespace podfence::test
