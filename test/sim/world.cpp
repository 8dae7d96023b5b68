#include "test/sim/world.hpp"

#include <algorithm>

#include "nft/text.hpp"
#include "nft/walk.hpp"
#include "test/support/judge.hpp"
#include "test/support/random_table.hpp"

namespace podfence::test {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kNode = "n1";
constexpr std::size_t kFlowsPerCommit = 8;
constexpr std::size_t kStepsMax = 10'000;
/// Versions between two quiet points that are worth judging by; a quiet point comes first.
constexpr std::size_t kVersionsMax = 12;

bool passes(const nft::Table& table, const Flow& flow) {
    return nft::walk(table, nft::Hook::forward, first_packet(flow)).accepted;
}

}  // namespace

void SimulationTally::operator+=(const SimulationTally& other) {
    events += other.events;
    commits += other.commits;
    faults += other.faults;
    tampered += other.tampered;
    repelled += other.repelled;
    crashes += other.crashes;
    returns += other.returns;
    refused += other.refused;
    verdicts += other.verdicts;
    waits += other.waits;
    stops += other.stops;
    quiet += other.quiet;
}

World::World(std::uint64_t seed)
    : seed_(seed),
      generator_(seed),
      random_(generator_.random()),
      options_{.node = kNode},
      kernel_(random_, random_.percent(50) ? nft::Ownership::owned : nft::Ownership::shared),
      cluster_(generator_.cluster()) {
    if (random_.percent(50)) {  // A previous run's, or somebody's.
        nft::converge(kernel_.bare(), random_table(seed)).value();
    }
    tampered_ = true;  // What that enforces, or nothing at all, no version of the cluster wants.
    kernel_.on_commit([this](const nft::Batch& batch) { judge_commit(batch); });
    kernel_.on_fault([this] { under_way_.excuse(); });
    kernel_.on_wait([this] {
        ++tally_.stops;
        under_way_.await_done(under_way_.now());
    });
    start();
}

/// An agent begins with nothing but what the kernel holds.
void World::start() {
    kernel_.restart();
    // Between two agents anybody may change what the first left.
    if (random_.percent(30)) change_table();
    const auto before = kernel_.bare().dump(options_.table).value();
    under_way_.forget(before.table ? &*before.table : nullptr);
    wait_ends_.reset();
    desired_ = std::make_unique<Desired>(options_);
    refused_.clear();
    reconciler_ = std::make_unique<Reconciler>(
        *desired_, options_.table, kernel_, *this, [this] { return now_; }, Reconciler::Limits{});
    for (const auto& [name, ns] : cluster_.namespaces()) desired_->put(ns);
    for (const auto& [name, policy] : cluster_.policies()) desired_->put(policy);
    run_due();
    for (const auto& [name, pod] : cluster_.pods()) desired_->put(pod);
    reconciler_->changed(now_);
    let_time_pass(seconds(5));
    if (kernel_.bare().dump(options_.table).value().generation != before.generation) {
        fail("wrote before everything was listed");
    }
    remember();
    reconciler_->listed();
    run_due();
}

std::string World::run(std::size_t events) {
    quieten();
    while (wrong_.empty() && tally_.events < events) something_happens();
    if (wrong_.empty()) quieten();
    tally_.commits = kernel_.commits();
    tally_.faults = kernel_.faults();
    return wrong_;
}

void World::something_happens() {
    const std::size_t what = random_.below(1000);
    if (what < 800) {
        cluster_event();
    } else if (what < 850) {
        tamper();
    } else if (what < 860) {
        ++tally_.crashes;
        start();
    } else if (what < 870) {
        kernel_.set_faults(static_cast<unsigned>(random_.pick(std::vector{0, 10, 50, 100})));
    } else if (what < 875) {
        curse();
    } else if (what < 880) {
        let_time_pass(std::chrono::hours(random_.between(1, 100)));
    } else if (what < 900) {
        quieten();
    } else {
        let_time_pass(std::chrono::microseconds(random_.between(1, 50'000)));
    }
    if (versions_.size() > kVersionsMax) quieten();
    if (random_.percent(50)) run_due();
}

void World::cluster_event() {
    const Event event = generator_.event(cluster_);
    apply(cluster_, event);
    ++tally_.events;
    std::visit(
        [this](const auto& e) {
            using T = std::decay_t<decltype(e)>;
            if constexpr (std::is_same_v<T, PodGone>) {
                desired_->remove_pod(e.name);
            } else if constexpr (std::is_same_v<T, NamespaceGone>) {
                desired_->remove_namespace(e.name);
            } else if constexpr (std::is_same_v<T, PolicyGone>) {
                desired_->remove_policy(e.name);
                std::erase(refused_, e.name);
            } else {
                desired_->put(e);
                if constexpr (std::is_same_v<T, NetworkPolicy>) std::erase(refused_, e.name);
            }
        },
        event);
    reconciler_->changed(now_);
    remember();
}

/// Somebody changes our table, if he can.
bool World::change_table() {
    const auto table = kernel_.bare().dump(options_.table).value().table;
    if (!table) return false;
    const bool remove = random_.percent(20);
    const auto done =
        remove ? nft::remove(kernel_.bare(), options_.table)
               : nft::converge(kernel_.bare(), changed_table(random_.below(1U << 30U), *table));
    if (!done) {
        if (done.error().code != nft::Errc::owned) fail("strange: " + to_string(done.error()));
        ++tally_.repelled;
        return false;
    }
    const auto changed = kernel_.bare().dump(options_.table).value().table;
    under_way_.forget(changed ? &*changed : nullptr);
    ++tally_.tampered;
    deleted_ = remove && !tampered_;
    tampered_ = true;
    return true;
}

/// We hear of it, or of something having been lost, or nothing at all until the next audit.
void World::tamper() {
    if (!change_table()) return;
    const std::size_t heard = random_.below(3);
    if (heard == 0) {
        if (random_.percent(50)) reconciler_->stirred();
        if (random_.percent(20)) let_time_pass(milliseconds(random_.between(1, 300)));
        reconciler_->disturbed(ResyncReason::drift);
    }
    if (heard == 1) reconciler_->disturbed(ResyncReason::lost);
}

/// From now on the kernel does not take the rules of some policy.
void World::curse() {
    cursed_.clear();
    if (!cluster_.policies().empty() && random_.percent(70)) {
        auto policy = cluster_.policies().begin();
        std::advance(policy,
                     static_cast<std::ptrdiff_t>(random_.below(cluster_.policies().size())));
        cursed_ =
            "\"" + to_string(policy->first) + " " + random_.pick(std::vector{"in", "e"}) + "gress[";
    }
    kernel_.set_curse(cursed_);
}

void World::let_time_pass(Clock::duration duration) {
    const Time until = now_ + duration;
    // What is due on the way happens at its time, whatever the time that passes.
    for (std::size_t i = 0; i < 20; ++i) {
        const auto at = reconciler_->wake_at();
        if (wait_ends_ && *wait_ends_ <= std::min(at.value_or(until), until)) {
            packets_pass();
            continue;
        }
        if (!at || *at > until) break;
        now_ = std::max(now_, *at);
        step();
    }
    now_ = std::max(now_, until);
}

/// As the agent does after each step: it goes on with other things while packets pass.
void World::step() {
    pending_ = !reconciler_->holds(reconciler_->revision());
    reconciler_->step();
    if (!reconciler_->take_wait_for_packets()) return;
    wait_began_ = under_way_.now();
    wait_ends_ = now_ + std::chrono::microseconds(random_.between(0, 30'000));
}

void World::packets_pass() {
    now_ = std::max(now_, *std::exchange(wait_ends_, std::nullopt));
    ++tally_.waits;
    under_way_.await_done(wait_began_);
    reconciler_->packets_passed();
    step();
}

void World::run_due() {
    for (std::size_t i = 0; i < kStepsMax; ++i) {
        const auto at = reconciler_->wake_at();
        if (!at || *at > now_) return;
        step();
    }
    fail("there is always something due: it spins");
}

/// Without faults and after enough time everything must have settled.
void World::quieten() {
    kernel_.set_faults(0);
    if (tampered_ || random_.percent(10)) let_time_pass(std::chrono::hours(1));  // The audit.
    for (std::size_t i = 0; i < 60 && wrong_.empty(); ++i) {
        let_time_pass(seconds(1));
    }
    run_due();
    if (wrong_.empty()) check_quiet();
    versions_.clear();
    faults_before_ = kernel_.faults();
    tampered_ = false;
    deleted_ = false;
    remember();
}

void World::check_quiet() {
    ++tally_.quiet;
    const nft::Table want = compile_all(enforced(cluster_), options_).table;
    const auto snapshot = kernel_.bare().dump(options_.table).value();
    const auto& have = snapshot.table;
    if (kernel_.makes() == nft::Hold::ours && snapshot.hold == nft::Hold::orphan) {
        fail("nobody has claimed the table");
    }
    if (!reconciler_->in_sync()) return fail("all is quiet and it does not say so");
    if (!(desired_->cluster() == cluster_)) return fail("it knows another cluster");
    if (!have) return fail("the kernel has no table");
    if (*have != want) {
        fail("the kernel does not hold what is wanted\n--- wanted\n" + nft::to_text(want) +
             "--- holds\n" + nft::to_text(*have));
    }
}

/// What the versions since the last quiet point compile to.
std::vector<nft::Table> World::allowed_tables() const {
    std::vector<nft::Table> tables;
    for (const Cluster& version : versions_) tables.push_back(compile_all(version, options_).table);
    return tables;
}

/// What the kernel enforces now must be right for each packet by some version of the cluster.
void World::judge_commit(const nft::Batch& batch) {
    const auto table = kernel_.bare().dump(options_.table).value().table;
    // What a stranger has cut off cannot be known to be in anybody's way.
    if (tampered_ || !table) {
        under_way_.forget(table ? &*table : nullptr);
    } else if (const auto taken = under_way_.committed(batch, *table); !taken.empty()) {
        fail("takes away what packets may be on their way to: " + taken + "\n" +
             nft::to_text(batch));
    }
    if (versions_.empty() || !wrong_.empty()) return;
    if (deleted_ && table) return judge_return(*table);
    if (tampered_) return;
    if (!table) return fail("a commit took the table away");
    const std::vector<nft::Table> allowed = allowed_tables();
    const FlowGenerator flows(cluster_, generator_.options());
    for (std::size_t i = 0; i < kFlowsPerCommit; ++i) {
        const Flow flow = flows.next(random_);
        const bool passed = passes(*table, flow);
        ++tally_.verdicts;
        const bool right = std::ranges::any_of(
            allowed, [&](const nft::Table& t) { return passes(t, flow) == passed; });
        if (!right) {
            return fail(std::string(passed ? "admits" : "denies") +
                        " between two states what both " + (passed ? "deny: " : "admit: ") +
                        to_string(flow));
        }
    }
}

/// Of a table that comes back: it denies before it allows.
void World::judge_return(const nft::Table& table) {
    ++tally_.returns;
    const auto hooked = std::ranges::any_of(
        table.chains, [](const auto& chain) { return chain.second.base.has_value(); });
    if (!hooked) return;
    const std::vector<nft::Table> allowed = allowed_tables();
    const FlowGenerator flows(cluster_, generator_.options());
    for (std::size_t i = 0; i < kFlowsPerCommit; ++i) {
        const Flow flow = flows.next(random_);
        ++tally_.verdicts;
        if (passes(table, flow) &&
            std::ranges::none_of(allowed, [&](const auto& t) { return passes(t, flow); })) {
            return fail("admits, before all of the table is back, what is denied: " +
                        to_string(flow));
        }
    }
}

/// Of what nobody did to the table and nothing refused there is nothing to repair.
void World::resynced(const ResyncReport& report) {
    if (tampered_ || kernel_.faults() != faults_before_ || report.reason == ResyncReason::start)
        return;
    if (report.reason == ResyncReason::failure) fail("a commit failed for no fault of others");
    if (report.operations > 0 && !pending_) fail("repairs what nobody has broken");
}

/// Before a refusal it was without it, and after it is taken back it is still with it for a moment.
void World::remember() {
    versions_.push_back(enforced(cluster_));
}

void World::refused(const ObjectName& policy, const nft::Error&) {
    ++tally_.refused;
    refused_.push_back(policy);
    remember();
}

/// The cluster as it is enforced: a refused policy isolates and allows nothing.
Cluster World::enforced(const Cluster& cluster) const {
    Cluster copy = cluster;
    for (const ObjectName& name : refused_) {
        const auto policy = copy.policies().find(name);
        if (policy == copy.policies().end()) continue;
        NetworkPolicy closed = policy->second;
        closed.ingress_rules.clear();
        closed.egress_rules.clear();
        copy.put(closed);
    }
    return copy;
}

void World::fail(const std::string& what) {
    if (wrong_.empty()) {
        wrong_ = "seed " + std::to_string(seed_) + ", after " + std::to_string(tally_.events) +
                 " events: " + what;
    }
}

}  // namespace podfence::test
