#include "controller/agent.hpp"

#include <algorithm>
#include <csignal>

#include <boost/asio/post.hpp>
#include <unistd.h>

#include "controller/startup_memory.hpp"
#include "nft/words.hpp"

namespace podfence {

namespace asio = boost::asio;

namespace {

std::chrono::microseconds in_us(Clock::duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

/// Of this node's pods.
std::vector<nft::Address> some_addresses(const Desired& desired, std::size_t max) {
    std::vector<nft::Address> addresses;
    for (const auto& name : desired.own_pods()) {
        const Pod* pod = desired.cluster().find_pod(name);
        if (pod == nullptr || !can_hold_addresses(*pod)) continue;
        for (const auto& address : pod->addresses) addresses.push_back(address);
        if (addresses.size() >= max) break;
    }
    return addresses;
}

}  // namespace

Agent::Agent(AgentOptions options, nft::NetlinkKernel& kernel, nft::Monitor& monitor, Log& log)
    : options_(std::move(options)),
      kernel_(kernel),
      monitor_(monitor),
      log_(log),
      io_(1),
      log_timer_(io_, log),
      desired_(options_.rules),
      reconciler_(
          desired_, options_.rules.table, kernel, *this, [] { return Clock::now(); },
          Reconciler::Limits{}),
      hold_(kernel, options_.ownership),
      metrics_(options_.version),
      api_(io_, *this, metrics_),
      attached_(*this, options_.rules.node),
      cni_(attached_, reconciler_, *this),
      unknown_(io_, std::move(options_.unknown_pods), desired_, log,
               [this] {
                   if (guard_) guard_->hold(desired_.options().held_ranges);
                   begin_when_known();
                   api_.changed();
               }),
      canary_(
          io_, options_.canary, [this] { return some_addresses(desired_, Canary::kPodsMax); },
          [this](const CanaryRecord& answer) { proven(answer); }),
      waker_(io_, reconciler_, [this] { schedule(); }),
      watchdog_(io_),
      notices_(io_, ::dup(monitor.fd())),
      signals_(io_, SIGTERM, SIGINT),
      started_(std::chrono::system_clock::now()) {
    api_.serve_cni([this](const HttpRequest& request) {
        gathering_.hurry();  // A pod's start waits for the answer.
        return cni_.answer(request);
    });
}

Agent::~Agent() {
    if (source_) source_->stop();
}

Sourced<void> Agent::follow(const MakeSource& make_source) {
    auto source = make_source(io_, attached_);
    if (!source) return source.error();
    source_ = *std::move(source);
    return {};
}

nft::Result<void> Agent::guard_interfaces() {
    if (options_.anti_spoof.mode == AntiSpoofMode::off) {
        const auto removed = nft::remove(kernel_, options_.anti_spoof.table);
        return removed ? nft::Result<void>() : removed.error();
    }
    auto guard = SpoofGuard::open(io_,
                                  {.node = options_.rules.node,
                                   .rules = options_.anti_spoof,
                                   .worked = [this] { note_guard(); }},
                                  cluster(), kernel_, log_);
    if (!guard) return guard.error();
    guard_ = *std::move(guard);
    cni_.guard_by(*guard_);
    guard_->hold(desired_.options().held_ranges);
    return {};
}

ListenResult<void> Agent::listen() {
    if (auto local = api_.listen_unix(options_.socket_path); !local) return local;
    if (!options_.metrics_address.empty()) return api_.listen_tcp(options_.metrics_address);
    return {};
}

void Agent::run() {
    log_.info("started", {{"version", options_.version},
                          {"node", options_.rules.node},
                          {"source", source_->status().origin},
                          {"socket", options_.socket_path}});
    revocation_ = Revocation::start(io_, desired_, log_, metrics_);
    watch_signals();
    watch_kernel();
    feed_watchdog();
    tell_service();
    cni_.recall(AttachmentStore::beside(options_.socket_path), log_);
    source_->start();
    unknown_.start();
    io_.run();
    log_.tell_suppressed(true);
    log_.info("stopped; the rules stay in the kernel");
}

void Agent::watch_signals() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
        if (error) return;
        log_.info("stopping", {{"signal", signal}});
        options_.service.tell("STOPPING=1\nSTATUS=the rules stay in the kernel");
        source_->stop();
        unknown_.stop();
        if (guard_) guard_->stop();
        api_.stop();
        canary_.stop();
        waker_.stop();
        notices_.cancel();
        io_.stop();
    });
}

// ---- the source -----------------------------------------------------------------------------

void Agent::put(Object object, std::vector<Problem> problems) {
    if (const auto* policy = std::get_if<NetworkPolicy>(&object)) {
        refused_.erase(policy->name);
        tell_problems(*policy, problems);
        if (problems.empty()) {
            policy_problems_.erase(policy->name);
        } else {
            policy_problems_.insert_or_assign(policy->name, std::move(problems));
        }
    } else {
        for (const auto& problem : problems) {
            log_.warning("an object is in error", {{"problem", to_string(problem)}});
        }
    }
    const auto pod = kind_of(object) == Kind::pod ? std::optional(name_of(object)) : std::nullopt;
    std::visit([this](auto&& value) { desired_.put(std::forward<decltype(value)>(value)); },
               std::move(object));
    if (pod && guard_) guard_->pod_changed(*pod);
    changed();
}

void Agent::tell_problems(const NetworkPolicy& policy, const std::vector<Problem>& problems) {
    std::string text;
    for (const auto& problem : problems) {
        log_.warning("a policy is not enforced as written",
                     {{"policy", to_string(policy.name)}, {"problem", to_string(problem)}});
        metrics_.error("policy");
        if (problem.severity != Severity::error) continue;
        text += (text.empty() ? "" : "; ") + problem.field + (problem.field.empty() ? "" : ": ") +
                problem.message;
        if (!problem.remedy.empty()) text += " (" + problem.remedy + ")";
    }
    if (text.empty()) return source_->withdraw(policy.name);
    source_->notify({.policy = policy.name, .uid = policy.uid, .key = text, .text = text});
}

void Agent::remove(Kind kind, const ObjectName& name) {
    switch (kind) {
        case Kind::pod:
            desired_.remove_pod(name);
            if (guard_) guard_->pod_changed(name);
            break;
        case Kind::ns:
            desired_.remove_namespace(name.name);
            break;
        case Kind::policy:
            desired_.remove_policy(name);
            policy_problems_.erase(name);
            refused_.erase(name);
            source_->withdraw(name);
            break;
    }
    changed();
}

void Agent::listed(Kind kind) {
    listed_[index_of(kind)] = true;
    log_.info("listed", {{"kind", resource_name(kind)}});
    begin_when_known();
}

void Agent::begin_when_known() {
    if (unknown_.known()) {
        if (guard_ && listed_[index_of(Kind::pod)]) guard_->listed();
        if (std::ranges::all_of(listed_, [](bool one) { return one; })) reconciler_.listed();
    }
    schedule();
}

void Agent::trouble(Kind kind, const Trouble& trouble) {
    // What afflicts all kinds, such as a server that is away, is told once.
    const bool known = std::ranges::find(troubles_, trouble) != troubles_.end();
    troubles_[index_of(kind)] = trouble;
    metrics_.error("source-" + std::string(to_string(trouble.cause)));
    metrics_.api_restarted(resource_name(kind));
    api_.changed();
    if (known) return;
    tell_service();
    log_.warning("cannot follow objects; what is enforced stays as it is",
                 {{"kind", resource_name(kind)},
                  {"cause", to_string(trouble.cause)},
                  {"error", trouble.message},
                  {"remedy", trouble.remedy}});
}

void Agent::recovered(Kind kind) {
    troubles_[index_of(kind)].reset();
    api_.changed();
    if (std::ranges::any_of(troubles_, [](const auto& one) { return one.has_value(); })) return;
    log_.info("follows all objects again");
    tell_service();
}

void Agent::problems(std::vector<Problem> all) {
    for (const auto& problem : all) {
        log_.warning("the input is in error", {{"problem", to_string(problem)}});
        metrics_.error("input");
    }
    input_problems_ = std::move(all);
    api_.changed();
}

void Agent::untold(const Trouble& trouble) {
    metrics_.error("events");
    log_.warning("problems of policies are not told by Kubernetes Events",
                 {{"error", trouble.message}, {"remedy", trouble.remedy}});
}

// ---- the kernel -----------------------------------------------------------------------------

void Agent::changed() {
    const auto now = Clock::now();
    reconciler_.changed(now);
    gathering_.add(now);
    schedule();
}

/// Whatever else is ready in the io_context comes first.
void Agent::schedule() {
    if (scheduled_) return;
    scheduled_ = true;
    asio::post(io_, [this] { work(); });
}

void Agent::work() {
    scheduled_ = false;
    if (reconciler_.in_sync() && gathering_.goes_on(Clock::now())) return schedule();
    reconciler_.step();
    note_sync();
    api_.wake();
    waker_.sleep();
}

void Agent::note_sync() {
    const bool synced = reconciler_.in_sync();
    if (synced == in_sync_since_.has_value()) return;
    const bool first = synced && !std::exchange(told_ready_, true);
    if (first) options_.service.tell("READY=1");
    in_sync_since_ = synced ? std::optional(std::chrono::system_clock::now()) : std::nullopt;
    if (synced) log_.info("in sync");
    tell_service();
    if (first) {
        let_go_of_startup_pages();
        canary_.start();
    }
    api_.changed();
}

void Agent::watch_kernel() {
    notices_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [this](const boost::system::error_code& error) {
                            if (error) return;
                            read_notices();
                            watch_kernel();
                        });
}

void Agent::read_notices() {
    const auto notices = monitor_.read();
    if (!notices) {
        log_.error("cannot watch the kernel", {{"error", to_string(notices.error())}});
        metrics_.error("monitor");
    }
    if (notices && notices->stirred) reconciler_.stirred();
    if (!notices || notices->lost) reconciler_.disturbed(ResyncReason::lost);
    if (notices && !notices->foreign.empty()) {
        culprit_ = notices->foreign.back();
        reconciler_.disturbed(ResyncReason::drift);
    }
    schedule();
}

void Agent::committed(const CommitReport& report) {
    const CommitRecord record{.at = std::chrono::system_clock::now(),
                              .operations = report.operations,
                              .latency = in_us(report.latency),
                              .took = in_us(report.took)};
    history_.add(record);
    metrics_.committed(record);
    if (log_.enabled(LogLevel::debug)) {
        log_.debug("committed", {{"changes", nft::describe(report.summary)},
                                 {"latency_us", std::int64_t{record.latency.count()}},
                                 {"took_us", std::int64_t{record.took.count()}}});
    }
    api_.changed();
}

void Agent::resynced(const ResyncReport& report) {
    if (revocation_) revocation_->compared(report);
    ResyncRecord record{.at = std::chrono::system_clock::now(),
                        .reason = std::string(to_string(report.reason)),
                        .operations = report.operations,
                        .repaired = nft::describe(report.repaired),
                        .took = in_us(report.took)};
    if (report.reason == ResyncReason::drift) {
        const auto culprit = std::exchange(culprit_, {});
        record.culprit = culprit.process;
        record.culprit_pid = culprit.pid;
    }
    failure_.reset();
    hold_.note(report.hold, log_);
    metrics_.resynced(record);
    if (record.is_repair()) {
        log_.warning("repaired what somebody else changed in our table",
                     {{"cause", record.reason},
                      {"process", record.culprit},
                      {"pid", record.culprit_pid},
                      {"repaired", record.repaired},
                      {"took_us", std::int64_t{record.took.count()}}});
    } else if (report.reason == ResyncReason::start) {
        log_.info("enforcing", {{"pods", std::uint64_t{desired_.cluster().pods().size()}},
                                {"policies", std::uint64_t{desired_.cluster().policies().size()}},
                                {"changes", record.repaired},
                                {"took_us", std::int64_t{record.took.count()}}});
    }
    history_.add(std::move(record));
    api_.changed();
}

void Agent::failed(const nft::Error& error, Clock::duration retry_in) {
    const auto now = std::chrono::system_clock::now();
    if (!failure_) failure_ = KernelFailure{.error = {}, .since = now, .next_attempt = {}};
    failure_->error = to_string(error);
    failure_->next_attempt = now + std::chrono::duration_cast<WallTime::duration>(retry_in);
    ++failure_->attempts;
    metrics_.error("kernel");
    log_.error(
        "the kernel does not take the rules; it goes on enforcing what it has",
        {{"error", failure_->error}, {"retry_ms", std::int64_t{in_us(retry_in).count() / 1000}}});
    api_.changed();
}

void Agent::refused(const ObjectName& policy, const nft::Error& error) {
    refused_.insert_or_assign(policy, to_string(error));
    metrics_.error("refused");
    log_.error("the kernel refuses a policy; its pods are denied what it would have allowed",
               {{"policy", to_string(policy)}, {"error", to_string(error)}});
    // The kernels of nodes may differ, and what they say does: it is one notice for all.
    const auto known = cluster().policies().find(policy);
    if (known != cluster().policies().end()) {
        source_->notify({.policy = policy,
                         .uid = known->second.uid,
                         .key = "refused by a kernel",
                         .text = "the kernel of node " + options_.rules.node +
                                 " refuses it: " + to_string(error) +
                                 " (its pods are denied what it would have allowed)"});
    }
    api_.changed();
}

}  // namespace podfence
