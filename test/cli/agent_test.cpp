// Commands that ask the agent: as if its objects had been given with -f; and what they say when
// there is none.
#include <array>
#include <fstream>
#include <memory>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/stat.h>

#include "controller/manifest_source.hpp"
#include "test/cli/cli.hpp"
#include "test/support/fake_agent.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace std::chrono_literals;
using test::contains;
using test::run_podfence;

namespace {

Cluster shop() {
    return load_text("shop.yaml", test::kShop).cluster;
}

/// podfence with this agent's socket.
lab::Finished ask(const test::ServedAgent& agent, test::Arguments arguments) {
    return run_podfence(arguments, {}, {"PODFENCE_SOCKET=" + agent.socket()});
}

}  // namespace

TEST_CASE("without -f the agent is asked, and the answers are the same", "[cli]") {
    const test::ServedAgent agent(test::example_status(AgentState::synced), shop());
    for (const test::Arguments& question : std::vector<test::Arguments>{
             {"explain", "--from", "shop/backend", "--to", "shop/db", "--port", "5432"},
             {"explain", "--from", "shop/frontend", "--to", "shop/db", "--port", "5432"},
             {"matrix"},
             {"matrix", "-o", "json", "--port", "5432"},
             {"dump"},
             {"dump", "--pod", "shop/db"},
             {"dump", "-o", "nft"},
         }) {
        CAPTURE(question);
        test::Arguments offline = question;
        offline.insert(offline.end(), {"-f", "-"});
        const auto by_file = run_podfence(offline, test::kShop);
        const auto by_agent = ask(agent, question);
        CHECK(by_agent.status == by_file.status);
        CHECK(by_agent.err == by_file.err);
        // But for the lines that say where in the file something is.
        if (question.front() != "explain") CHECK(by_agent.out == by_file.out);
        if (question.front() == "explain") {
            CHECK(by_agent.out.substr(0, 40) == by_file.out.substr(0, 40));
            CHECK_FALSE(contains(by_agent.out, "()"));
        }
    }
}

TEST_CASE("the agent's own choices count, unless others are given", "[cli]") {
    AgentStatus status = test::example_status(AgentState::synced);
    status.node = "node-b";
    status.rules.counters = true;
    status.rules.log_group = 7;
    status.rules.pod_to_node_enforced = true;
    status.rules.connmark_bit = 5;
    status.rules.deny_with = DenyWith::reject;
    status.rules.table.name = "podfence-b";
    status.rules.priority = -5;
    status.unknown_pods = {.hold = true, .ranges = {*Prefix::parse("10.1.0.0/24")}};
    const test::ServedAgent agent(status, shop());
    const auto as_agent = ask(agent, {"dump", "-o", "nft"});
    CHECK(as_agent.out ==
          run_podfence({"dump", "-o", "nft", "-f", "-", "--node", "node-b", "--counters",
                        "--log-group=7", "--pod-to-node=enforce", "--connmark-bit=5",
                        "--deny-with=reject", "--table-name=podfence-b", "--hook-priority=-5",
                        "--unknown-pods", "hold", "--pod-cidr", "10.1.0.0/24"},
                       test::kShop)
              .out);
    const auto other =
        ask(agent, {"dump", "-o", "nft", "--node", "node-a", "--pod-to-node", "allow"});
    CHECK(other.out != as_agent.out);
    CHECK(contains(other.out, "10.1.0.4"));
    CHECK(contains(other.out, "table inet podfence-b {"));
    CHECK(contains(other.out, "hook forward priority filter - 5;"));
    CHECK(contains(other.out, "reject with icmpx admin-prohibited"));
    CHECK_FALSE(contains(ask(agent, {"dump", "-o", "nft", "--deny-with", "drop"}).out, "icmpx"));
    CHECK(contains(ask(agent, {"dump", "-o", "nft", "--table-name", "podfence"}).out,
                   "table inet podfence {"));
    CHECK(contains(other.out, "ct mark & 0x00000020 == 0x00000020 goto revoked"));
    CHECK(contains(other.out, "unknown-egress"));
    const auto open = ask(agent, {"dump", "-o", "nft", "--unknown-pods", "allow"});
    CHECK_FALSE(contains(open.out, "unknown-egress"));
    const auto kept = ask(agent, {"dump", "-o", "nft", "--established", "keep"});
    CHECK_FALSE(contains(kept.out, "revoked"));
    status.rules.connmark_bit.reset();
    const test::ServedAgent keeper(status, shop());
    CHECK(ask(keeper, {"dump", "-o", "nft"}).out == kept.out);
    CHECK(contains(ask(keeper, {"dump", "-o", "nft", "--established", "cut"}).out,
                   "ct mark & 0x10000000 == 0x10000000 goto revoked"));
}

TEST_CASE("an agent that does not know the cluster yet is no input", "[cli]") {
    const test::ServedAgent agent(test::example_status(AgentState::waiting), shop());
    const auto run = ask(agent, {"matrix"});
    CHECK(run.status == 3);
    CHECK(run.out.empty());
    CHECK(contains(run.err, "does not know the cluster yet: waiting for the list of pods"));
    CHECK(contains(run.err, "podfence status --wait"));
}

TEST_CASE("an agent that lost its source is believed, with a warning", "[cli]") {
    AgentStatus status = test::example_status(AgentState::synced);
    status.sources[0].error = "connection refused";
    const test::ServedAgent agent(status, shop());
    const auto run = ask(agent, {"matrix"});
    CHECK(run.status == 0);
    CHECK(contains(run.err, "goes by what it knew last: connection refused"));
}

TEST_CASE("without -f and without an agent the status is 3, and what to do is said", "[cli]") {
    const std::vector<std::string> nobody{"PODFENCE_SOCKET=/does/not/exist.sock"};
    for (const test::Arguments& question : std::vector<test::Arguments>{
             {"explain", "--from", "a/b", "--to", "c/d"}, {"matrix"}, {"dump"}, {"diff"}}) {
        CAPTURE(question);
        const auto run = run_podfence(question, {}, nobody);
        CHECK(run.status == 3);
        CHECK(run.out.empty());
        CHECK(contains(run.err, "no agent answers on this node (/does/not/exist.sock"));
        CHECK(contains(run.err, "-f PATH"));
    }
    const auto run = run_podfence({"status"}, {}, nobody);
    CHECK(run.status == 3);
    CHECK(run.out.empty());
    CHECK_FALSE(contains(run.err, "-f PATH"));
}

TEST_CASE("whoever speaks something else on the socket is not believed", "[cli]") {
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/s";
    boost::asio::io_context io;
    boost::asio::local::stream_protocol::acceptor acceptor(io, {path});
    std::thread stranger([&] {
        auto socket = acceptor.accept();
        std::array<char, 1000> request{};
        socket.read_some(boost::asio::buffer(request));
        boost::asio::write(socket, boost::asio::buffer(std::string_view("SSH-2.0\r\n\r\n")));
    });
    const auto run = run_podfence({"status", "--socket", path});
    stranger.join();
    CHECK(run.status == 3);
    CHECK(contains(run.err, "speaks no HTTP"));
}

TEST_CASE("status says first whether the node enforces", "[cli]") {
    const test::ServedAgent agent(test::example_status(AgentState::synced), shop());
    const auto run = ask(agent, {"status"});
    CHECK(run.status == 0);
    CHECK(run.err.empty());
    CHECK(run.out.starts_with("node node-a: ENFORCING, in sync for 3 h 12 min\n"));
    for (const char* part :
         {"podfence 1.2.3, process ", "https://10.96.0.1:443 (in-cluster)",
          "watching, heard 2 s ago", "12 s ago: 3 operations, 212 us from event to kernel",
          "drift       none seen"}) {
        CAPTURE(part, run.out);
        CHECK(contains(run.out, part));
    }
    CHECK(test::json_of(ask(agent, {"status", "-o", "json"})).at("in_sync") == true);
}

TEST_CASE("status tells of everything amiss", "[cli]") {
    AgentStatus status = test::example_status(AgentState::failing);
    status.failure = KernelFailure{.error = "commit: Invalid argument",
                                   .since = status.now - 90s,
                                   .next_attempt = status.now + 5s,
                                   .attempts = 4};
    status.policies.add({.policy = {.ns = "shop", .name = "db"},
                         .problems = {.list = {{.field = "spec.ingress[0]",
                                                .message = "is \x1b[2J a string",
                                                .remedy = "mend it"}}}},
                        kPoliciesInTroubleMax);
    status.pods.unenforced.add({.pod = {.ns = "kube-system", .name = "proxy"},
                                .reason = "hostNetwork",
                                .text = "it is on its node's network"},
                               kPodsInTroubleMax);
    status.history.add(ResyncRecord{.at = status.now - 240s,
                                    .reason = "drift",
                                    .operations = 2,
                                    .repaired = "2 elements added",
                                    .culprit = "nft",
                                    .culprit_pid = 77});
    status.input.add({.pos = {.file = "a.yaml", .line = 3}, .message = "cannot be read"}, 9);
    const test::ServedAgent agent(status);
    const auto run = ask(agent, {"status"});
    CHECK(run.status == 1);
    CHECK(
        run.out.starts_with("node node-a: NOT IN SYNC for 1 min: the kernel does not take the "
                            "rules: commit: Invalid argument\n"));
    for (const char* part :
         {"what the kernel held before goes on being enforced; 4 attempts, the next in 5 s",
          "repaired 1 time (1 by drift)", "4 min ago: 2 elements added, changed by nft (pid 77)",
          "1 policy not enforced as written", "spec.ingress[0]: is \\x1b[2J a string (mend it)",
          "kube-system/proxy: it is on its node's network", "a.yaml: cannot be read"}) {
        CAPTURE(part, run.out);
        CHECK(contains(run.out, part));
    }
}

TEST_CASE("status --wait is answered when the agent is in sync", "[cli]") {
    test::ServedAgent agent(test::example_status(AgentState::waiting));
    const auto late = ask(agent, {"status", "--wait", "--timeout", "0.05"});
    CHECK(late.status == 1);
    CHECK(late.out.starts_with("node node-a: NOT IN SYNC: waiting for the list of pods"));

    // The agent syncs while somebody waits: as soon as that one has asked, or before.
    agent.change(
        [](test::FakeAgent& fake) { fake.now = test::example_status(AgentState::synced); });
    const auto run = ask(agent, {"status", "--wait", "--timeout", "60"});
    CHECK(run.status == 0);
    CHECK(run.out.starts_with("node node-a: ENFORCING"));
}

TEST_CASE("status --wait waits for an agent to be started, and says so on a terminal", "[cli]") {
    const test::TemporaryDirectory directory;
    // Neither the socket nor its directory is there yet.
    const std::string socket = directory.path() + "/run/podfence/podfence.sock";
    const auto in_vain =
        run_podfence({"status", "--wait", "--timeout", "0.05", "--socket", socket});
    CHECK(in_vain.status == 3);
    CHECK(contains(in_vain.err, "no agent answers on this node"));
    CHECK_FALSE(contains(in_vain.err, "waiting"));

    const std::string said = directory.path() + "/said";
    REQUIRE(::mkfifo(said.c_str(), 0600) == 0);
    lab::Finished run;
    std::thread waiting([&] {
        run = test::shell(R"(bash -c 'exec 3< <(script -qec "$PODFENCE status --wait --socket )" +
                          socket + R"(" /dev/null); read -r line <&3; echo "$line" > )" + said +
                          "; cat <&3'");
    });
    std::string line;
    std::getline(std::ifstream(said) >> std::ws, line);
    CAPTURE(line);
    CHECK(line.starts_with("waiting for an agent to listen on " + socket + ", at most 1 min"));
    {
        const test::ServedAgent agent(test::example_status(AgentState::synced), {}, socket);
        waiting.join();
    }
    CHECK(run.status == 0);
    CHECK(contains(run.out, "ENFORCING"));
}

TEST_CASE("status --watch prints a line for every change", "[cli]") {
    test::ServedAgent agent(test::example_status(AgentState::waiting));
    const auto run = test::shell("$PODFENCE status --watch --socket " + agent.socket() +
                                 " | { read -r line; echo \"$line\"; }");
    CHECK(run.out.starts_with("NOT IN SYNC: waiting for the list of pods"));
}

TEST_CASE("apply refuses beside a running agent, unless forced", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile manifests(test::kShop);
    {
        const test::ServedAgent agent(test::example_status(AgentState::synced));
        const auto refused = ask(agent, {"apply", "-f", manifests.path()});
        CHECK(refused.status == 2);
        CHECK(contains(refused.err, "an agent keeps the rules of this node"));
        CHECK(contains(refused.err, "--force"));
        CHECK(run_podfence({"dump", "--live"}).status == 1);  // Nothing was done.
        CHECK(ask(agent, {"apply", "-f", manifests.path(), "--dry-run"}).status == 0);
        CHECK(ask(agent, {"apply", "-f", manifests.path(), "--force"}).status == 0);
    }
    AgentStatus elsewhere = test::example_status(AgentState::synced);
    elsewhere.netns += 1;  // Another network namespace's rules.
    const test::ServedAgent agent(elsewhere);
    CHECK(ask(agent, {"apply", "-f", manifests.path()}).status == 0);
}

TEST_CASE("cleanup refuses beside a running agent, unless forced", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile manifests(test::kShop);
    REQUIRE(run_podfence({"apply", "-f", manifests.path()}).status == 0);
    const auto is_there = [] { return contains(test::run_shell("nft list tables"), "podfence"); };
    {
        const test::ServedAgent agent(test::example_status(AgentState::synced));
        const auto refused = ask(agent, {"cleanup"});
        CHECK(refused.status == 2);
        CHECK(contains(refused.err, "an agent keeps the rules of this node"));
        CHECK(contains(refused.err, "--force"));
        CHECK(is_there());
        CHECK(ask(agent, {"cleanup", "--dry-run"}).status == 0);
        CHECK(is_there());
        CHECK(ask(agent, {"cleanup", "--force"}).status == 0);
        CHECK_FALSE(is_there());
    }
    AgentStatus elsewhere = test::example_status(AgentState::synced);
    elsewhere.netns += 1;
    const test::ServedAgent agent(elsewhere);
    CHECK(ask(agent, {"cleanup"}).status == 0);
}

TEST_CASE("cleanup --stay lets an agent end first, but not for ever", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile manifests(test::kShop);
    REQUIRE(run_podfence({"apply", "-f", manifests.path()}).status == 0);
    const auto tables = [] { return test::run_shell("nft list tables"); };
    auto agent = std::make_unique<test::ServedAgent>(test::example_status(AgentState::synced));
    const auto remaining = ask(*agent, {"cleanup", "--stay"});
    CHECK(remaining.status == 2);
    CHECK(contains(remaining.err, "an agent keeps the rules of this node"));
    CHECK(contains(tables(), "podfence"));

    // Its first line says that it is done; then it stays, until it is told to go.
    lab::Finished run;
    std::thread staying([&run, socket = agent->socket()] {
        run = test::shell("bash -c 'exec 3< <(exec $PODFENCE cleanup --stay --socket " + socket +
                          "); read -r line <&3; echo \"$line\"; kill $!'");
    });
    agent->await_questions(4);  // Two each of the first and the second.
    agent.reset();
    staying.join();
    CHECK(run.out.starts_with("removed table inet podfence"));
    CHECK_FALSE(contains(tables(), "podfence"));
}

TEST_CASE("an agent tells systemd when it enforces, and when it stops", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile manifests(test::kShop);
    const test::TemporaryDirectory directory;
    boost::asio::io_context io;
    using Datagrams = boost::asio::local::datagram_protocol;
    Datagrams::socket manager(io, Datagrams::endpoint(directory.path() + "/notify"));
    const timeval patience{.tv_sec = 60, .tv_usec = 0};
    REQUIRE(::setsockopt(manager.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience,
                         sizeof patience) == 0);
    std::string heard;
    const auto hear = [&](const std::string& what) {
        std::array<char, 1024> text{};
        ssize_t size = 0;
        while (!contains(heard, what) && size >= 0) {
            size = ::recv(manager.native_handle(), text.data(), text.size(), 0);
            if (size > 0) heard += std::string(text.data(), static_cast<std::size_t>(size)) + "\n";
        }
        return contains(heard, what);
    };
    lab::Finished run;
    std::thread running([&] {
        run = test::shell("cd " + directory.path() +
                          "; export NOTIFY_SOCKET=$PWD/notify WATCHDOG_USEC=60000000; "
                          "$PODFENCE agent --node node-a --socket s --metrics-address '' -f " +
                          manifests.directory() + " & echo $! >pid; wait $!");
    });
    CHECK(hear("READY=1\n"));
    CHECK(contains(test::run_shell("nft list tables"), "inet podfence"));
    CHECK(hear("STATUS=enforcing, in sync since"));
    CHECK(contains(heard, "STATUS=waiting for the list of pods, namespaces and networkpolicies"));
    CHECK(contains(heard, "WATCHDOG=1\n"));
    test::shell("kill $(cat " + directory.path() + "/pid)");
    CHECK(hear("STOPPING=1\n"));
    running.join();
    CHECK(run.status == 0);
    CHECK(contains(run.err, "stopped; the rules stay in the kernel"));
}

TEST_CASE("diff without -f compares the kernel with what the agent knows", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile manifests(test::kShop);
    REQUIRE(run_podfence({"apply", "-f", manifests.path()}).status == 0);
    test::ServedAgent agent(test::example_status(AgentState::synced), shop());
    CHECK(ask(agent, {"diff"}).status == 0);
    CHECK(ask(agent, {"explain", "--from", "shop/backend", "--to", "shop/db", "--live"}).status ==
          ask(agent, {"explain", "--from", "shop/backend", "--to", "shop/db"}).status);
    agent.change(
        [](test::FakeAgent& fake) { fake.known.remove_pod({.ns = "shop", .name = "db"}); });
    CHECK(ask(agent, {"diff"}).status == 1);
}
