#include <catch2/catch.hpp>

#include "controller/manifest_stream.hpp"
#include "controller/selector.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const std::string kPolicyHead = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";

}  // namespace

TEST_CASE("input: anchors, aliases and merges are expanded") {
    const std::string text =
        kPolicyHead +
        "metadata: {name: p}\n"
        "spec:\n"
        "  podSelector: &sel {matchLabels: &l {app: web}}\n"
        "  ingress:\n"
        "  - from: [{podSelector: *sel}]\n"
        "  - from: [{podSelector: {matchLabels: {<<: *l, tier: db}}}]\n"
        "  - from: [{podSelector: {matchLabels: {<<: [*l, {app: no, x: u}]}}}]\n"
        "  - ports: [&port {port: 80}, *port, {<<: *port, protocol: UDP}]\n";
    const Loaded loaded = load_text("t", text);
    CAPTURE(all_problems(loaded));
    CHECK(loaded.problems.empty());
    const NetworkPolicy& policy = loaded.cluster.policies().begin()->second;
    const auto peer = [&](std::size_t rule) {
        return to_string(policy.ingress_rules.at(rule).peers.at(0));
    };
    CHECK(peer(0) == "pods app=web of this namespace");
    CHECK(peer(1) == "pods app=web,tier=db of this namespace");
    CHECK(peer(2) == "pods app=web,x=u of this namespace");
    CHECK(policy.ingress_rules[3].ports.size() == 3);
    CHECK(to_string(policy.ingress_rules[3].ports[2]) == "80/UDP");
}

TEST_CASE("input: anchors reach from one item of a list to the next, and no further") {
    const std::string item = "  kind: NetworkPolicy\n  apiVersion: networking.k8s.io/v1\n";
    const std::string list =
        "x-common: &head {app: web}\nkind: List\napiVersion: v1\nitems:\n- metadata: {name: a}\n" +
        item +
        "  spec: {podSelector: &sel {matchLabels: *head}}\n- metadata: {name: "
        "b}\n" +
        item + "  spec: {podSelector: *sel}\n- metadata: {name: c}\n" + item +
        "  spec: {podselector: *sel}\n";
    const Loaded loaded = load_text("t", list);
    CAPTURE(all_problems(loaded));
    REQUIRE(loaded.cluster.policies().size() == 3);
    CHECK(to_string(loaded.cluster.policies().at({"default", "b"}).pods) == "app=web");
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].pos.line == 16);

    const Loaded next = load_text("t", list + "---\nkind: NetworkPolicy\nspec: *sel\n");
    CHECK(next.cluster.policies().contains({"default", "unreadable-18"}));
}

TEST_CASE("input: keys written twice are errors wherever they matter") {
    const Loaded loaded =
        load_text("t",
                  "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b, labels: {x: a, x: b}}\n"
                  "spec: {nodeName: a, nodeName: b}\nstatus: {phase: Running, phase: Failed}\n");
    CAPTURE(all_problems(loaded));
    for (const char* field :
         {"metadata.name", "metadata.labels.x", "spec.nodeName", "status.phase"}) {
        CAPTURE(field);
        CHECK(problem_at(loaded, field) != nullptr);
    }
    const Pod& pod = loaded.cluster.pods().begin()->second;
    CHECK(pod.name.name == "b");
    CHECK(pod.phase == PodPhase::failed);
}

TEST_CASE("input: layouts that thinning out cannot follow are read as they are") {
    // Flow braces and quoted text that end left of where they began, and comments between.
    const Loaded loaded = load_text("t",
                                    "apiVersion: v1\n"
                                    "items:\n"
                                    "- apiVersion: v1\n"
                                    "  kind: Pod\n"
                                    "  metadata:\n"
                                    "    annotations: {\n"
                                    "    }\n"
                                    "    name: web\n"
                                    "  spec:\n"
                                    "    securityContext: {\n"
                                    "    }\n"
                                    "    \"nodeName\": n1\n"
                                    "    volumes:\n"
                                    "    # none\n"
                                    "    hostNetwork : true\n"
                                    "  status: {phase: Running,\n"
                                    "    podIP: 10.0.0.1}\n"
                                    "kind: List\n");
    CAPTURE(all_problems(loaded));
    CHECK(loaded.problems.empty());
    const Pod& pod = loaded.cluster.pods().begin()->second;
    CHECK(pod.node == "n1");
    CHECK(pod.host_network);
    CHECK(pod.addresses.size() == 1);
    CHECK(pod.phase == PodPhase::running);
}
