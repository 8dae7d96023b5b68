#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controller/agent_view.hpp"
#include "controller/attached_pods.hpp"
#include "controller/canary.hpp"
#include "controller/cni_api.hpp"
#include "controller/desired.hpp"
#include "controller/gathering.hpp"
#include "controller/local_api.hpp"
#include "controller/log_timer.hpp"
#include "controller/metrics.hpp"
#include "controller/reconciler.hpp"
#include "controller/revocation.hpp"
#include "controller/service_manager.hpp"
#include "controller/source.hpp"
#include "controller/spoof_guard.hpp"
#include "controller/table_hold.hpp"
#include "controller/unknown_pods.hpp"
#include "controller/waker.hpp"
#include "nft/monitor.hpp"
#include "nft/netlink_kernel.hpp"

namespace podfence {

/// Where the agent hears from, and where it is heard.
struct AgentOptions {
    CompileOptions rules{};
    AntiSpoofOptions anti_spoof{};
    std::string version{};
    std::string socket_path{};             ///< Of the local API.
    std::string metrics_address{};         ///< "ADDRESS:PORT"; empty: no metrics and probes by TCP.
    std::vector<AgentSetting> settings{};  ///< To be shown, no more.
    ServiceManager service{};              ///< Who started us.
    nft::Ownership ownership{};            ///< What the kernel port was opened with.
    Canary::Options canary{};
    UnknownPods::Options unknown_pods{};
};

/// The DaemonSet's process: joins a source of objects, the desired ruleset, the reconciler and the
/// kernel, and tells how they stand. Everything happens in its io_context, on one thread; only the
/// kernel's walks through its connections are waited for on another (WalkerThread).
class Agent final : private Sink, private ReconcilerObserver, private AgentView {
  public:
    /// Makes the source that tells `sink`.
    using MakeSource =
        std::function<Sourced<std::unique_ptr<Source>>(boost::asio::io_context&, Sink& sink)>;

    /// Kernel, monitor and log are not owned.
    Agent(AgentOptions options, nft::NetlinkKernel& kernel, nft::Monitor& monitor, Log& log);
    ~Agent() override;

    /// What to hear from; once, before run(). Errors: the source's own.
    Sourced<void> follow(const MakeSource& make_source);

    /// Starts to prove the sources of pods at their interfaces; with anti-spoof off, takes away
    /// what another run left of that. Once, before run().
    nft::Result<void> guard_interfaces();
    /// Takes the local API's address: only one agent of a node gets it. Nothing else has happened
    /// before.
    ListenResult<void> listen();
    /// Until SIGTERM or SIGINT. The rules stay in the kernel.
    void run();

  private:
    // Of the source.
    void put(Object object, std::vector<Problem> problems) override;
    void remove(Kind kind, const ObjectName& name) override;
    void listed(Kind kind) override;
    void trouble(Kind kind, const Trouble& trouble) override;
    void recovered(Kind kind) override;
    void problems(std::vector<Problem> all) override;
    void untold(const Trouble& trouble) override;

    // Of the reconciler.
    void committed(const CommitReport& report) override;
    void enforced(const nft::Batch& changes) override {
        if (revocation_) revocation_->enforced(changes.ops);
    }
    void resynced(const ResyncReport& report) override;
    void failed(const nft::Error& error, Clock::duration retry_in) override;
    void refused(const ObjectName& policy, const nft::Error& error) override;

    // For the local API.
    AgentStatus status() const override;
    bool in_sync() const override { return reconciler_.in_sync(); }
    std::string unguarded() const override;
    CanaryRecord canary() const override { return canary_.record(); }
    const Cluster& cluster() const override { return desired_.cluster(); }

    void changed();
    void schedule();
    void work();
    void watch_kernel();
    void read_notices();
    void begin_when_known();
    void watch_signals();
    void note_sync();
    void note_guard();
    void proven(const CanaryRecord& answer);
    void tell_service() const;
    void feed_watchdog();
    void tell_problems(const NetworkPolicy& policy, const std::vector<Problem>& problems);
    AgentState state() const;

    AgentOptions options_;
    nft::NetlinkKernel& kernel_;
    nft::Monitor& monitor_;
    Log& log_;
    boost::asio::io_context io_;
    LogTimer log_timer_;
    Desired desired_;
    Reconciler reconciler_;
    TableHold hold_;
    Metrics metrics_;
    std::unique_ptr<Revocation> revocation_;  ///< None: established connections live on.
    LocalApi api_;
    AttachedPods attached_;  ///< Between the source and us.
    CniApi cni_;
    std::unique_ptr<SpoofGuard> guard_;  ///< Null: anti-spoof is off.
    UnknownPods unknown_;
    Canary canary_;
    std::unique_ptr<Source> source_;
    Waker waker_;
    boost::asio::steady_timer watchdog_;
    boost::asio::posix::stream_descriptor notices_;
    boost::asio::signal_set signals_;

    bool scheduled_ = false;
    Gathering gathering_;
    bool told_ready_ = false;  ///< The service manager.
    bool guarded_ = false;     ///< As it was told last.
    std::array<bool, kKinds.size()> listed_{};
    std::array<std::optional<Trouble>, kKinds.size()> troubles_{};
    std::map<ObjectName, std::vector<Problem>> policy_problems_;
    std::map<ObjectName, std::string> refused_;  ///< With what the kernel said.
    std::vector<Problem> input_problems_;
    nft::ForeignCommit culprit_{};  ///< The last stranger, until its doing is repaired.
    AgentHistory history_;
    std::optional<KernelFailure> failure_{};
    WallTime started_;
    std::optional<WallTime> in_sync_since_{};
};

}  // namespace podfence
