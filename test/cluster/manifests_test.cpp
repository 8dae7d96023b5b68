// What manifests/ installs, as a real API server sees it.
#include <regex>
#include <set>
#include <string>

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
    for (const char* folder : {"", "/overlays/pod-to-node", "/overlays/canary",
                               "/overlays/monitoring", "/overlays/uninstall"}) {
        INFO("manifests" << folder);
        const Finished done = kubectl(
            control, {"apply", "--dry-run=server", "--validate=strict", "-k", manifests + folder});
        INFO(done.out << done.err);
        CHECK(done.status == 0);
        CHECK(done.err == "");
        CHECK(done.out.find("daemonset.apps/podfence created") != std::string::npos);
    }
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
