// What the other cases stand on: that the control plane is real, and does what it is told.
#include <catch2/catch.hpp>

#include "test/cluster/api.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_rig.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

Lab one_node() {
    return Lab({.nodes = {{"node1", Wiring::ptp}}, .pods = {{"p0", 0}}});
}

Pod pod_of(const Lab& lab) {
    Pod pod = test::pod("a/p0").labels("app=web").port("http", 80);
    place(pod, lab, lab.pod(0));
    return pod;
}

}  // namespace

TEST_CASE("the control plane keeps what it is told through the death of its programs") {
    if (const auto missing = ControlPlane::missing()) PODFENCE_SKIP(*missing);
    const Lab lab = one_node();
    ControlPlane control(lab);
    Api api(control);
    api.put(test::ns("a", "team=x"));
    api.put(pod_of(lab));
    api.put(NetworkPolicy(test::policy("a/deny").ingress()));

    const std::string path = "/api/v1/namespaces/a/pods/p0";
    const auto check_pod = [&] {
        const auto pod = api.get(path);
        CHECK(pod.at("spec").at("nodeName") == "node1");
        CHECK(pod.at("metadata").at("labels").at("app") == "web");
        CHECK(pod.at("status").at("podIPs").as_array().size() == 2);
        CHECK(pod.at("status").at("podIP") ==
              boost::json::value(to_string(lab.pod(0).addresses.at(0))));
    };
    check_pod();
    control.kill_api();
    control.kill_etcd();
    control.start_etcd();
    control.start_api();
    check_pod();

    // A pod with another port is another pod; its status comes with it.
    Pod changed = pod_of(lab);
    changed.ports = {{.name = "other", .number = 81}};
    const auto uid = api.get(path).at("metadata").at("uid");
    api.put(changed);
    CHECK(api.get(path).at("metadata").at("uid") != uid);
    check_pod();

    api.remove_namespace("a");
    CHECK(api.ask({.target = path}).status == 404);
    CHECK(api.ask({.target = "/api/v1/namespaces/a"}).status == 404);
}

TEST_CASE("the control plane forgets its history when told to") {
    if (const auto missing = ControlPlane::missing()) PODFENCE_SKIP(*missing);
    const Lab lab = one_node();
    ControlPlane control(lab);
    Api api(control);
    const auto listed = api.get("/api/v1/namespaces");
    const auto& version = listed.at("metadata").at("resourceVersion").as_string();
    const std::string watch =
        "/api/v1/namespaces?watch=1&timeoutSeconds=1&resourceVersion=" + std::string(version);
    for (const char* name : {"one", "two", "three"}) api.put(test::ns(name));
    CHECK(api.ask({.target = watch}).body.find("\"three\"") != std::string::npos);
    control.compact();
    control.stop_api();
    control.start_api();
    const HttpResponse answer = api.ask({.target = watch});
    CHECK(answer.body.find("\"code\":410") != std::string::npos);
}

}  // namespace podfence::lab
