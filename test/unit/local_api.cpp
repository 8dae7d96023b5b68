// What the agent tells on its node, with a fake agent behind it.
#include "controller/local_api.hpp"

#include <string>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/fake_agent.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

struct Bench {
    Bench() {
        REQUIRE(api.listen_unix(directory.path() + "/podfence.sock").has_value());
        REQUIRE(api.listen_tcp("127.0.0.1:0").has_value());
        agent.now = example_status(AgentState::synced);
    }
    std::string request(const std::string& target) const {
        return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    }
    HttpPeer local() { return {io, directory.path() + "/podfence.sock"}; }
    HttpPeer tcp() { return {io, api.port()}; }
    std::string ask(const std::string& target) { return local().ask(request(target)); }
    std::string ask_tcp(const std::string& target) { return tcp().ask(request(target)); }

    TemporaryDirectory directory{};
    boost::asio::io_context io{};
    FakeAgent agent{};
    Metrics metrics{"1.2.3"};
    LocalApi api{io, agent, metrics};
};

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

}  // namespace

TEST_CASE("the status is JSON, on the unix socket only", "[local_api]") {
    Bench bench;
    const std::string answer = bench.ask("/v1/status");
    CHECK(status_of(answer) == "200 OK");
    CHECK(boost::json::parse(body_of(answer)).at("node") == "node-a");
    CHECK(status_of(bench.ask_tcp("/v1/status")) == "404 Not Found");
    CHECK(status_of(bench.ask_tcp("/v1/objects")) == "404 Not Found");
    CHECK(status_of(bench.ask("/metrics")) == "404 Not Found");
    CHECK(status_of(bench.ask("/v2")) == "404 Not Found");
}

TEST_CASE("readiness follows enforcement and says why it is missing", "[local_api]") {
    Bench bench;
    CHECK(status_of(bench.ask_tcp("/healthz")) == "200 OK");
    CHECK(status_of(bench.ask_tcp("/readyz")) == "200 OK");
    bench.agent.not_guarded = "sources are not proved";
    const std::string unguarded = bench.ask_tcp("/readyz");
    CHECK(status_of(unguarded) == "503 Service Unavailable");
    CHECK(body_of(unguarded) == "sources are not proved\n");
    bench.agent.not_guarded.clear();
    bench.agent.now = example_status(AgentState::waiting);
    CHECK(status_of(bench.ask_tcp("/healthz")) == "200 OK");
    const std::string unready = bench.ask_tcp("/readyz");
    CHECK(status_of(unready) == "503 Service Unavailable");
    CHECK(body_of(unready) ==
          "waiting for the list of pods, namespaces and networkpolicies from "
          "https://10.96.0.1:443 (in-cluster): connection refused\n");
}

TEST_CASE("metrics are served as Prometheus wants them", "[local_api]") {
    Bench bench;
    const std::string answer = bench.ask_tcp("/metrics");
    CHECK(status_of(answer) == "200 OK");
    CHECK(answer.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
    CHECK(body_of(answer).find("\npodfence_synced 1\n") != std::string::npos);
}

TEST_CASE("who waits for sync is answered when it comes, not by asking", "[local_api]") {
    Bench bench;
    bench.agent.now = example_status(AgentState::waiting);
    const HttpPeer peer = bench.local();
    Talk talk = peer.begin(bench.request("/v1/status?wait=synced&timeout_ms=60000"));
    CHECK_FALSE(talk.run_until([&] { return talk.closed(); }, 20ms));
    bench.api.changed();  // Something else happens.
    CHECK_FALSE(talk.run_until([&] { return talk.closed(); }, 20ms));
    CHECK(bench.agent.asked == 0);
    bench.agent.now = example_status(AgentState::synced);
    bench.api.changed();
    REQUIRE(talk.run_until([&] { return talk.closed(); }));
    CHECK(boost::json::parse(body_of(talk.received())).at("in_sync") == true);
    CHECK(bench.agent.asked == 1);
}

TEST_CASE("who waits for sync is answered in time when it does not come", "[local_api]") {
    Bench bench;
    bench.agent.now = example_status(AgentState::waiting);
    const auto start = std::chrono::steady_clock::now();
    const std::string answer = bench.ask("/v1/status?wait=synced&timeout_ms=50");
    CHECK(std::chrono::steady_clock::now() - start >= 50ms);
    CHECK(boost::json::parse(body_of(answer)).at("in_sync") == false);
    CHECK(status_of(bench.ask("/v1/status?wait=synced&timeout_ms=-1")) == "400 Bad Request");
    CHECK(status_of(bench.ask("/v1/status?wait=synced&timeout_ms=1x")) == "400 Bad Request");
    CHECK(status_of(bench.ask("/v1/status?wait=rain")) == "400 Bad Request");
}

TEST_CASE("a watcher gets a line at once, and few for many changes", "[local_api]") {
    Bench bench;
    const HttpPeer peer = bench.local();
    Talk talk = peer.begin(bench.request("/v1/status/watch"));
    const auto lines = [&] {
        return talk.received().find("\r\n\r\n") == std::string::npos
                   ? std::vector<std::string>{}
                   : lines_of(body_of(talk.received()));
    };
    REQUIRE(talk.run_until([&] { return lines().size() == 1; }));
    for (int i = 0; i < 1000; ++i) {
        bench.agent.now.rss_bytes = static_cast<std::size_t>(i);
        bench.api.changed();
    }
    REQUIRE(talk.run_until([&] { return lines().size() == 2; }));
    CHECK(boost::json::parse(lines()[1]).at("rss_bytes") == 999);
    CHECK(bench.agent.asked == 2);
    CHECK_FALSE(talk.run_until([&] { return lines().size() > 2; }, 300ms));
}

TEST_CASE("the cluster is served so that the loader reads it back", "[local_api]") {
    Bench bench;
    // More than one piece, so that the list is told in parts.
    for (int i = 0; i < 2000; ++i) {
        bench.agent.known.put(
            pod("shop/p" + std::to_string(i),
                "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1))
                .labels("app=web"));
    }
    bench.agent.known.put(ns("shop", "team=a"));
    bench.agent.known.put(policy("shop/p").ingress(rule().peer(pods("app=web")).port(80)));
    const Loaded loaded = load_text("", body_of(bench.ask("/v1/objects")));
    CAPTURE(all_problems(loaded));
    CHECK_FALSE(loaded.unreadable);
    CHECK(loaded.problems.empty());
    CHECK(without_positions(loaded.cluster) == without_positions(bench.agent.known));

    bench.agent.known = {};
    const Loaded empty = load_text("", body_of(bench.ask("/v1/objects")));
    CHECK_FALSE(empty.unreadable);
    CHECK(empty.objects == 0);
}

TEST_CASE("the cluster may change while it is served", "[local_api]") {
    Bench bench;
    for (int i = 0; i < 2000; ++i) bench.agent.known.put(pod("shop/p" + std::to_string(i)));
    const HttpPeer peer = bench.local();
    Talk talk = peer.begin(bench.request("/v1/objects"));
    REQUIRE(talk.run_until([&] { return talk.received().size() > 10'000; }));
    bench.agent.known = {};
    REQUIRE(talk.run_until([&] { return talk.closed(); }));
    const Loaded loaded = load_text("", body_of(talk.received()));
    CHECK_FALSE(loaded.unreadable);
    CHECK(loaded.objects > 0);
    CHECK(loaded.objects < 2000);
}

TEST_CASE("names are served by prefix, and not without end", "[local_api]") {
    Bench bench;
    bench.agent.known =
        cluster(ns("shop"), ns("shopping"), ns("monitoring"), pod("shop/db"), pod("shop/db-2"),
                pod("shop/web"), pod("shopping/db"), policy("shop/deny").ingress());
    const auto names = [&](const std::string& query) {
        return body_of(bench.ask("/v1/names?kind=" + query));
    };
    CHECK(names("pod") == "shop/db\nshop/db-2\nshop/web\nshopping/db\n");
    CHECK(names("pod&prefix=shop/d") == "shop/db\nshop/db-2\n");
    CHECK(names("pod&prefix=shopp") == "shopping/db\n");
    CHECK(names("pod&prefix=shop%2Fw") == "shop/web\n");
    CHECK(names("pod&prefix=x").empty());
    CHECK(names("policy&prefix=shop/") == "shop/deny\n");
    CHECK(names("namespace&prefix=shop") == "shop\nshopping\n");
    CHECK(status_of(bench.ask("/v1/names?kind=secret")) == "400 Bad Request");
    CHECK(status_of(bench.ask("/v1/names")) == "400 Bad Request");

    for (int i = 0; i < 3000; ++i) bench.agent.known.put(pod("many/p" + std::to_string(i)));
    CHECK(lines_of(names("pod&prefix=many/")).size() == LocalApi::kNamesMax);
}
