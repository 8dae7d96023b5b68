// What manifests/ installs, as a real API server sees it.
#include <cstdint>
#include <regex>
#include <set>
#include <string>
#include <utility>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "test/cluster/scene.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/paths.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

/// The Prometheus operator's kinds, so that there is something to check against: any content.
std::string custom_kind(const std::string& plural, const std::string& kind) {
    return R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":")" +
           plural + R"(.monitoring.coreos.com"},"spec":{"group":"monitoring.coreos.com",
        "scope":"Namespaced","names":{"plural":")" +
           plural + R"(","kind":")" + kind + R"("},"versions":[{"name":"v1","served":true,
        "storage":true,"schema":{"openAPIV3Schema":{"type":"object",
        "x-kubernetes-preserve-unknown-fields":true}}}]}})";
}

Finished kubectl(const ControlPlane& control, std::vector<std::string> arguments) {
    const Stay stay = control.ns().enter();
    arguments.insert(arguments.begin(),
                     {control.kubectl(), "--kubeconfig", control.admin_kubeconfig()});
    return run_program(arguments);
}

std::set<std::string> metrics_in(const std::string& text) {
    static const std::regex kName("podfence_[a-z_]+");
    static const std::regex kSuffix("_(bucket|count|sum)$");
    std::set<std::string> names;
    for (std::sregex_iterator at(text.begin(), text.end(), kName), end; at != end; ++at)
        names.insert(std::regex_replace(at->str(), kSuffix, ""));
    return names;
}

}  // namespace

TEST_CASE("every overlay of manifests/ is accepted by the API server, without a warning") {
    if (const auto missing = ControlPlane::missing()) PODFENCE_SKIP(*missing);
    const Lab lab({.nodes = {{"node1", Wiring::ptp}}, .pods = {}});
    const ControlPlane control(lab);
    Api api(control);
    // What is to be in the namespace cannot be checked while there is none. kubectl's own apply
    // makes it, so that the next one has nothing to warn of.
    const std::string manifests = test::in_source_tree("manifests");
    REQUIRE(kubectl(control, {"apply", "-f", manifests + "/base/namespace.yaml"}).status == 0);
    const std::string definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/";
    api.apply(definitions + "podmonitors.monitoring.coreos.com",
              custom_kind("podmonitors", "PodMonitor"));
    api.apply(definitions + "prometheusrules.monitoring.coreos.com",
              custom_kind("prometheusrules", "PrometheusRule"));
    REQUIRE(
        kubectl(control, {"wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"})
            .status == 0);
    for (const char* folder :
         {"", "/overlays/pod-to-node", "/overlays/hold", "/overlays/canary", "/overlays/monitoring",
          "/overlays/uninstall", "/overlays/cni-plugin", "/overlays/cni-plugin-uninstall"}) {
        INFO("manifests" << folder);
        const Finished done = kubectl(
            control, {"apply", "--dry-run=server", "--validate=strict", "-k", manifests + folder});
        INFO(done.out << done.err);
        CHECK(done.status == 0);
        CHECK(done.err == "");
        CHECK(done.out.find("daemonset.apps/podfence created") != std::string::npos);
    }
}

TEST_CASE("the dashboard's panels stand beside each other, and each asks for something") {
    const auto parsed = boost::json::parse(Scene::manifest("overlays/monitoring/dashboard.json"));
    std::set<std::int64_t> ids;
    std::set<std::pair<std::int64_t, std::int64_t>> taken;
    for (const auto& panel : parsed.at("panels").as_array()) {
        INFO(panel.at("title").as_string());
        CHECK(ids.insert(panel.at("id").as_int64()).second);
        CHECK_FALSE(panel.at("targets").as_array().empty());
        for (const auto& target : panel.at("targets").as_array())
            CHECK(target.at("expr").as_string().find("node=~\"$node\"") != std::string::npos);
        const auto& place = panel.at("gridPos");
        const auto at = [&](const char* name) { return place.at(name).as_int64(); };
        constexpr std::int64_t kColumns = 24;
        CHECK(at("x") + at("w") <= kColumns);
        for (auto x = at("x"); x < at("x") + at("w"); ++x) {
            for (auto y = at("y"); y < at("y") + at("h"); ++y) CHECK(taken.emplace(x, y).second);
        }
    }
    CHECK(ids.size() > 10);
}

TEST_CASE("alerts and dashboard speak of metrics that the agent has") {
    if (const auto missing = scene_missing()) PODFENCE_SKIP(*missing);
    Scene scene({.nodes = {{"node1", Wiring::ptp}}, .pods = {{"p0", 0}}});
    const std::string exported = scene.agents.front().metrics();
    const auto named = metrics_in(Scene::manifest("overlays/monitoring/alerts.yaml") +
                                  Scene::manifest("overlays/monitoring/dashboard.json"));
    CHECK(named.size() > 10);
    for (const auto& name : named) {
        INFO(name);
        CHECK(exported.find("\n# TYPE " + name + " ") != std::string::npos);
    }
}

}  // namespace podfence::lab
