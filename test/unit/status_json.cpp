// The agent's status: what is counted, what is kept, what its JSON says.
#include <set>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/status.hpp"
#include "test/support/builders.hpp"
#include "test/support/fake_agent.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

WallTime at(std::chrono::milliseconds since_1970) {
    return WallTime(since_1970);
}

AgentStatus waiting() {
    AgentStatus status;
    status.origin = "https://10.96.0.1:443";
    status.sources = {
        {.kind = "pods", .error = "connection refused"},
        {.kind = "namespaces", .listed = true},
        {.kind = "networkpolicies", .error = "connection refused"},
    };
    return status;
}

std::set<ObjectName> of_n1(const Cluster& cluster) {
    std::set<ObjectName> names;
    for (const auto& [name, pod] : cluster.pods()) {
        if (pod.node == "n1") names.insert(name);
    }
    return names;
}

}  // namespace

TEST_CASE("the summary says whether the node enforces, and what is missing", "[status]") {
    AgentStatus status = waiting();
    CHECK_FALSE(status.in_sync());
    CHECK(status.summary() ==
          "waiting for the list of pods and networkpolicies from https://10.96.0.1:443: "
          "connection refused");
    for (SourceKind& source : status.sources) source.listed = true;
    CHECK(status.summary() == "waiting for the first commit");

    status.state = AgentState::synced;
    status.in_sync_since = at(1'772'600'767'891ms);
    CHECK(status.in_sync());
    CHECK(status.summary() == "enforcing, in sync since 2026-03-04T05:06:07.891Z");

    status.state = AgentState::failing;
    status.failure = KernelFailure{.error = "commit: Invalid argument"};
    CHECK_FALSE(status.in_sync());
    CHECK(status.summary() == "the kernel does not take the rules: commit: Invalid argument");
}

TEST_CASE("the history keeps the last of everything and counts all", "[status]") {
    AgentHistory history;
    for (std::size_t i = 1; i <= 40; ++i) history.add(CommitRecord{.operations = i});
    CHECK(history.commits_total == 40);
    REQUIRE(history.commits.size() == AgentHistory::kKept);
    CHECK(history.commits.front().operations == 25);
    CHECK(history.commits.back().operations == 40);

    history.add(ResyncRecord{.reason = "start", .operations = 100});
    history.add(ResyncRecord{.reason = "audit"});
    history.add(ResyncRecord{.reason = "drift", .operations = 2, .culprit = "nft"});
    CHECK(history.resyncs_total ==
          std::map<std::string, std::uint64_t>{{"audit", 1}, {"drift", 1}, {"start", 1}});
    CHECK(history.repairs_total == std::map<std::string, std::uint64_t>{{"drift", 1}});
    REQUIRE(history.repairs.size() == 1);
    CHECK(history.repairs[0].culprit == "nft");
}

TEST_CASE("pods of the node are counted, and those that policies cannot judge named", "[status]") {
    const Cluster known =
        cluster(pod("a/free", "10.0.0.1"), pod("b/isolated", "10.0.0.2").labels("app=db"),
                pod("b/other", "10.0.0.3"), pod("b/elsewhere", "10.0.0.4").node("n2"),
                pod("b/done", "10.0.0.5").phase(PodPhase::succeeded), pod("b/starting"),
                pod("b/proxy").host_network(), pod("c/old", "10.0.0.9").created(1),
                pod("c/new", "10.0.0.9").created(2), policy("b/p").pods("app=db").ingress());
    const PodSurvey survey = survey_pods(known, of_n1(known));
    CHECK(survey.local == 6);  // free, isolated, other, starting, old, new
    CHECK(survey.isolated == 1);
    REQUIRE(survey.unenforced.list.size() == 3);
    CHECK(survey.unenforced.list[0].pod == name("b/proxy"));
    CHECK(survey.unenforced.list[0].reason == "hostNetwork");
    CHECK(survey.unenforced.list[1].reason == "no-address");
    CHECK(survey.unenforced.list[2].pod == name("c/old"));
    CHECK(survey.unenforced.list[2].text == "its address 10.0.0.9 now counts as that of pod c/new");
    CHECK(survey_pods(known, {}).local == 0);
}

TEST_CASE("lists are bounded and say what they left out", "[status]") {
    Cluster known;
    for (int i = 0; i < 500; ++i) known.put(pod("a/p" + std::to_string(i)));
    AgentStatus status;
    status.pods = survey_pods(known, of_n1(known));
    CHECK(status.pods.unenforced.total() == 500);
    const boost::json::value json = to_json(status);
    CHECK(json.at("pods").at("unenforced").as_array().size() == kPodsInTroubleMax);
    CHECK(json.at("pods").at("unenforced_left_out") == 500 - kPodsInTroubleMax);
}

TEST_CASE("the JSON of the status is stable", "[status]") {
    AgentStatus status = waiting();
    status.version = "1.2.3";
    status.node = "n1";
    status.pid = 42;
    status.now = at(1'772'600'767'891ms);
    status.sources[1].heard = status.now - 1500ms;
    status.history.add(
        CommitRecord{.at = status.now, .operations = 3, .latency = 212us, .took = 150us});
    status.history.add(ResyncRecord{.at = status.now,
                                    .reason = "drift",
                                    .operations = 2,
                                    .repaired = "2 elements added",
                                    .culprit = "nft",
                                    .culprit_pid = 7,
                                    .took = 900us});
    status.policies.add({.policy = name("shop/db"),
                         .problems = {.list = {{.field = "spec.ingress", .message = "\xff"}}}},
                        kPoliciesInTroubleMax);
    status.rules.log_group = 5;
    status.unknown_pods = {
        .hold = true, .known_by = "--pod-cidr", .ranges = {*Prefix::parse("10.1.0.0/24")}};
    status.table_shared_because = "of a test";
    status.settings = {{.option = "log-level", .value = "debug", .origin = "PODFENCE_LOG_LEVEL"}};
    const boost::json::value json = to_json(status);
    for (const char* member : {"version",
                               "node",
                               "pid",
                               "netns",
                               "now",
                               "started",
                               "state",
                               "summary",
                               "in_sync",
                               "in_sync_since",
                               "ever_synced",
                               "failure",
                               "origin",
                               "sources",
                               "commits",
                               "resyncs",
                               "drift",
                               "policies_in_trouble",
                               "policies_in_trouble_left_out",
                               "input_problems",
                               "input_problems_left_out",
                               "pods",
                               "objects",
                               "table",
                               "rules",
                               "unknown_pods",
                               "settings",
                               "rss_bytes"}) {
        CAPTURE(member);
        CHECK(json.as_object().contains(member));
    }
    CHECK(json.at("state") == "waiting");
    CHECK(json.at("in_sync") == false);
    CHECK(json.at("in_sync_since").is_null());
    CHECK(json.at("sources").at(0).at("error") == "connection refused");
    CHECK(json.at("sources").at(0).at("silent_ms").is_null());
    CHECK(json.at("sources").at(1).at("silent_ms") == 1500);
    CHECK(json.at("commits").at("last").at(0).at("latency_us") == 212);
    CHECK(json.at("drift").at("repaired_total") == 1);
    CHECK(json.at("drift").at("last").at(0).at("culprit").at("pid") == 7);
    CHECK(json.at("table").at("owned") == false);
    CHECK(json.at("table").at("shared_because") == "of a test");
    CHECK(json.at("rules").at("log_group") == 5);
    CHECK(json.at("rules").at("pod_to_node") == "allow");
    CHECK(json.at("rules").at("established") == "cut");
    CHECK(json.at("rules").at("connmark_bit") == 28);
    CHECK(json.at("unknown_pods").at("mode") == "hold");
    CHECK(json.at("unknown_pods").at("pod_cidrs").at(0) == "10.1.0.0/24");
    CHECK(json.at("unknown_pods").at("known_by") == "--pod-cidr");
    CHECK(json.at("unknown_pods").at("error").is_null());
    CHECK(json.at("rules").at("deny_with") == "drop");
    CHECK(json.at("rules").at("table") == "podfence");
    CHECK(json.at("rules").at("hook_priority") == -10);
    CHECK(json.at("settings").at(0).at("option") == "log-level");
    CHECK(json.at("settings").at(0).at("value") == "debug");
    CHECK(json.at("settings").at(0).at("origin") == "PODFENCE_LOG_LEVEL");
    // What others wrote is made valid UTF-8, or nobody could read any of it.
    CHECK(json.at("policies_in_trouble").at(0).at("problems").at(0).at("message") ==
          "\xef\xbf\xbd");
}

TEST_CASE("an agent that cannot find out what to hold says so", "[status]") {
    AgentStatus status = example_status(AgentState::waiting);
    for (auto& source : status.sources) source.listed = true;
    status.unknown_pods = {.hold = true,
                           .known = false,
                           .known_by = "spec.podCIDRs",
                           .error = "may not get node w1",
                           .remedy = "give --pod-cidr"};
    CHECK(status.summary() ==
          "waiting for the range of this node's pods from https://10.96.0.1:443 (in-cluster): may "
          "not get node w1: give --pod-cidr");
    status.unknown_pods.known = true;
    CHECK(status.summary() == "waiting for the first commit");
}

TEST_CASE("the process knows its memory and its network namespace", "[status]") {
    CHECK(resident_bytes() > 1'000'000);
    CHECK(network_namespace() != 0);
    const auto age =
        std::chrono::system_clock::now() - wall_time(std::chrono::steady_clock::now() - 1h);
    CHECK(age > 59min);
    CHECK(age < 61min);
}
