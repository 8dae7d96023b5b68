// When the reconciler commits: at once as long as commits take little of the time, then in measure.
#include <chrono>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/desired.hpp"
#include "controller/gathering.hpp"
#include "controller/reconciler.hpp"
#include "nft/fake_kernel.hpp"
#include "test/support/builders.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

/// A kernel on which each commit takes the same time.
class SlowKernel final : public nft::Kernel {
  public:
    nft::Result<nft::Snapshot> dump(const nft::TableId& table) override {
        return kernel_.dump(table);
    }
    nft::Result<std::size_t> commit(const nft::Batch& batch,
                                    std::optional<std::uint32_t> generation) override {
        now += cost;
        auto done = kernel_.commit(batch, generation);
        if (done) commits.push_back(now);
        return done;
    }
    nft::Result<std::size_t> claim(const nft::TableId& table,
                                   std::optional<std::uint32_t> generation) override {
        return kernel_.claim(table, generation);
    }
    void await_packets() override { kernel_.await_packets(); }
    nft::Hold makes() const override { return kernel_.makes(); }

    Clock::time_point now{};
    Clock::duration cost = 1ms;
    std::vector<Clock::time_point> commits{};

  private:
    nft::FakeKernel kernel_;
};

struct Deaf final : ReconcilerObserver {
    void committed(const CommitReport& report) override { latencies.push_back(report.latency); }
    void resynced(const ResyncReport& report) override { last = report; }
    void failed(const nft::Error& error, Clock::duration /*retry_in*/) override {
        FAIL(to_string(error));
    }
    void refused(const ObjectName& policy, const nft::Error& /*error*/) override {
        FAIL(to_string(policy));
    }
    std::vector<Clock::duration> latencies{};
    ResyncReport last{};
};

/// A policy with one peer pod that comes and goes.
class Bench {
  public:
    Bench() {
        desired_.put(pod("a", "server", "n1", "10.0.0.1"));
        desired_.put(deny_all("a"));
        desired_.put(allow_all_of("a"));
        reconciler_.listed();
        run_until(kernel.now);
        pass(10s);
        kernel.commits.clear();
        observer.latencies.clear();
    }

    void flap() {
        if (std::exchange(there_, !there_)) {
            desired_.remove_pod({"a", "peer"});
        } else {
            desired_.put(pod("a", "peer", "n2", "10.0.0.2"));
        }
        reconciler_.changed(kernel.now);
    }
    /// Lets the reconciler do what is due until then.
    void run_until(Clock::time_point until) {
        while (reconciler_.wake_at() && *reconciler_.wake_at() <= until) {
            kernel.now = std::max(kernel.now, *reconciler_.wake_at());
            reconciler_.step();
        }
        kernel.now = std::max(kernel.now, until);
    }
    void pass(Clock::duration time) { run_until(kernel.now + time); }
    void delete_table() {
        kernel.commit({.table = CompileOptions{}.table, .ops = {nft::DeleteTable{}}}, {}).value();
        kernel.commits.clear();
    }
    nft::Table held() { return kernel.dump(CompileOptions{}.table).value().table.value(); }
    Desired& desired() { return desired_; }
    Reconciler& reconciler() { return reconciler_; }

    SlowKernel kernel;
    Deaf observer;

  private:
    static Pod pod(const std::string& ns, const std::string& name, const std::string& node,
                   const std::string& address) {
        return {.name = {ns, name},
                .node = node,
                .phase = PodPhase::running,
                .addresses = {*Address::parse(address)}};
    }
    static NetworkPolicy deny_all(const std::string& ns) {
        return {.name = {ns, "deny"}, .ingress = true};
    }
    static NetworkPolicy allow_all_of(const std::string& ns) {
        NetworkPolicy policy{.name = {ns, "allow"}, .ingress = true};
        policy.ingress_rules.push_back(
            {.peers = {PodPeer{.pods = LabelSelector{}}}, .any_port = true});
        return policy;
    }

    bool there_ = false;
    Desired desired_{{.node = "n1"}};
    Reconciler reconciler_{desired_, CompileOptions{}.table,        kernel,
                           observer, [this] { return kernel.now; }, Reconciler::Limits{}};
};

}  // namespace

TEST_CASE("pace: a few changes one after another are committed at once, each") {
    Bench bench;
    for (int i = 0; i < 9; ++i) {
        bench.flap();
        bench.pass(0ms);
        REQUIRE(bench.kernel.commits.size() == static_cast<std::size_t>(i) + 1);
    }
    for (const auto latency : bench.observer.latencies) CHECK(latency == 1ms);
}

TEST_CASE("pace: a storm takes one part in ten of the time, and nothing waits long") {
    Bench bench;
    const auto began = bench.kernel.now;
    while (bench.kernel.now - began < 10s) {
        bench.flap();
        bench.pass(1ms);
    }
    // 10 s in all: 1 s of commits that take 1 ms, and what was saved up before.
    CHECK(bench.kernel.commits.size() > 900);
    CHECK(bench.kernel.commits.size() < 1030);
    for (const auto latency : bench.observer.latencies) CHECK(latency <= 26ms);
}

TEST_CASE("pace: nothing waits long, however long commits take") {
    Bench bench;
    bench.kernel.cost = 50ms;
    for (int i = 0; i < 20; ++i) {
        bench.flap();
        bench.pass(100ms);
    }
    REQUIRE(bench.observer.latencies.size() == 20);
    for (const auto latency : bench.observer.latencies) CHECK(latency <= 75ms);
}

TEST_CASE("pace: what denies is back before anything else is known of a table that was deleted") {
    Bench bench;
    bench.delete_table();
    bench.reconciler().stirred();
    CHECK((bench.held() == bench.desired().closed_table()));
    CHECK(bench.kernel.commits.size() == 3);  // The table, what hangs in it, and the hook.
    bench.reconciler().disturbed(ResyncReason::drift);
    bench.pass(1s);
    CHECK(bench.observer.last.reason == ResyncReason::drift);
    CHECK(bench.observer.last.repaired.table_added);
    CHECK((bench.held() == bench.desired().table()));
}

TEST_CASE("pace: who deletes the table all the time is answered at the pace of repairs") {
    Bench bench;
    bench.delete_table();
    bench.reconciler().stirred();
    bench.delete_table();
    bench.reconciler().stirred();
    CHECK(bench.kernel.commits.empty());
    bench.reconciler().disturbed(ResyncReason::drift);
    bench.pass(1s);
    CHECK((bench.held() == bench.desired().table()));
}

TEST_CASE("pace: where the table was only changed nothing is committed before it is looked at") {
    Bench bench;
    bench.reconciler().stirred();
    CHECK(bench.kernel.commits.empty());
    CHECK((bench.held() == bench.desired().table()));
}

TEST_CASE("events are gathered until two turns of the loop bring none, and not for long") {
    Gathering gathering;
    Clock::time_point now{};
    CHECK_FALSE(gathering.goes_on(now));
    gathering.add(now);
    CHECK(gathering.goes_on(now));
    CHECK(gathering.goes_on(now));
    CHECK_FALSE(gathering.goes_on(now));
    CHECK_FALSE(gathering.goes_on(now));
    int turns = 0;
    do {
        gathering.add(now);
        now += 1ms;
        ++turns;
    } while (gathering.goes_on(now));
    CHECK(turns == Gathering::kMax / 1ms);
    gathering.add(now);
    gathering.hurry();
    gathering.add(now);  // What comes meanwhile goes along.
    CHECK_FALSE(gathering.goes_on(now));
    gathering.add(now);
    CHECK(gathering.goes_on(now));
}
