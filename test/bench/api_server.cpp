#include "test/bench/api_server.hpp"

#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base64.hpp"
#include "controller/encode_objects.hpp"

namespace podfence::bench {

namespace {

namespace json = boost::json;

/// Of a pod of a Deployment, as kubelet and controllers leave it.
const json::object& usual_metadata() {
    static const json::object value =
        json::parse(R"({"generateName":"web-6c9f7b8d5-","generation":1,"annotations":{
"kubectl.kubernetes.io/restartedAt":"2026-01-02T03:04:05Z","prometheus.io/scrape":"true"},
"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-6c9f7b8d5",
"uid":"5a1c8a9e-3b0f-4a6e-9a39-0c7c2d8e1f10","controller":true,"blockOwnerDeletion":true}],
"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1",
"time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},
"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{},"f:tier":{}},"f:ownerReferences":{".":{},
"k:{\"uid\":\"5a1c8a9e-3b0f-4a6e-9a39-0c7c2d8e1f10\"}":{}}},"f:spec":{"f:containers":{
"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},
"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},
"f:protocol":{}}},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},
"f:cpu":{},"f:memory":{}}},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},
"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},
"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}},{"manager":"kubelet",
"operation":"Update","apiVersion":"v1","time":"2026-01-02T03:04:09Z","fieldsType":"FieldsV1",
"fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},
"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},
"k:{\"type\":\"Initialized\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},
"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},
"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},
"f:hostIPs":{},"f:phase":{},"f:podIP":{},"f:podIPs":{},"f:startTime":{}}},
"subresource":"status"}]})")
            .as_object();
    return value;
}

const json::object& usual_spec() {
    static const json::object value =
        json::parse(R"({"volumes":[{"name":"kube-api-access-x2v9k","projected":{"sources":[
{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{
"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[
{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],
"defaultMode":420}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,
"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default",
"securityContext":{},"schedulerName":"default-scheduler","tolerations":[
{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute",
"tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists",
"effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,
"preemptionPolicy":"PreemptLowerPriority"})")
            .as_object();
    return value;
}

const json::object& usual_status() {
    static const json::object value =
        json::parse(R"({"conditions":[{"type":"PodReadyToStartContainers","status":"True",
"lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:07Z"},{"type":"Initialized",
"status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z"},{"type":"Ready",
"status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:09Z"},
{"type":"ContainersReady","status":"True","lastProbeTime":null,
"lastTransitionTime":"2026-01-02T03:04:09Z"},{"type":"PodScheduled","status":"True",
"lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z"}],"hostIP":"192.0.2.7",
"startTime":"2026-01-02T03:04:05Z","qosClass":"Burstable","containerStatuses":[{"name":"main",
"state":{"running":{"startedAt":"2026-01-02T03:04:08Z"}},"lastState":{},"ready":true,
"restartCount":0,"image":"registry.example/shop/web:1.27.3","imageID":
"registry.example/shop/web@sha256:0d17b565c37bcbd895e9d92315a05c1c3c9a29f762b011a10c54a66cd53c9b31",
"containerID":"containerd://b9f3c5a1d7e6402c8f1b9a7e3d5c6f8a0b2d4e6f8091a3b5c7d9e1f3a5b7c9d1",
"started":true}]})")
            .as_object();
    return value;
}

/// Adds what is not there yet.
void fill(json::value& into, const json::object& from) {
    json::object& object = into.as_object();
    for (const auto& member : from) object.emplace(member.key(), member.value());
}

json::object full(const Pod& pod) {
    json::object object = encode(pod);
    fill(object["metadata"], usual_metadata());
    fill(object["spec"], usual_spec());
    fill(object["status"], usual_status());
    for (json::value& container : object["spec"].as_object()["containers"].as_array()) {
        fill(container,
             {{"image", "registry.example/shop/web:1.27.3"},
              {"imagePullPolicy", "IfNotPresent"},
              {"terminationMessagePath", "/dev/termination-log"},
              {"terminationMessagePolicy", "File"},
              {"resources",
               {{"limits", {{"memory", "128Mi"}}},
                {"requests", {{"cpu", "100m"}, {"memory", "128Mi"}}}}},
              {"volumeMounts",
               json::array{{{"name", "kube-api-access-x2v9k"},
                            {"readOnly", true},
                            {"mountPath", "/var/run/secrets/kubernetes.io/serviceaccount"}}}}});
    }
    return object;
}

std::string line(const std::string& type, json::object object) {
    object["metadata"].as_object().emplace("resourceVersion", "1000");
    return json::serialize(json::object{{"type", type}, {"object", std::move(object)}}) + "\n";
}

std::string end_of_initial_events(Kind kind) {
    json::object object;
    object["kind"] = to_string(kind);
    object["apiVersion"] = kind == Kind::policy ? "networking.k8s.io/v1" : "v1";
    object["metadata"] = {{"annotations", {{"k8s.io/initial-events-end", "true"}}}};
    return line("BOOKMARK", std::move(object));
}

}  // namespace

std::string watch_event(const std::string& type, const Pod& pod) {
    return line(type, full(pod));
}

std::string watch_event(const std::string& type, const NetworkPolicy& policy) {
    return line(type, encode(policy));
}

ApiServer::ApiServer(const Cluster& cluster) {
    // As large chunks as the real one's: an object each.
    for (const auto& [name, pod] : cluster.pods())
        initial_[Kind::pod] += test::http_chunk(watch_event("ADDED", pod));
    for (const auto& [name, ns] : cluster.namespaces())
        initial_[Kind::ns] += test::http_chunk(line("ADDED", encode(ns)));
    for (const auto& [name, policy] : cluster.policies())
        initial_[Kind::policy] += test::http_chunk(watch_event("ADDED", policy));
    for (const Kind kind : kKinds) initial_[kind] += test::http_chunk(end_of_initial_events(kind));
    server_ = std::make_unique<test::TlsServer>(ca_.issue("api", "IP:127.0.0.1"),
                                                [this](auto& peer) { serve(peer); });
}

ApiServer::~ApiServer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
}

std::string ApiServer::kubeconfig() const {
    const json::object cluster{{"server", "https://127.0.0.1:" + std::to_string(server_->port())},
                               {"certificate-authority-data", to_base64(ca_.pem())}};
    return json::serialize(json::object{
        {"apiVersion", "v1"},
        {"kind", "Config"},
        {"current-context", "bench"},
        {"clusters", json::array{{{"name", "bench"}, {"cluster", cluster}}}},
        {"users", json::array{{{"name", "agent"}, {"user", {{"token", "bench"}}}}}},
        {"contexts", json::array{{{"name", "bench"},
                                  {"context", {{"cluster", "bench"}, {"user", "agent"}}}}}}});
}

void ApiServer::serve(test::TlsServer::Peer& peer) {
    const std::string head = peer.read_request();
    for (const Kind kind : kKinds) {
        if (head.find("/" + std::string(resource_name(kind)) + "?watch=true") != std::string::npos)
            return watch(peer, kind);
    }
    peer.write(test::http_answer(404, "{}"));
}

void ApiServer::watch(test::TlsServer::Peer& peer, Kind kind) {
    if (!peer.write(test::http_chunked_head()) || !peer.write(initial_.at(kind))) return;
    std::unique_lock lock(mutex_);
    Outbox& outbox = outboxes_[index_of(kind)];
    const int self = ++outbox.watches;
    changed_.notify_all();
    while (true) {
        changed_.wait(lock, [&] { return stopping_ || self != outbox.watches || outbox.text; });
        // Of several watches all but the newest are of agents that were killed.
        if (stopping_ || self != outbox.watches) return;
        const auto now = Clock::now();
        if (!peer.write(*outbox.text)) return;
        outbox.text.reset();
        outbox.written = now;
        changed_.notify_all();
    }
}

ApiServer::Clock::time_point ApiServer::send(Kind kind, const std::string& events) {
    std::unique_lock lock(mutex_);
    Outbox& outbox = outboxes_[index_of(kind)];
    outbox.text = test::http_chunk(events);
    outbox.written.reset();
    changed_.notify_all();
    changed_.wait(lock, [&] { return outbox.written.has_value(); });
    return *outbox.written;
}

}  // namespace podfence::bench
