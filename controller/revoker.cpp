#include "controller/revoker.hpp"

#include <algorithm>
#include <utility>

namespace podfence {

bool Walk::wants(const nft::Connection& connection) const {
    return (connection.mark & mark) != 0 || sources.contains(connection.original.source) ||
           answerers.contains(connection.reply.source);
}

void Revoker::Task::merge(const Task& other) {
    concern.merge(other.concern);
    marked = marked || other.marked;
    since = std::min(since, other.since);
    until = std::max(until, other.until);
}

Revoker::Revoker(const Desired& desired, std::uint32_t mark, World world, RevokerObserver& observer,
                 Limits limits)
    : desired_(desired),
      mark_(mark),
      world_(std::move(world)),
      observer_(observer),
      limits_(limits),
      walk_time_(limits.walks),
      retry_in_(limits.retry_min) {}

void Revoker::enforced(std::span<const nft::Op> ops) {
    const Time now = world_.now();
    const Task task{
        .concern = concern_of(ops, desired_), .marked = any_marked_, .since = now, .until = now};
    if (!task.empty()) due_.merge(task);
}

void Revoker::enforced_anew() {
    const Time now = world_.now();
    due_.merge({.concern = {.everyone = true}, .marked = any_marked_, .since = now, .until = now});
}

void Revoker::step() {
    const Time now = world_.now();
    if (current_ || now < not_before_) return;
    if (!due_.empty() || (!later_.empty() && later_.front().at <= now)) begin(now);
}

std::optional<Revoker::Time> Revoker::wake_at() const {
    if (current_) return std::nullopt;
    if (!due_.empty()) return not_before_;
    if (!later_.empty()) return std::max(later_.front().at, not_before_);
    return std::nullopt;
}

void Revoker::begin(Time now) {
    current_ = std::exchange(due_, {});
    // What was committed long ago has settled. What is allowed again needs no second look.
    const Time settled = current_->concern.empty() ? now : current_->until + limits_.settle_time;
    std::optional<Later> second;
    if (now < settled) {
        second = {.settled = settled, .at = now + limits_.second_walk_in, .task = *current_};
        second->task.marked = false;
    }
    for (; !later_.empty() && later_.front().settled <= now; later_.pop_front()) {
        current_->merge(later_.front().task);
    }
    if (second) later_.push_back(*std::move(second));
    began_ = now;
    cut_ = restored_ = still_marked_ = 0;
    failed_.reset();
    judge_.emplace(desired_, world_.host_addresses());
    world_.walker.start(plan(*current_));
}

Walk Revoker::plan(const Task& task) const {
    Walk walk{.sources = task.concern.sources,
              .answerers = task.concern.answerers,
              .mark = task.marked ? mark_ : 0};
    if (task.concern.everyone) {
        auto isolated = desired_.isolated_addresses();
        walk.sources.merge(isolated[index(Direction::egress)]);
        walk.answerers.merge(isolated[index(Direction::ingress)]);
    }
    const std::size_t filters =
        walk.sources.size() + walk.answerers.size() + (walk.mark != 0 ? 1 : 0);
    if (filters > limits_.filters_max) {
        walk.filters.emplace_back();
        return walk;
    }
    for (const auto& address : walk.answerers) walk.filters.push_back({.answerer = address});
    for (const auto& address : walk.sources) walk.filters.push_back({.source = address});
    if (walk.mark != 0) walk.filters.push_back({.mark_mask = mark_, .mark = mark_});
    return walk;
}

/// A connection that another one announced stands and falls with that.
bool Revoker::allows(const nft::Connection& connection) {
    if (connection.announced_by) {
        const auto first = world_.conntrack.find(*connection.announced_by, connection.zone);
        if (first && *first) return judge_->allows(**first);
    }
    return judge_->allows(connection);
}

void Revoker::met(std::span<const nft::Connection> connections) {
    if (!current_) return;
    std::vector<nft::Connection> to_cut;
    std::vector<nft::Connection> to_restore;
    for (const auto& connection : connections) {
        const bool is_cut = (connection.mark & mark_) != 0;
        const bool allowed = allows(connection);
        if (!allowed) ++still_marked_;
        if (allowed == is_cut) (allowed ? to_restore : to_cut).push_back(connection);
    }
    set_marks(to_cut, true);
    set_marks(to_restore, false);
}

void Revoker::set_marks(std::span<const nft::Connection> connections, bool cut) {
    if (connections.empty()) return;
    if (cut) any_marked_ = true;
    const auto done = world_.conntrack.set_mark(connections, mark_, cut ? mark_ : 0);
    if (!done) {
        failed_ = done.error();
        return;
    }
    (cut ? cut_ : restored_) += *done;
}

void Revoker::walked(const nft::Result<void>& result) {
    const Time now = world_.now();
    const Task task = *std::exchange(current_, std::nullopt);
    judge_.reset();
    const Clock::duration took = now - began_;
    not_before_ = std::max(walk_time_.spend(began_, now),
                           now + std::min(limits_.pause_factor * took, limits_.walks.pause_max));
    if (cut_ + restored_ > 0) observer_.revoked(cut_, restored_, now - task.since, took);
    if (!result || failed_) {
        due_.merge(task);
        const auto wait = std::exchange(retry_in_, std::min(2 * retry_in_, limits_.retry_max));
        not_before_ = std::max(not_before_, now + wait);
        return observer_.revoking_failed(result ? *failed_ : result.error(), wait);
    }
    retry_in_ = limits_.retry_min;
    if (task.marked && still_marked_ == 0) any_marked_ = false;
}

}  // namespace podfence
