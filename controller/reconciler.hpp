#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/allowance.hpp"
#include "controller/wanted.hpp"
#include "nft/converge.hpp"
#include "nft/kernel.hpp"

namespace podfence {

/// Why the kernel's table is dumped and compared with all that is wanted.
enum class ResyncReason : std::uint8_t {
    start,    ///< The first time: what a previous run left is adopted.
    drift,    ///< Somebody else changed our table.
    lost,     ///< Notifications were lost, so somebody may have.
    failure,  ///< A commit failed, so what the kernel holds is not known.
    audit,    ///< Nothing but time.
};
std::string_view to_string(ResyncReason reason);

using Clock = std::chrono::steady_clock;

/// A batch of changes that the kernel has taken.
struct CommitReport {
    std::size_t operations = 0;
    nft::BatchSummary summary{};
    Clock::duration latency{};  ///< Since the oldest change in it was received.
    Clock::duration took{};     ///< In the kernel and on the way there.
};

/// A comparison of the kernel with what is wanted, after which it holds that.
struct ResyncReport {
    ResyncReason reason{};
    std::size_t operations = 0;    ///< That had to be done; 0: nothing was amiss.
    nft::BatchSummary repaired{};  ///< What they changed; at the start, what is new.
    int dumps = 0;
    bool rebuilt = false;
    nft::Hold hold = nft::Hold::anyone;  ///< Who may change the table now.
    Clock::duration took{};
};

/// Is told what happens; must not call back.
class ReconcilerObserver {
  public:
    ReconcilerObserver() = default;
    ReconcilerObserver(const ReconcilerObserver&) = delete;
    ReconcilerObserver& operator=(const ReconcilerObserver&) = delete;
    virtual ~ReconcilerObserver() = default;

    virtual void committed(const CommitReport& report) = 0;
    /// What was committed. Not told of what a comparison changes.
    virtual void enforced(const nft::Batch& /*changes*/) {}
    virtual void resynced(const ResyncReport& report) = 0;
    /// The kernel does not take it. What it held it goes on enforcing; another attempt follows.
    virtual void failed(const nft::Error& error, Clock::duration retry_in) = 0;
    /// The kernel does not take what this policy compiles to: the pods that it isolates are denied
    /// what it would have allowed, the rest is enforced.
    virtual void refused(const ObjectName& policy, const nft::Error& error) = 0;
};

/// Keeps the kernel equal to what is wanted. A state machine: it is told of events, does what is
/// due when `step` is called, and says when that should be. It touches the world through the kernel
/// port and the given clock only, so that a simulation can be in charge of both.
///
/// waiting -- listed() --> resync --> in sync -- changed() --> commit --> in sync
///                            ^                                  | failed
///                            +---- disturbed(), audit ----------+
///
/// What a change leaves that nothing refers to any more is deleted when no packet can be on its way
/// to it (nft/stages.hpp). Nobody waits for that: the change is in force, and others follow it. One
/// that makes something of such a name again has it deleted at once.
class Reconciler {
  public:
    using Time = Clock::time_point;

    struct Limits {
        /// A few changes one after another are committed at once, each, and so is what a thousand
        /// events at once become; a storm becomes few commits.
        Allowance::Terms commits{.factor = 10,
                                 .credit_max = std::chrono::milliseconds(20),
                                 .pause_max = std::chrono::milliseconds(25)};
        /// A repair is followed by a pause of so many times what it took, and no longer than this,
        /// for who fights over our table.
        int repair_pause_factor = 10;
        Clock::duration repair_pause_max = std::chrono::milliseconds(250);
        Clock::duration audit_period = std::chrono::seconds(60);
        /// An audit waits at least so many times as long as the last comparison took.
        int audit_factor = 2000;
        Clock::duration retry_min = std::chrono::milliseconds(50);
        Clock::duration retry_max = std::chrono::seconds(30);
        /// Policies refused in one attempt; the others wait for the next.
        int refusals_max = 64;
    };

    /// Nothing is owned; everything must outlive the reconciler.
    Reconciler(Wanted& desired, nft::TableId table, nft::Kernel& kernel,
               ReconcilerObserver& observer, std::function<Time()> now, Limits limits);

    /// Every kind has been listed: before that nothing is written, and what a previous run left
    /// goes on being enforced.
    void listed();
    /// What is wanted is another by something that was received at `received`.
    void changed(Time received);
    /// Somebody else is known to have changed our table, and no more yet. Should it be gone, what
    /// denies is put back at once. To be followed by `disturbed` when all is known.
    void stirred();
    /// The kernel's table may no longer be what we left; `reason` is drift or lost.
    void disturbed(ResyncReason reason);

    /// Does what is due now. Bounded: at most one commit or one comparison.
    void step();
    /// When `step` should be called next unless something happens before; nullopt: never.
    std::optional<Time> wake_at() const;

    /// Something that steps have left waits for the packets in their hooks: true once, and then
    /// packets_passed() is to be called when all that are in one now have left it.
    bool take_wait_for_packets();
    void packets_passed();

    /// The kernel held all that was wanted when it was looked at last, and nothing has failed
    /// since.
    bool in_sync() const {
        return kernel_known_ && (!resync_due_ || *resync_due_ == ResyncReason::audit);
    }
    /// Something of ours is enforced as wanted at all; false only until the first success.
    bool ever_synced() const { return ever_synced_; }
    /// How many changes there were, as changed() told.
    std::uint64_t revision() const { return revision_; }
    /// All changes up to this revision are in the kernel.
    bool holds(std::uint64_t revision) const { return in_sync() && revision <= committed_; }

  private:
    using Ops = std::vector<nft::Op>;

    void commit_changes(Time now);
    void resync(Time now);
    void sweep(Time now);
    nft::Batch take_passed();
    void make_way(const nft::Batch& batch);
    Ops take_leavings();
    void close_gap();
    bool refuse_culprits(const nft::Error& error);
    void fail(const nft::Error& error);
    void need_resync(ResyncReason reason);
    /// A change need not wait for a comparison that has to wait, unless that failed.
    bool may_commit() const { return changed_since_ && kernel_known_; }

    /// What is left over can wait until it is known what the kernel holds.
    bool may_sweep() const { return passed_ && kernel_known_ && !resync_due_; }

    Wanted& desired_;
    nft::TableId table_;
    nft::Kernel& kernel_;
    ReconcilerObserver& observer_;
    std::function<Time()> now_;
    Limits limits_;

    bool listed_ = false;
    bool kernel_known_ = false;  ///< What it holds is what was committed, but for strangers.
    bool ever_synced_ = false;
    bool remade_ = false;  ///< The table, to close a gap, and not reported yet.
    int stirs_ = 0;        ///< Since the last comparison began.
    std::optional<ResyncReason> resync_due_{};
    std::optional<Time> changed_since_{};
    std::uint64_t revision_ = 0;
    std::uint64_t committed_ = 0;  ///< The revision that the kernel was given last.
    Ops leaving_{};                ///< Nothing refers to it; once `passed_`, no packet either.
    Ops left_{};                   ///< The same, since the wait for packets began.
    bool waiting_ = false;         ///< For packets.
    bool passed_ = false;          ///< They have, and `leaving_` may go.
    Allowance commit_time_;
    Time commit_not_before_{};
    Time resync_not_before_{};
    Time audit_at_{};
    Clock::duration retry_in_;
    int refusals_left_ = 0;
};

}  // namespace podfence
