// Metadata that is not as it must be: labels, names and namespaces fail closed (D12).
#include <catch2/catch.hpp>

#include "controller/compile.hpp"
#include "controller/explain.hpp"
#include "controller/source.hpp"
#include "nft/walk.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

std::string pod(const std::string& name, const std::string& metadata, int host) {
    return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", " + metadata +
           "}\nspec: {nodeName: node-a}\nstatus: {phase: Running, podIP: 10.0.0." +
           std::to_string(host) + "}\n";
}

/// By the oracle, which must agree with the compiled rules of their common node.
bool reaches(const Cluster& cluster, int from, int to) {
    const auto address = [](int host) { return *Address::parse("10.0.0." + std::to_string(host)); };
    const Flow flow{.source = address(from), .destination = address(to), .protocol = 6, .port = 80};
    const bool allows = allowed(cluster, flow);
    const Compiled compiled = compile_all(cluster, {.node = "node-a"});
    const nft::Packet packet{.source = flow.source,
                             .destination = flow.destination,
                             .protocol = flow.protocol,
                             .destination_port = flow.port};
    CHECK(nft::walk(compiled.table, nft::Hook::forward, packet).accepted == allows);
    CHECK((explain(cluster, flow).egress.allowed() && explain(cluster, flow).ingress.allowed()) ==
          allows);
    return allows;
}

const std::string kPolicy =
    "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: "
    "a}\n";

}  // namespace

TEST_CASE("input: a pod is isolated by what its bad label says, and no peer through any (D12)") {
    // Each policy isolates the pods of tier "5" or opens the server, 10.0.0.9, for a peer.
    const std::string others =
        pod("client", "namespace: a", 8) + pod("server", "namespace: a, labels: {app: server}", 9);
    const auto labels = GENERATE("{tier: 5}", "{tier: true, other: 5}", "{tier: '5', other: a b}",
                                 "{tier: '5', other: [x]}", "{tier: [5]}", "{tier: '6', tier: '5'}",
                                 "[tier]", "tier", "{'a b': x, tier: '5'}");
    CAPTURE(labels);
    const std::string bad = pod("bad", "namespace: a, labels: " + std::string(labels), 1);
    const bool says_so = std::string(labels) == "{tier: true, other: 5}";
    const Loaded subject =
        load_text("t", others + bad + kPolicy + "spec: {podSelector: {matchLabels: {tier: '" +
                           (says_so ? "true" : "5") + "'}}}\n");
    CAPTURE(all_problems(subject));
    CHECK(subject.has_errors());
    CHECK_FALSE(subject.unreadable);
    CHECK_FALSE(reaches(subject.cluster, 8, 1));
    CHECK(reaches(subject.cluster, 8, 9));
    const char* peer =
        GENERATE("{podSelector: {matchLabels: {tier: '5'}}}",
                 "{podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [x]}]}}",
                 "{podSelector: {matchExpressions: [{key: none, operator: DoesNotExist}]}}",
                 "{podSelector: {}}", "{namespaceSelector: {}}");
    CAPTURE(peer);
    const Loaded as_peer = load_text("t", others + bad + kPolicy +
                                              "spec: {podSelector: {matchLabels: {app: server}}, " +
                                              "ingress: [{from: [" + peer + "]}]}\n");
    CHECK_FALSE(reaches(as_peer.cluster, 1, 9));
}

TEST_CASE("input: a bad label says what becomes of its object") {
    const Loaded loaded = load_text(
        "t", pod("bad", "namespace: a, labels: {tier: 5, list: [x]}", 1) +
                 "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: 1}}\n" +
                 "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, "
                 "labels: {x: 2}}\nspec: {podSelector: {}}\n");
    const std::string text = all_problems(loaded);
    CAPTURE(text);
    CHECK(text.find("policies find the pod by this text") != std::string::npos);
    CHECK(text.find("the pod is isolated but for what the policies that select it allow") !=
          std::string::npos);
    CHECK(text.find("no label of this namespace but its name") != std::string::npos);
    CHECK(text.find("a policy's own labels have no effect") != std::string::npos);
    // What policies allow a pod that they select is allowed, be it marked.
    const Loaded open = load_text("t", pod("client", "namespace: a", 8) +
                                           pod("bad", "namespace: a, labels: {list: [x]}", 1) +
                                           kPolicy + "spec: {podSelector: {}, ingress: [{}]}\n");
    CHECK(reaches(open.cluster, 8, 1));
    CHECK_FALSE(reaches(open.cluster, 1, 8));  // Egress, which no policy allows.
}

TEST_CASE("input: of a namespace with a bad label only the name is known (D12, N29)") {
    const char* selector =
        GENERATE("{matchExpressions: [{key: team, operator: DoesNotExist}]}",
                 "{matchExpressions: [{key: team, operator: NotIn, values: [x]}]}",
                 "{matchLabels: {team: '5'}}", "{matchLabels: {fine: fine}}");
    CAPTURE(selector);
    const std::string text =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: b, labels: {team: 5, fine: fine}}\n" +
        pod("client", "namespace: b", 8) + pod("server", "namespace: a", 9) + kPolicy;
    const auto with = [&](const std::string& chosen) {
        return load_text(
            "t", text + "spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: " + chosen +
                     "}]}]}\n");
    };
    CHECK_FALSE(reaches(with(selector).cluster, 8, 9));
    CHECK(reaches(with("{matchLabels: {kubernetes.io/metadata.name: b}}").cluster, 8, 9));
}

TEST_CASE("input: a pod whose labels or namespace are misspelt is isolated and nobody's peer") {
    const char* metadata = GENERATE(
        "nameSpace: a, labels: {app: server}", "namespace: [a], labels: {app: server}",
        "namespace: default, label: {app: server}", "namespace: default, Labels: {app: server}");
    CAPTURE(metadata);
    const Loaded loaded =
        load_text("t", pod("client", "namespace: a", 8) + pod("bad", metadata, 1) +
                           pod("server", "namespace: default", 9) +
                           "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: "
                           "{name: p}\nspec: {podSelector: {matchExpressions: [{key: app, "
                           "operator: DoesNotExist}]}, ingress: [{from: [{podSelector: {}}]}]}\n");
    CAPTURE(all_problems(loaded));
    CHECK(loaded.has_errors());
    CHECK_FALSE(reaches(loaded.cluster, 8, 1));
    CHECK_FALSE(reaches(loaded.cluster, 1, 9));
    // A field that a newer API server may have changes nothing.
    const Loaded newer = load_text(
        "t", pod("client", "namespace: a", 8) + pod("new", "namespace: a, lineage: {x: y}", 1));
    CHECK(reaches(newer.cluster, 8, 1));
}

TEST_CASE("input: a policy whose namespace cannot be read says where it is in force") {
    const auto policy = [](const std::string& metadata) {
        return load_text("t", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: " +
                                  metadata + "\nspec: {podSelector: {matchLabels: {app: db}}}\n");
    };
    const Loaded misspelt = policy("{name: np, nameSpace: a}");
    CAPTURE(all_problems(misspelt));
    CHECK_FALSE(misspelt.unreadable);
    CHECK(problem_at(misspelt, "metadata.nameSpace")->remedy ==
          "until it is mended the policy is in force in namespace \"default\", and all pods of "
          "namespace \"a\" are isolated");
    CHECK(misspelt.cluster.policies().contains({"default", "np"}));
    const NetworkPolicy& meant = misspelt.cluster.policies().at({"a", "unreadable-3"});
    CHECK(meant.pods.requirements.empty());
    CHECK((meant.ingress && meant.egress));
    const Loaded unknown = policy("{name: np, ns: a}");
    CHECK(problem_at(unknown, "metadata.ns")->remedy ==
          "until it is mended the policy is in force in namespace \"default\" and protects no "
          "other");
    // Nothing says which pods it isolates: what is enforced must stay.
    for (const char* metadata :
         {"{name: np, namespace: [a]}", "{name: np, namespace: {a: b}}", "np", "[np]"}) {
        const Loaded lost = policy(metadata);
        CAPTURE(metadata, all_problems(lost));
        CHECK(lost.unreadable);
        CHECK(all_problems(lost).find("which pods the policy isolates is unknown") !=
              std::string::npos);
        CHECK(all_problems(lost).find("the rest of the object is in force") == std::string::npos);
    }
    // A scalar's text is what was meant.
    CHECK(policy("{name: np, namespace: 5}").cluster.policies().contains({"5", "np"}));
}
