// The event loop of an agent around a reconciler: nobody but the Waker tells when it is due.
#include "controller/waker.hpp"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

#include "controller/desired.hpp"
#include "nft/fake_kernel.hpp"

namespace podfence {
namespace {

using namespace std::chrono_literals;

class Loop final : private ReconcilerObserver {
  public:
    Loop() {
        desired.put(Pod{.name = {"a", "server"},
                        .node = "n1",
                        .phase = PodPhase::running,
                        .addresses = {*nft::Address::parse("10.0.0.1")}});
        desired.put(NetworkPolicy{.name = {"a", "deny"}, .ingress = true});
        reconciler_.listed();
        schedule();
    }

    void change() {
        reconciler_.changed(Clock::now());
        schedule();
    }
    bool is_as_wanted() { return kernel_.dump(CompileOptions{}.table)->table == desired.table(); }
    /// False: it does not come to that.
    bool comes_to_it() {
        const auto until = Clock::now() + 20s;
        while (!is_as_wanted() && Clock::now() < until) io_.run_one_for(100ms);
        return is_as_wanted();
    }

    Desired desired{{.node = "n1"}};

  private:
    void committed(const CommitReport&) override {}
    void resynced(const ResyncReport&) override {}
    void failed(const nft::Error& error, Clock::duration) override { FAIL(to_string(error)); }
    void refused(const ObjectName& policy, const nft::Error&) override { FAIL(to_string(policy)); }

    void schedule() {
        boost::asio::post(io_, [this] {
            reconciler_.step();
            waker_.sleep();
        });
    }

    boost::asio::io_context io_{1};
    nft::FakeKernel kernel_;
    Reconciler reconciler_{desired, CompileOptions{}.table,      kernel_,
                           *this,   [] { return Clock::now(); }, Reconciler::Limits{}};
    Waker waker_{io_, reconciler_, [this] { schedule(); }};
};

}  // namespace

TEST_CASE("a loop deletes what a change has left, when packets have passed") {
    Loop loop;
    REQUIRE(loop.comes_to_it());
    loop.desired.remove_policy({"a", "deny"});
    loop.change();
    CHECK(loop.comes_to_it());
    loop.desired.put(NetworkPolicy{.name = {"a", "deny"}, .ingress = true});
    loop.change();
    CHECK(loop.comes_to_it());
}

TEST_CASE("a loop may end while packets are waited for") {
    Loop loop;
    REQUIRE(loop.comes_to_it());
    loop.desired.remove_policy({"a", "deny"});
    loop.change();
}

}  // namespace podfence
