// What the agent answers to the CNI plugin: not before the kernel holds what it promises.
#include "controller/cni_api.hpp"

#include <set>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/desired.hpp"
#include "nft/fake_kernel.hpp"
#include "test/support/builders.hpp"
#include "test/support/fake_agent.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

/// The agent without its edges: the reconciler works when it is told to.
class Bench final : public ReconcilerObserver, public Sink {
  public:
    Bench() {
        REQUIRE(server.listen_unix(directory.path() + "/socket").has_value());
        agent.now = example_status(AgentState::waiting);
        attached.put(ns("a"), {});
        attached.put(NetworkPolicy(policy("a/deny").ingress()), {});
    }

    // Of the sink and the observer: as the agent does it.
    void put(Object object, std::vector<Problem>) override {
        std::visit([this](auto&& value) { desired.put(std::move(value)); }, std::move(object));
        reconciler.changed(Clock::now());
    }
    void remove(Kind kind, const ObjectName& name) override {
        if (kind == Kind::pod) desired.remove_pod(name);
        if (kind == Kind::policy) desired.remove_policy(name);
        reconciler.changed(Clock::now());
    }
    void listed(Kind) override {}
    void trouble(Kind, const Trouble&) override {}
    void recovered(Kind) override {}
    void problems(std::vector<Problem>) override {}
    void committed(const CommitReport&) override {}
    void resynced(const ResyncReport&) override {}
    void failed(const nft::Error&, Clock::duration) override {}
    void refused(const ObjectName&, const nft::Error&) override {}

    void sync() {
        reconciler.listed();
        work();
        REQUIRE(reconciler.in_sync());
    }
    void work() {
        reconciler.step();
        server.wake();
    }
    Talk post(const std::string& target, const boost::json::value& body) {
        const std::string text = boost::json::serialize(body);
        return HttpPeer(io, directory.path() + "/socket")
            .begin("POST /v1/cni/" + target + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                   std::to_string(text.size()) + "\r\n\r\n" + text);
    }
    std::string state(Talk talk) {
        REQUIRE(talk.run_until([&] { return talk.closed(); }));
        if (!talk.received().starts_with("HTTP/1.1 200")) return status_of(talk.received());
        return boost::json::value_to<std::string>(
            boost::json::parse(body_of(talk.received())).at("state"));
    }
    /// Whether the agent has heard of this many attachments.
    bool has_heard_of(std::size_t count, Talk& talk) {
        return talk.run_until([&] { return attached.attachments().size() == count; });
    }
    bool is_waiting(Talk& talk) {
        return !talk.run_until([&] { return talk.closed(); }, 20ms);
    }
    std::size_t dispatched() {
        const auto held = kernel.dump({});
        REQUIRE(held.has_value());
        std::size_t count = 0;
        if (!held->table) return 0;
        for (const auto& [name, map] : held->table->maps) {
            if (name.starts_with("ingress-")) count += map.entries.size();
        }
        return count;
    }

    TemporaryDirectory directory{};
    boost::asio::io_context io{};
    nft::FakeKernel kernel{};
    Desired desired{{.node = "n1"}};
    Reconciler reconciler{desired, {}, kernel, *this, [] { return Clock::now(); }, {}};
    AttachedPods attached{*this, "n1"};
    FakeAgent agent{};
    CniApi api{attached, reconciler, agent};
    HttpServer server{io,
                      [this](const HttpRequest& request) { return api.answer(request); },
                      {.body_bytes = 65536}};
};

/// Holds what it was told of when the test says so.
class SlowGuard final : public LinkGuard {
  public:
    void told(const Attachment& attachment) override {
        ++told_until;
        known.insert(attachment.key);
    }
    void untold(const AttachmentKey& key) override { known.erase(key); }
    std::uint64_t revision() const override { return told_until; }
    bool holds(std::uint64_t revision) const override { return revision <= held_until; }
    std::string trouble() const override { return "the guard is slow"; }

    std::uint64_t told_until = 0;
    std::uint64_t held_until = 0;
    std::set<AttachmentKey> known{};
};

Attachment example(const std::string& container = "c1") {
    return {.key = {.network = "net", .container = container, .interface = "eth0"},
            .pod = name("a/p"),
            .uid = "u",
            .addresses = {ip("10.0.0.1")}};
}

}  // namespace

TEST_CASE("add is answered when the kernel holds the pod's rules, not before", "[cni_api]") {
    Bench bench;
    bench.attached.put(Pod(pod("a/p").uid("u")), {});
    bench.sync();
    Talk talk = bench.post("add?timeout_ms=60000", encode(example()));
    REQUIRE(bench.has_heard_of(1, talk));
    CHECK(bench.is_waiting(talk));
    bench.server.wake();
    CHECK(bench.is_waiting(talk));
    CHECK(bench.dispatched() == 0);
    bench.work();
    CHECK(bench.state(talk) == "enforced");
    CHECK(bench.dispatched() == 1);
    CHECK(bench.state(bench.post("check", encode(example()))) == "enforced");
}

TEST_CASE("add waits for the rules of the pod's interface as well", "[cni_api]") {
    Bench bench;
    SlowGuard guard;
    bench.api.guard_by(guard);
    bench.attached.put(Pod(pod("a/p").uid("u")), {});
    bench.sync();
    Talk talk = bench.post("add?timeout_ms=60000", encode(example()));
    REQUIRE(bench.has_heard_of(1, talk));
    bench.work();
    CHECK(bench.dispatched() == 1);
    CHECK(guard.known.contains(example().key));
    CHECK(bench.is_waiting(talk));
    CHECK(bench.state(bench.post("check", encode(example()))) == "waiting");
    Talk in_vain = bench.post("add?timeout_ms=20", encode(example()));
    REQUIRE(in_vain.run_until([&] { return in_vain.closed(); }));
    CHECK(body_of(in_vain.received()).find("the guard is slow") != std::string::npos);
    guard.held_until = guard.told_until;
    bench.server.wake();
    CHECK(bench.state(talk) == "enforced");
    CHECK(bench.state(bench.post("check", encode(example()))) == "enforced");
    CHECK(bench.state(bench.post("del", encode(example().key))) == "done");
    CHECK(guard.known.empty());
}

TEST_CASE("the guard is told what is not valid any more", "[cni_api]") {
    Bench bench;
    SlowGuard guard;
    guard.held_until = 100;
    bench.api.guard_by(guard);
    bench.sync();
    for (const char* container : {"c1", "c2"}) {
        Attachment one = example(container);
        one.addresses = {ip(container == std::string("c1") ? "10.0.0.1" : "10.0.0.2")};
        bench.state(bench.post("add?timeout_ms=1", encode(one)));
    }
    CHECK(guard.known.size() == 2);
    CHECK(bench.state(bench.post(
              "gc", {{"network", "net"}, {"valid", {encode(example("c2").key)}}})) == "done");
    CHECK(guard.known == std::set{example("c2").key});
}

TEST_CASE("add waits for an agent that is not in sync yet, or is told so", "[cni_api]") {
    Bench bench;
    bench.attached.put(Pod(pod("a/p").uid("u")), {});
    CHECK(bench.state(bench.post("add?timeout_ms=60000&patient=no", encode(example()))) ==
          "waiting");
    CHECK(bench.state(bench.post("add?timeout_ms=20", encode(example()))) == "waiting");
    Talk talk = bench.post("add?timeout_ms=60000", encode(example()));
    REQUIRE(bench.has_heard_of(1, talk));
    CHECK(bench.is_waiting(talk));
    bench.sync();
    CHECK(bench.state(talk) == "enforced");
    CHECK(bench.dispatched() == 1);
}

TEST_CASE("a pod that is not known yet is isolated, and waited for a moment", "[cni_api]") {
    Bench bench;
    bench.sync();
    Talk talk = bench.post("add?timeout_ms=60000", encode(example()));
    REQUIRE(bench.has_heard_of(1, talk));
    CHECK(bench.is_waiting(talk));
    bench.work();
    CHECK(bench.dispatched() == 1);
    CHECK(bench.is_waiting(talk));
    bench.attached.put(Pod(pod("a/p").uid("u")), {});
    CHECK(bench.is_waiting(talk));
    bench.work();
    CHECK(bench.state(talk) == "enforced");

    Attachment unknown = example("c2");
    unknown.pod = name("a/unknown");
    unknown.addresses = {ip("10.0.0.2")};
    Talk in_vain = bench.post("add?timeout_ms=300", encode(unknown));
    REQUIRE(bench.has_heard_of(2, in_vain));
    bench.work();
    CHECK(bench.state(in_vain) == "held");
    CHECK(bench.state(bench.post("check", encode(unknown))) == "held");
    CHECK(bench.dispatched() == 2);
}

TEST_CASE("del takes back what add told, also while add waits", "[cni_api]") {
    Bench bench;
    bench.sync();
    Talk talk = bench.post("add?timeout_ms=60000", encode(example()));
    REQUIRE(bench.has_heard_of(1, talk));
    CHECK(bench.is_waiting(talk));
    CHECK(bench.state(bench.post("del", encode(example().key))) == "done");
    bench.work();
    CHECK(bench.state(talk) == "absent");
    CHECK(bench.dispatched() == 0);
    CHECK(bench.state(bench.post("del", encode(example().key))) == "done");
    CHECK(bench.state(bench.post("check", encode(example()))) == "absent");
}

TEST_CASE("check compares the addresses, gc keeps what is valid", "[cni_api]") {
    Bench bench;
    bench.attached.put(Pod(pod("a/p").uid("u")), {});
    bench.sync();
    REQUIRE(bench.attached.attach(example("c1")));
    Attachment moved = example("c1");
    moved.addresses.push_back(ip("fd00::9"));
    CHECK(bench.state(bench.post("check", encode(example("c1")))) == "waiting");
    bench.work();
    CHECK(bench.state(bench.post("check", encode(example("c1")))) == "enforced");
    CHECK(bench.state(bench.post("check", encode(moved))) == "absent");
    const auto gc = [&](boost::json::array valid) {
        return bench.state(bench.post("gc", {{"network", "net"}, {"valid", std::move(valid)}}));
    };
    CHECK(gc({encode(example("c1").key), encode(example("c9").key)}) == "done");
    CHECK(bench.attached.attachments().size() == 1);
    CHECK(gc({}) == "done");
    CHECK(bench.attached.attachments().empty());
}

TEST_CASE("what the plugin would not say is refused", "[cni_api]") {
    Bench bench;
    CHECK(bench.state(bench.post("add", encode(example()))) == "400 Bad Request");
    CHECK(bench.state(bench.post("add?timeout_ms=1x", encode(example()))) == "400 Bad Request");
    CHECK(bench.state(bench.post("add?timeout_ms=1", {{"network", "a/b"}})) == "400 Bad Request");
    CHECK(bench.state(bench.post("del", "x")) == "400 Bad Request");
    CHECK(bench.state(bench.post("gc", {{"network", "net"}, {"valid", {1}}})) == "400 Bad Request");
    CHECK(bench.state(bench.post("gc", {{"network", 1}})) == "400 Bad Request");
    CHECK(bench.state(bench.post("nothing", {})) == "404 Not Found");
    CHECK(bench.state(bench.post("add?timeout_ms=1", boost::json::string(70'000, 'x'))) ==
          "413 Payload Too Large");
    CHECK(bench.attached.attachments().empty());
    const HttpPeer peer(bench.io, bench.directory.path() + "/socket");
    CHECK(status_of(peer.ask("GET /v1/cni/add?timeout_ms=1 HTTP/1.1\r\nHost: x\r\n\r\n")) ==
          "405 Method Not Allowed");
    CHECK(body_of(peer.ask("GET /v1/cni/status HTTP/1.1\r\nHost: x\r\n\r\n"))
              .starts_with(R"({"state":"waiting")"));
    bench.sync();
    CHECK(body_of(peer.ask("GET /v1/cni/status HTTP/1.1\r\nHost: x\r\n\r\n"))
              .starts_with(R"({"state":"ready")"));
}
