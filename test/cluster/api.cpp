#include "test/cluster/api.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/encode_objects.hpp"

namespace podfence::lab {
namespace {

namespace json = boost::json;

std::string pods_path(const std::string& ns) {
    return "/api/v1/namespaces/" + ns + "/pods";
}
std::string pod_path(const ObjectName& name) {
    return pods_path(name.ns) + "/" + name.name;
}
std::string policy_path(const ObjectName& name) {
    return "/apis/networking.k8s.io/v1/namespaces/" + name.ns + "/networkpolicies/" + name.name;
}

/// But for what only the API server says.
json::object spec_object(const Pod& pod) {
    json::object object = encode(pod);
    object.erase("status");
    auto& metadata = object["metadata"].as_object();
    for (const char* key : {"uid", "creationTimestamp", "deletionTimestamp"}) metadata.erase(key);
    for (auto& container : object["spec"].as_object()["containers"].as_array())
        container.as_object()["image"] = "none";
    return object;
}

/// At most one address a family, as the API has it. The lab's hosts have theirs in turns.
json::array ip_list(const std::vector<Address>& addresses) {
    json::array list;
    for (std::size_t i = 0; i < std::min<std::size_t>(addresses.size(), 2); ++i)
        list.push_back(json::object{{"ip", to_string(addresses[i])}});
    return list;
}

/// What a kubelet would report.
json::object status_of(const Pod& pod) {
    json::object status = encode(pod)["status"].as_object();
    const auto put = [&](const std::string& field, const std::vector<Address>& addresses) {
        if (addresses.empty()) return;
        status[field] = to_string(addresses.front());
        status[field + "s"] = ip_list(addresses);
    };
    put("podIP", pod.addresses);
    put("hostIP", pod.node_addresses);
    return status;
}

}  // namespace

Api::Api(const ControlPlane& control)
    : http_(control.ns(), ControlPlane::address(), ControlPlane::kPort, control.ca_file()),
      token_(control.admin_token()) {}

HttpResponse Api::ask(HttpRequest request) {
    request.bearer = token_;
    auto answer = http_.ask(request);
    // The server may have ended the connection since the last request. All that is asked here may
    // be asked twice.
    if (!answer) answer = http_.ask(request);
    if (!answer) fail(request.method + " " + request.target + ": " + http_.error());
    return *answer;
}

HttpResponse Api::expect_ok(HttpRequest request) {
    const HttpResponse answer = ask(request);
    constexpr int kOkEnd = 300;
    if (answer.status >= kOkEnd)
        fail(request.method + " " + request.target + ": " + answer.body + "\n" + request.body);
    return answer;
}

void Api::apply(const std::string& path, const std::string& manifest) {
    expect_ok({.method = "PATCH",
               .target = path + "?fieldManager=lab&force=true",
               .body = manifest,
               .content_type = "application/apply-patch+yaml"});
}

json::value Api::replace(const std::string& path, const json::value& object) {
    return json::parse(
        expect_ok({.method = "PUT", .target = path, .body = json::serialize(object)}).body);
}

void Api::remove(const std::string& path) {
    constexpr int kNotFound = 404;
    const HttpRequest request{
        .method = "DELETE", .target = path, .body = R"({"gracePeriodSeconds":0})"};
    const HttpResponse answer = ask(request);
    if (answer.status != kNotFound && answer.status >= 300) fail("DELETE " + path + answer.body);
}

boost::json::value Api::get(const std::string& path) {
    return json::parse(expect_ok({.target = path}).body);
}

void Api::put(const Pod& pod) {
    // What never changes of a pod: one that has other values is another pod of the same name.
    const auto told = pods_.find(pod.name);
    const auto fixed = [](const Pod& p) { return std::tie(p.node, p.host_network, p.ports); };
    if (told != pods_.end() && fixed(told->second) != fixed(pod)) remove_pod(pod.name);
    const std::string path = pod_path(pod.name);
    json::object spec = spec_object(pod);
    // Not by server-side apply: it refuses a port that a container names twice, which a pod may.
    json::value now;
    if (pods_.contains(pod.name)) {
        now = get(path);
        auto& metadata = now.as_object()["metadata"].as_object();
        metadata["labels"] = spec["metadata"].as_object()["labels"];
        now = replace(path, now);
    } else {
        now = json::parse(
            expect_ok(
                {.method = "POST", .target = pods_path(pod.name.ns), .body = json::serialize(spec)})
                .body);
    }
    now.as_object()["status"] = status_of(pod);
    replace(path + "/status", now);
    if (pod.deleting)
        expect_ok({.method = "DELETE", .target = path, .body = R"({"gracePeriodSeconds":3600})"});
    pods_.insert_or_assign(pod.name, pod);
}

void Api::put(const Namespace& ns) {
    apply("/api/v1/namespaces/" + ns.name, json::serialize(encode(ns)));
}

void Api::put(const NetworkPolicy& policy) {
    apply(policy_path(policy.name), json::serialize(encode(policy)));
}

void Api::remove_pod(const ObjectName& name) {
    remove(pod_path(name));
    pods_.erase(name);
}

void Api::remove_policy(const ObjectName& name) {
    remove(policy_path(name));
}

void Api::remove_namespace(const std::string& name) {
    const std::string path = "/api/v1/namespaces/" + name;
    const std::string pods = pods_path(name);
    const std::string policies =
        "/apis/networking.k8s.io/v1/namespaces/" + name + "/networkpolicies";
    for (const auto& kind : {pods, policies}) {
        const json::value listed = get(kind);
        for (const auto& item : listed.at("items").as_array())
            remove(kind + "/" + std::string(item.at("metadata").at("name").as_string()));
    }
    std::erase_if(pods_, [&](const auto& entry) { return entry.first.ns == name; });
    remove(path);
    expect_ok({.method = "PUT",
               .target = path + "/finalize",
               .body = R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" + name +
                       R"("},"spec":{"finalizers":[]}})"});
}

std::string Api::token_of(const ObjectName& account) {
    const HttpResponse answer = expect_ok(
        {.method = "POST",
         .target =
             "/api/v1/namespaces/" + account.ns + "/serviceaccounts/" + account.name + "/token",
         .body =
             R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}})"});
    return std::string(json::parse(answer.body).at("status").at("token").as_string());
}

}  // namespace podfence::lab
