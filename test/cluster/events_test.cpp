// What a policy that cannot be enforced as written says below itself in `kubectl describe`.
#include <chrono>
#include <sstream>
#include <string>
#include <thread>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/encode_objects.hpp"
#include "controller/limits.hpp"
#include "test/cluster/scene.hpp"
#include "test/support/builders.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

const std::string kPolicies = "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/";

/// The API server takes it, and keeps less than 1.5 MB of it; an agent does not take so much.
boost::json::object too_large() {
    auto object = encode(NetworkPolicy(test::policy("a/large").ingress()));
    boost::json::array values(limits::kObjectNodes + 1, "a");
    boost::json::object expression{
        {"key", "app"}, {"operator", "In"}, {"values", std::move(values)}};
    object["spec"].as_object()["podSelector"].as_object()["matchExpressions"] =
        boost::json::array{std::move(expression)};
    return object;
}

/// How many requests of the agents to make an Event the API server has answered so.
double answered(Scene& scene, int code) {
    const auto metrics = scene.api.ask({.method = "GET", .target = "/metrics"});
    double sum = 0;
    std::istringstream lines(metrics.body);
    for (std::string line; std::getline(lines, line);) {
        const bool counts =
            line.starts_with("apiserver_request_total{") &&
            line.find("code=\"" + std::to_string(code) + "\"") != std::string::npos &&
            line.find("resource=\"events\"") != std::string::npos &&
            line.find("verb=\"POST\"") != std::string::npos &&
            line.find("group=\"\"") != std::string::npos;
        if (counts) sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
}

boost::json::array events_of(Scene& scene, const std::string& policy) {
    return scene.api.get("/api/v1/namespaces/a/events?fieldSelector=involvedObject.name=" + policy)
        .at("items")
        .as_array();
}

}  // namespace

TEST_CASE("a policy that is not enforced as written has one Event, of all nodes together") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene(two_nodes(Wiring::bridge, Wiring::ptp, 2));
    scene.settle();
    scene.api.apply(kPolicies + "large", boost::json::serialize(too_large()));
    // One of the agents makes it, the other meets it.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (answered(scene, 201) < 1 || answered(scene, 409) < 1) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const auto events = events_of(scene, "large");
    REQUIRE(events.size() == 1);
    const auto& event = events.front();
    const auto policy = scene.api.get(kPolicies + "large");
    CHECK(event.at("involvedObject").at("uid") == policy.at("metadata").at("uid"));
    CHECK(event.at("reason").as_string() == "NotEnforced");
    CHECK(event.at("type").as_string() == "Warning");
    CHECK(event.at("reportingComponent").as_string() == "podfence");
    CHECK(std::string(event.at("message").as_string()).find("has more than") != std::string::npos);
    CHECK(answered(scene, 403) == 0);
}

}  // namespace podfence::lab
