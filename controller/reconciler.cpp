#include "controller/reconciler.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "nft/plan.hpp"
#include "nft/stages.hpp"

namespace podfence {

namespace {

bool is_delete_table(const nft::Op& op) {
    return std::holds_alternative<nft::DeleteTable>(op);
}

/// Whether a batch has to do with anything that these are about.
bool touches(const nft::Batch& batch, const std::vector<nft::Op>& ops) {
    std::set<std::string_view> names;
    for (const nft::Op& op : ops) names.insert(*nft::object_of(op));
    return !names.empty() && std::ranges::any_of(batch.ops, [&](const nft::Op& op) {
        const std::string* name = nft::object_of(op);
        return name != nullptr && names.contains(*name);
    });
}

}  // namespace

std::string_view to_string(ResyncReason reason) {
    switch (reason) {
        case ResyncReason::start:
            return "start";
        case ResyncReason::drift:
            return "drift";
        case ResyncReason::lost:
            return "lost";
        case ResyncReason::failure:
            return "failure";
        case ResyncReason::audit:
            return "audit";
    }
    return "unknown";
}

Reconciler::Reconciler(Wanted& desired, nft::TableId table, nft::Kernel& kernel,
                       ReconcilerObserver& observer, std::function<Time()> now, Limits limits)
    : desired_(desired),
      table_(std::move(table)),
      kernel_(kernel),
      observer_(observer),
      now_(std::move(now)),
      limits_(limits),
      commit_time_(limits.commits),
      retry_in_(limits.retry_min),
      refusals_left_(limits.refusals_max) {}

void Reconciler::listed() {
    if (listed_) return;
    listed_ = true;
    need_resync(ResyncReason::start);
}

void Reconciler::changed(Time received) {
    ++revision_;
    if (!changed_since_) changed_since_ = received;
}

void Reconciler::stirred() {
    // Once only, so that who changes the table all the time is answered at the pace of repairs.
    if (ever_synced_ && ++stirs_ == 1) close_gap();
}

void Reconciler::disturbed(ResyncReason reason) {
    if (listed_) need_resync(reason);
}

/// The first reason stands: a commit that fails because of drift is drift only if we heard of it.
/// An audit is for want of a reason.
void Reconciler::need_resync(ResyncReason reason) {
    if (!resync_due_ || *resync_due_ == ResyncReason::audit) resync_due_ = reason;
}

void Reconciler::step() {
    if (!listed_) return;
    const Time now = now_();
    if (!resync_due_ && ever_synced_ && now >= audit_at_) resync_due_ = ResyncReason::audit;
    if (resync_due_ && now >= resync_not_before_) return resync(now);
    if (may_commit() && now >= commit_not_before_) return commit_changes(now);
    if (may_sweep() && now >= commit_not_before_) sweep(now);
}

std::optional<Reconciler::Time> Reconciler::wake_at() const {
    if (!listed_) return std::nullopt;
    std::optional<Time> at;
    const auto sooner = [&](Time time) { at = at ? std::min(*at, time) : time; };
    if (resync_due_) sooner(resync_not_before_);
    if (ever_synced_) sooner(audit_at_);
    if (may_commit() || may_sweep()) sooner(commit_not_before_);
    return at;
}

bool Reconciler::take_wait_for_packets() {
    if (waiting_ || passed_ || left_.empty()) return false;
    leaving_ = std::exchange(left_, {});
    return waiting_ = true;
}

void Reconciler::packets_passed() {
    if (!std::exchange(waiting_, false)) return;
    passed_ = !leaving_.empty();
}

/// What packets have left, to be deleted.
nft::Batch Reconciler::take_passed() {
    passed_ = false;
    return nft::order(table_, std::exchange(leaving_, {}));
}

void Reconciler::sweep(Time now) {
    // Nothing enforced hangs on it. Should it fail, a comparison finds out why.
    if (!nft::commit_each(kernel_, std::array{take_passed()}, std::nullopt)) {
        need_resync(ResyncReason::audit);
    }
    commit_not_before_ = commit_time_.spend(now, now_());
}

/// Before something is made of a name that is about to go, all that is goes at once. To wait for
/// packets with that would be worse than what it is for: the change may isolate pods, which are
/// open until then, and where a node lists its connections all the time (100,000 of them in one
/// turn) the kernel takes a third of a second to tell that packets have passed.
void Reconciler::make_way(const nft::Batch& batch) {
    if (!touches(batch, leaving_) && !touches(batch, left_)) return;
    // Should it fail, what follows does as well.
    static_cast<void>(
        nft::commit_each(kernel_, std::array{nft::order(table_, take_leavings())}, std::nullopt));
}

/// All of it, whether packets have passed or not.
Reconciler::Ops Reconciler::take_leavings() {
    passed_ = false;
    Ops all = std::exchange(leaving_, {});
    all.insert(all.end(), left_.begin(), left_.end());
    left_.clear();
    return all;
}

void Reconciler::commit_changes(Time now) {
    const nft::Batch batch = nft::order(table_, desired_.take_changes());
    const Time received = *std::exchange(changed_since_, std::nullopt);
    committed_ = revision_;  // Or, where that fails, out of sync.
    if (batch.empty()) return;
    // Not tied to a generation: the operations say what they expect, and others who commit to
    // tables of their own are no reason to dump ours.
    make_way(batch);
    const nft::Stages parts(batch);
    auto stages = parts.up_to_turn();
    if (may_sweep() && !stages.empty()) {
        // One transaction less: each has the kernel validate all chains.
        auto& first = stages.front().ops;
        const nft::Batch passed = take_passed();
        first.insert(first.begin(), passed.ops.begin(), passed.ops.end());
    }
    if (!nft::commit_each(kernel_, stages, std::nullopt)) {
        // The changes are taken; only a comparison knows now what is missing.
        need_resync(ResyncReason::failure);
        changed_since_ = received;
        kernel_known_ = false;
        return;
    }
    if (std::ranges::any_of(batch.ops, is_delete_table)) take_leavings();
    left_.insert(left_.end(), parts.late.ops.begin(), parts.late.ops.end());
    const Time done = now_();
    commit_not_before_ = commit_time_.spend(now, done);
    observer_.committed({.operations = batch.ops.size(),
                         .summary = nft::summarize(batch),
                         .latency = done - received,
                         .took = done - now});
    observer_.enforced(batch);
}

/// A table that somebody deleted enforces nothing, and all of it takes the kernel long. So what
/// denies comes first: the pods that policies isolate are closed until the rest is there again.
void Reconciler::close_gap() {
    // Refused where there is a table, as most often there is; that takes a grace period
    // of RCU (__nf_tables_abort() in net/netfilter/nf_tables_api.c). Whatever else
    // is wrong shows in the comparison that follows.
    if (!kernel_.commit({.table = table_, .ops = {nft::AddTable{}}}, std::nullopt)) return;
    remade_ = true;
    const nft::Table empty{.id = table_};
    static_cast<void>(
        nft::commit_stages(kernel_, nft::plan(empty, desired_.closed_table()), std::nullopt));
}

void Reconciler::resync(Time now) {
    const ResyncReason reason = *resync_due_;
    const bool may_be_gone = reason == ResyncReason::drift || reason == ResyncReason::lost;
    // After the first stir it was looked for; since then somebody may have deleted it again.
    if (ever_synced_ && may_be_gone && stirs_ != 1) close_gap();
    stirs_ = 0;
    // What was about to go the comparison deletes as well, but it is nobody's doing.
    const Ops leavings = take_leavings();
    desired_.take_changes();  // They are part of the whole, which is compared now.
    auto converged = nft::converge(kernel_, desired_.table());
    const Time done = now_();
    const Clock::duration took = done - now;
    audit_at_ = done + std::max(limits_.audit_period, limits_.audit_factor * took);
    if (!converged) {
        kernel_known_ = false;
        if (refuse_culprits(converged.error())) {
            resync_not_before_ = done;  // Without them, at once.
        } else {
            fail(converged.error());
        }
        return;
    }
    std::erase_if(converged->batch.ops, [&](const nft::Op& op) {
        return std::ranges::find(leavings, op) != leavings.end();
    });
    resync_due_.reset();
    kernel_known_ = true;
    ever_synced_ = true;
    committed_ = revision_;
    retry_in_ = limits_.retry_min;
    refusals_left_ = limits_.refusals_max;
    resync_not_before_ =
        done + std::min(limits_.repair_pause_factor * took, limits_.repair_pause_max);
    const bool remade = std::exchange(remade_, false);
    const std::size_t operations = converged->batch.ops.size() + (remade ? 1 : 0);
    nft::BatchSummary summary = nft::summarize(converged->batch);
    summary.table_added = summary.table_added || remade;
    if (const auto received = std::exchange(changed_since_, std::nullopt);
        received && operations > 0) {
        observer_.committed({.operations = operations,
                             .summary = summary,
                             .latency = done - *received,
                             .took = took});
    }
    observer_.resynced({.reason = reason,
                        .operations = operations,
                        .repaired = summary,
                        .dumps = converged->attempts,
                        .rebuilt = converged->rebuilt,
                        .hold = converged->hold,
                        .took = took});
}

/// Which policies the refused operation comes from, they are refused. False when it was none: then
/// the kernel's trouble is not with them.
bool Reconciler::refuse_culprits(const nft::Error& error) {
    if (error.code != nft::Errc::rejected && error.code != nft::Errc::full) return false;
    bool any = false;
    for (const ObjectName& policy : desired_.policies_behind(error.object)) {
        if (refusals_left_ <= 0) break;
        --refusals_left_;
        desired_.refuse(policy);
        observer_.refused(policy, error);
        any = true;
    }
    return any;
}

void Reconciler::fail(const nft::Error& error) {
    need_resync(ResyncReason::failure);
    const auto wait = retry_in_;
    resync_not_before_ = now_() + wait;
    retry_in_ = std::min(2 * retry_in_, limits_.retry_max);
    refusals_left_ = limits_.refusals_max;
    observer_.failed(error, wait);
}

}  // namespace podfence
