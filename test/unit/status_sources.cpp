// How a source stands, as the status tells it.
#include "controller/status_sources.hpp"

#include <catch2/catch.hpp>

using namespace podfence;
using namespace std::chrono_literals;

TEST_CASE("the status tells how each kind is followed", "[status]") {
    SourceStatus source{.origin = "https://[fd00::1]:6443"};
    source.kinds[index_of(Kind::pod)] = {.state = KindStatus::State::watching,
                                         .listed = true,
                                         .objects = 7,
                                         .heard = std::chrono::steady_clock::now() - 2s,
                                         .events = 9,
                                         .failures = 1};
    source.kinds[index_of(Kind::policy)] = {
        .state = KindStatus::State::waiting,
        .retry_at = std::chrono::steady_clock::now() + 5s,
        .trouble = Trouble{.cause = Trouble::Cause::forbidden,
                           .message = "networkpolicies is forbidden",
                           .remedy = "grant list"}};
    AgentStatus status;
    tell_source(source, status);
    tell_source(source, status);  // Replaces what was told before.
    CHECK(status.origin == "https://[fd00::1]:6443");
    REQUIRE(status.sources.size() == 3);
    const SourceKind& pods = status.sources[0];
    CHECK(pods.kind == "pods");
    CHECK(pods.connected);
    CHECK(pods.objects == 7);
    CHECK(pods.restarts == 1);
    REQUIRE(pods.heard);
    CHECK(*pods.heard < std::chrono::system_clock::now() - 1s);
    CHECK_FALSE(pods.retry);
    CHECK(status.sources[1].heard == std::nullopt);
    const SourceKind& policies = status.sources[2];
    CHECK(policies.kind == "networkpolicies");
    CHECK_FALSE(policies.connected);
    CHECK(policies.error == "networkpolicies is forbidden");
    CHECK(policies.remedy == "grant list");
    REQUIRE(policies.retry);
    CHECK(*policies.retry > std::chrono::system_clock::now());
    CHECK(status.summary() ==
          "waiting for the list of namespaces and networkpolicies from https://[fd00::1]:6443: "
          "networkpolicies is forbidden");
}
