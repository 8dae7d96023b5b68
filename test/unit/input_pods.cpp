#include <catch2/catch.hpp>

#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

std::string pod_yaml(const std::string& rest) {
    return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n" + rest;
}

}  // namespace

TEST_CASE("input: what is wrong with a pod is told, and what it costs is small") {
    struct Row {
        const char* rest;
        const char* field;
        std::size_t addresses;
        std::size_t ports;
    };
    const Row row = GENERATE(values<Row>({
        {"status: {podIP: 10.0.0}", "status.podIP", 0, 0},
        {"status: {podIP: 010.0.0.1}", "status.podIP", 0, 0},
        {"status: {podIP: '::ffff:10.0.0.1'}", "status.podIP", 0, 0},
        {"status: {podIP: 12}", "status.podIP", 0, 0},
        {"status: {podIPs: 10.0.0.1}", "status.podIPs", 0, 0},
        {"status: {podIPs: [10.0.0.1]}", "status.podIPs[0]", 0, 0},
        {"status: {podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}", "status.podIPs[1].ip", 1, 0},
        {"status: {podIPs: [{ip: x}, {ip: 'fd00::1'}]}", "status.podIPs[0].ip", 1, 0},
        {"status: [x]", "status", 0, 0},
        {"status: {phase: 1, podIP: 10.0.0.1}", "status.phase", 1, 0},
        {"spec: {hostNetwork: 'true'}\nstatus: {podIP: 10.0.0.1}", "spec.hostNetwork", 0, 0},
        {"spec: x\nstatus: {podIP: 10.0.0.1}", "spec", 0, 0},
        {"spec: {nodeName: 7}", "spec.nodeName", 0, 0},
        {"spec: {nodeName: 'a b'}", "spec.nodeName", 0, 0},
        {"spec: {containers: {}}", "spec.containers", 0, 0},
        {"spec: {containers: [null]}", "spec.containers[0]", 0, 0},
        {"spec: {containers: [{ports: x}]}", "spec.containers[0].ports", 0, 0},
        {"spec: {containers: [{ports: [x, {name: a, containerPort: 1}]}]}",
         "spec.containers[0].ports[0]", 0, 1},
        {"spec: {containers: [{ports: [{name: a}]}]}", "spec.containers[0].ports[0].containerPort",
         0, 0},
        {"spec: {containers: [{ports: [{name: a, containerPort: 0}]}]}",
         "spec.containers[0].ports[0].containerPort", 0, 0},
        {"spec: {containers: [{ports: [{name: A, containerPort: 1}]}]}",
         "spec.containers[0].ports[0].name", 0, 0},
        {"spec: {containers: [{ports: [{name: a, containerPort: 1, protocol: udp}]}]}",
         "spec.containers[0].ports[0].protocol", 0, 0},
        {"spec: {initContainers: [{restartPolicy: Always, ports: [{name: a, containerPort: x}]}]}",
         "spec.initContainers[0].ports[0].containerPort", 0, 0},
    }));
    CAPTURE(row.rest);
    const Loaded loaded = load_text("t", pod_yaml(row.rest));
    CAPTURE(all_problems(loaded));
    const Problem* problem = problem_at(loaded, row.field);
    REQUIRE(problem != nullptr);
    CHECK(problem->object == "Pod shop/web");
    CHECK(problem->severity == Severity::error);
    REQUIRE(loaded.cluster.pods().size() == 1);
    CHECK(loaded.cluster.pods().begin()->second.addresses.size() == row.addresses);
    CHECK(loaded.cluster.pods().begin()->second.ports.size() == row.ports);
}

TEST_CASE("input: label values that are no strings are errors, as the API server says") {
    const Loaded loaded = load_text(
        "t",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels:\n    enabled: true\n"
        "    version: 1.0\n    num: \"1\"\n    'a b': c\n    empty: \"\"\n    none:\n");
    CAPTURE(all_problems(loaded));
    CHECK(problem_at(loaded, "metadata.labels.enabled")->pos.line == 6);
    CHECK(problem_at(loaded, "metadata.labels.version") != nullptr);
    CHECK(problem_at(loaded, "metadata.labels[a b]") != nullptr);
    CHECK(problem_at(loaded, "metadata.labels.none") != nullptr);
    CHECK(count(loaded, Severity::error) == 4);
    // Their text is what policies find the pod by.
    CHECK(loaded.cluster.pods().begin()->second.labels ==
          Labels{{"num", "1"},
                 {"empty", ""},
                 {"enabled", "true"},
                 {"version", "1.0"},
                 {"none", ""},
                 {std::string(kUnsureLabel), std::string(kUnknown)}});
}

TEST_CASE("input: the older address fields and the phases are read (N52, N55)") {
    const Loaded loaded = load_text(
        "t", pod_yaml("spec: {hostNetwork: true}\nstatus: {phase: Succeeded, podIPs: [], podIP: "
                      "10.0.0.1, hostIP: '', hostIPs: [{ip: 192.0.2.1}, {ip: 'fd00::1'}]}\n"));
    CHECK(loaded.problems.empty());
    const Pod& pod = loaded.cluster.pods().begin()->second;
    CHECK(pod.phase == PodPhase::succeeded);
    CHECK(pod.host_network);
    CHECK(pod.addresses.size() == 1);
    CHECK(pod.node_addresses.size() == 2);
}

TEST_CASE("input: podIPs without a usable address leave podIP to count (N55)") {
    const char* list = GENERATE("[{}]", "[{ip: ''}]", "[{ip: null}]", "[{ip: none}]", "[{i: p}]");
    const Loaded loaded =
        load_text("t", pod_yaml("status: {podIPs: " + std::string(list) + ", podIP: 10.0.0.1}\n"));
    CAPTURE(all_problems(loaded));
    CHECK(loaded.has_errors() == (std::string(list) != "[{ip: ''}]"));
    CHECK(loaded.cluster.pods().begin()->second.addresses ==
          std::vector{*Address::parse("10.0.0.1")});
}

TEST_CASE("input: objects without a usable name are errors and left out") {
    for (const char* meta : {"", "metadata:\n", "metadata: {}\n", "metadata: []\n",
                             "metadata: {name: A_b}\n", "metadata: {name: 1}\n"}) {
        CAPTURE(meta);
        for (const char* kind : {"Pod", "Namespace"}) {
            const Loaded loaded =
                load_text("t", "apiVersion: v1\nkind: " + std::string(kind) + "\n" + meta);
            CHECK(loaded.has_errors());
            CHECK(loaded.objects == 0);
        }
    }
    const Loaded dotted = load_text("t", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}");
    CHECK(dotted.has_errors());
    const Loaded generated =
        load_text("t", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: web-}");
    CHECK(generated.problems.empty());
    CHECK(generated.cluster.pods().begin()->first.name == "web-1");
}

TEST_CASE("input: a pod whose header is misspelt is told, and enforced all the same") {
    const char* header =
        GENERATE("apiVersion: v1\nkind: pod", "apiVersion: V1\nkind: Pod", "kind: Pod",
                 "apiVersion: apps/v1\nkind: Pod", "apiVersion: 1\nkind: POD");
    CAPTURE(header);
    const Loaded loaded = load_text("t", std::string(header) + "\nmetadata: {name: web}\n");
    CHECK(loaded.has_errors());
    CHECK(loaded.cluster.pods().contains({"default", "web"}));
    const Loaded other =
        load_text("t", "apiVersion: example.com/v1\nkind: Pod\nmetadata: {name: web}\n");
    CHECK(other.skipped == 1);
    CHECK(other.problems.empty());
}

TEST_CASE("input: pods go to the default namespace the caller names") {
    const Loaded loaded = load_text("t", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n",
                                    {.default_namespace = "shop"});
    CHECK(loaded.cluster.pods().contains({"shop", "web"}));
}

TEST_CASE("input: a namespace that was not read is told when a selector needs its labels (N29)") {
    const std::string policy =
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n"
        "spec: {ingress: [{from: [{namespaceSelector: {matchLabels: {";
    const Loaded needed = load_text("t", pod_yaml("") + policy + "team: a}}}]}]}\n");
    CAPTURE(all_problems(needed));
    REQUIRE(needed.problems.size() == 1);
    CHECK(needed.problems[0].object == "Namespace shop");
    CHECK(needed.problems[0].severity == Severity::warning);
    // By name it works without.
    const Loaded by_name =
        load_text("t", pod_yaml("") + policy + "kubernetes.io/metadata.name: shop}}}]}]}\n");
    CHECK(by_name.problems.empty());
    const Loaded read =
        load_text("t", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" +
                           pod_yaml("") + policy + "team: a}}}]}]}\n");
    CHECK(read.problems.empty());
}

namespace {

std::vector<std::string> extra_of(const Loaded& loaded) {
    std::vector<std::string> texts;
    for (const Prefix& block : loaded.cluster.pods().begin()->second.extra_addresses) {
        texts.push_back(nft::to_string(block));
    }
    return texts;
}

}  // namespace

TEST_CASE("input: an annotation lists addresses that a pod may use besides") {
    const std::string head = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n";
    const std::string tail = "spec:\n  nodeName: n1\n";
    const std::vector<std::string> both{"10.1.2.3/32", "2001:db8::/64"};
    for (const std::string& text : std::vector<std::string>{
             head +
                 "  annotations:\n    other: |\n      a: b\n"
                 "    podfence.io/extra-addresses: \"10.1.2.3, 2001:db8::/64,\"\n" +
                 tail,
             head + "  annotations: {podfence.io/extra-addresses: '2001:db8::1/64,10.1.2.3'}\n" +
                 tail,
             R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {"a": {"b": 1},
                 "podfence.io/extra-addresses": "10.1.2.3,2001:db8::/64,10.1.2.3/32"},
                 "name": "web"}})"}) {
        CAPTURE(text);
        const Loaded loaded = load_text("t", text);
        CAPTURE(all_problems(loaded));
        CHECK(loaded.problems.empty());
        CHECK(extra_of(loaded) == both);
    }
    const Loaded without = load_text("t", head + "  annotations:\n    other: x\n" + tail);
    CHECK(extra_of(without).empty());
}

TEST_CASE("input: what is wrong in that annotation is told, and gives the pod nothing") {
    struct Row {
        const char* value;
        const char* said;
        std::size_t left;
    };
    const Row row = GENERATE(values<Row>({{"'10.0.0, 10.0.0.1'", "\"10.0.0\"", 1},
                                          {"'10.0.0.1/33'", "no address and no block", 0},
                                          {"'0.0.0.0/0,::/0,fd00::1'", "every address", 1},
                                          {"'::ffff:10.0.0.1'", "no address and no block", 0},
                                          {"'10.0.0.1 10.0.0.2'", "no address and no block", 0},
                                          {"[10.0.0.1]", "list", 0}}));
    CAPTURE(row.value);
    const Loaded loaded =
        load_text("t",
                  "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, annotations: "
                  "{podfence.io/extra-addresses: " +
                      std::string(row.value) + "}}\n");
    CAPTURE(all_problems(loaded));
    REQUIRE_FALSE(loaded.problems.empty());
    CHECK(loaded.problems.front().object == "Pod shop/web");
    CHECK(all_problems(loaded).find(row.said) != std::string::npos);
    CHECK(all_problems(loaded).find("podfence.io/extra-addresses") != std::string::npos);
    CHECK(extra_of(loaded).size() == row.left);
}

TEST_CASE("input: an annotation lists only so many addresses") {
    std::string list;
    for (int i = 0; i < 40; ++i) list += "10.0.0." + std::to_string(i) + ",";
    const Loaded loaded =
        load_text("t",
                  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\","
                  "\"annotations\":{\"podfence.io/extra-addresses\":\"" +
                      list + "\"}}}");
    CHECK(loaded.problems.size() == 1);
    CHECK(extra_of(loaded).size() == 32);
}
