// What a change leaves in the kernel that nothing refers to any more, and when it goes.
#include <optional>

#include <catch2/catch.hpp>

#include "controller/desired.hpp"
#include "controller/reconciler.hpp"
#include "nft/fake_kernel.hpp"
#include "nft/plan.hpp"

namespace podfence {
namespace {

using namespace std::chrono_literals;

class WatchedKernel final : public nft::Kernel {
  public:
    nft::Result<nft::Snapshot> dump(const nft::TableId& table) override {
        return kernel_.dump(table);
    }
    nft::Result<std::size_t> commit(const nft::Batch& batch,
                                    std::optional<std::uint32_t> generation) override {
        ++commits;
        return kernel_.commit(batch, generation);
    }
    nft::Result<std::size_t> claim(const nft::TableId& table,
                                   std::optional<std::uint32_t> generation) override {
        return kernel_.claim(table, generation);
    }
    void await_packets() override { ++waits; }
    nft::Hold makes() const override { return kernel_.makes(); }

    int commits = 0;
    int waits = 0;

  private:
    nft::FakeKernel kernel_;
};

/// An agent in sync with a pod that a policy isolates, which comes and goes.
class Scene final : private ReconcilerObserver {
  public:
    Scene() {
        desired_.put(Pod{.name = {"a", "server"},
                         .node = "n1",
                         .phase = PodPhase::running,
                         .addresses = {*nft::Address::parse("10.0.0.1")}});
        desired_.put(policy_);
        reconciler.listed();
        run();
        kernel.commits = 0;
        kernel.waits = 0;
    }
    void delete_policy() {
        desired_.remove_policy(policy_.name);
        change();
    }
    void put_policy() {
        desired_.put(policy_);
        change();
    }
    /// With nothing in common.
    void put_another() {
        NetworkPolicy another = policy_;
        another.name.name = "another";
        another.ingress_rules.front().peers = {IpBlock{*nft::Prefix::parse("192.0.2.0/24")}};
        desired_.put(another);
        change();
    }
    bool is_as_wanted() { return held() == desired_.table(); }
    nft::Table held() { return *kernel.dump(CompileOptions{}.table)->table; }
    /// As the reconciler would do it.
    void tidy_up() { kernel.commit(nft::plan(held(), desired_.table()), std::nullopt).value(); }
    void run() {
        now_ += 1s;
        while (reconciler.wake_at() && *reconciler.wake_at() <= now_) reconciler.step();
    }
    void audit() {
        now_ += 1h;
        run();
    }

    WatchedKernel kernel;
    std::optional<ResyncReport> last_resync;

  private:
    void committed(const CommitReport&) override {}
    void resynced(const ResyncReport& report) override { last_resync = report; }
    void failed(const nft::Error& error, Clock::duration) override { FAIL(to_string(error)); }
    void refused(const ObjectName& policy, const nft::Error&) override { FAIL(to_string(policy)); }

    void change() {
        reconciler.changed(now_);
        run();
        REQUIRE(reconciler.in_sync());
        REQUIRE(reconciler.holds(reconciler.revision()));
    }

    static NetworkPolicy make_policy() {
        NetworkPolicy policy{.name = {"a", "allow"}, .ingress = true};
        policy.ingress_rules.push_back({.peers = {PodPeer{.pods = LabelSelector{}}},
                                        .ports = {PolicyPort{.port = PortRange{80, 80}}}});
        return policy;
    }

    NetworkPolicy policy_ = make_policy();
    Clock::time_point now_{};
    Desired desired_{{.node = "n1"}};

  public:
    Reconciler reconciler{desired_, CompileOptions{}.table,  kernel,
                          *this,    [this] { return now_; }, Reconciler::Limits{}};
};

}  // namespace

TEST_CASE("leavings: a change is in force at once, and deletes when packets have passed") {
    Scene scene;
    CHECK_FALSE(scene.reconciler.take_wait_for_packets());
    scene.delete_policy();
    CHECK(scene.kernel.commits == 1);
    CHECK(scene.held().maps.at("ingress-v4").entries.empty());
    CHECK_FALSE(scene.is_as_wanted());
    CHECK(scene.reconciler.take_wait_for_packets());
    CHECK_FALSE(scene.reconciler.take_wait_for_packets());
    scene.run();
    CHECK_FALSE(scene.is_as_wanted());
    scene.reconciler.packets_passed();
    scene.run();
    CHECK(scene.is_as_wanted());
    CHECK(scene.kernel.commits == 2);
    CHECK(scene.kernel.waits == 0);  // Not on the thread that has other things to do.
}

TEST_CASE("leavings: what comes back before it was deleted is not kept waiting") {
    Scene scene;
    scene.delete_policy();
    SECTION("nobody waits for packets yet") {
        scene.put_policy();
        CHECK_FALSE(scene.reconciler.take_wait_for_packets());
    }
    SECTION("packets have not passed") {
        CHECK(scene.reconciler.take_wait_for_packets());
        scene.put_policy();
        CHECK(scene.is_as_wanted());
        scene.reconciler.packets_passed();  // Those that nobody waits for any more.
        scene.run();
    }
    SECTION("packets have passed") {
        CHECK(scene.reconciler.take_wait_for_packets());
        scene.reconciler.packets_passed();
        scene.put_policy();
    }
    CHECK(scene.is_as_wanted());
    CHECK(scene.kernel.waits == 0);
    CHECK(scene.last_resync->reason == ResyncReason::start);  // Nothing was refused since.
    scene.delete_policy();
    CHECK(scene.reconciler.take_wait_for_packets());
}

TEST_CASE("leavings: what somebody else has deleted keeps no change back") {
    Scene scene;
    scene.delete_policy();
    CHECK(scene.reconciler.take_wait_for_packets());
    scene.tidy_up();
    SECTION("heard of in time") {
        scene.reconciler.disturbed(ResyncReason::drift);
        scene.reconciler.packets_passed();
        scene.run();
        CHECK(scene.last_resync->reason == ResyncReason::drift);
        CHECK(scene.last_resync->operations == 0);
        scene.put_another();
    }
    SECTION("not heard of") {
        scene.reconciler.packets_passed();
        scene.run();
        CHECK(scene.reconciler.in_sync());
        CHECK(scene.last_resync->reason == ResyncReason::audit);
        CHECK(scene.last_resync->operations == 0);
    }
    CHECK(scene.is_as_wanted());
}

TEST_CASE("leavings: another change does not wait, and takes along what may go") {
    Scene scene;
    scene.delete_policy();
    CHECK(scene.reconciler.take_wait_for_packets());
    SECTION("packets have passed") {
        scene.reconciler.packets_passed();
        scene.put_another();
        CHECK(scene.kernel.commits == 3);  // What is new goes with what is left.
        CHECK(scene.is_as_wanted());
    }
    SECTION("they have not") {
        scene.put_another();
        CHECK_FALSE(scene.is_as_wanted());
        scene.reconciler.packets_passed();
        scene.run();
        CHECK(scene.is_as_wanted());
    }
    CHECK(scene.kernel.waits == 0);
}

TEST_CASE("leavings: an audit does not take them for somebody's doing") {
    Scene scene;
    scene.delete_policy();
    scene.audit();
    REQUIRE(scene.last_resync);
    CHECK(scene.last_resync->reason == ResyncReason::audit);
    CHECK(scene.last_resync->operations == 0);
    CHECK(scene.is_as_wanted());
    CHECK_FALSE(scene.reconciler.take_wait_for_packets());
}

}  // namespace podfence
