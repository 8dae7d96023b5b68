// Pods of which it is not known which policies mean them are isolated for as long as they are
// there.
#include "controller/unsure_pods.hpp"

#include <catch2/catch.hpp>

#include "controller/api_stream.hpp"
#include "controller/compile.hpp"
#include "controller/manifest_source.hpp"
#include "test/support/api_sink.hpp"
#include "test/support/builders.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

Pod unknown(std::string_view name) {
    Pod made = pod(name, "10.0.0.1");
    made.labels.edit().emplace(kUnsureLabel, kUnknown);
    return made;
}

/// What the marks of a pod in an answer of the API server are, with this metadata.
Pod decoded(const Node& tree, const std::string& cut = "") {
    auto result = decode_api_object(Kind::pod, {.tree = tree, .cut = cut});
    REQUIRE(result);
    CHECK_FALSE(result->problems.empty());
    return std::get<Pod>(result->object);
}

Node pod_tree(Node labels) {
    labels.key = "labels";
    Node metadata{.key = "metadata", .kind = Node::Kind::map};
    for (const char* key : {"name", "namespace"}) {
        metadata.children.push_back({.key = key, .text = "p", .kind = Node::Kind::string});
    }
    metadata.children.push_back(std::move(labels));
    return {.children = {std::move(metadata)}, .kind = Node::Kind::map};
}

}  // namespace

TEST_CASE("unsure pods: a policy of our own is there before the first and until after the last") {
    RecordingSink sink;
    UnsurePods unsure(sink);
    unsure.put(Pod(pod("a/fine", "10.0.0.9")), {});
    CHECK(sink.take() == "put Pod a/fine");
    unsure.put(unknown("a/p"), {{.message = "unreadable"}});
    CHECK(sink.take() == "put NetworkPolicy a/(in error); put Pod a/p");
    CHECK(sink.object_problems.at("Pod a/p").size() == 1);
    unsure.put(unknown("a/q"), {});
    unsure.put(unknown("b/p"), {});
    CHECK(sink.take() == "put Pod a/q; put NetworkPolicy b/(in error); put Pod b/p");
    unsure.put(unknown("a/p"), {});
    unsure.put(Pod(pod("a/p", "10.0.0.1")), {});  // Mended.
    CHECK(sink.take() == "put Pod a/p; put Pod a/p");
    unsure.remove(Kind::policy, name("a/q"));  // One of the same name is not the pod.
    CHECK(sink.take() == "remove NetworkPolicy a/q");
    unsure.remove(Kind::pod, name("a/q"));
    CHECK(sink.take() == "remove Pod a/q; remove NetworkPolicy a/(in error)");
    unsure.put(Pod(pod("b/p", "10.0.0.1")), {});
    CHECK(sink.take() == "put Pod b/p; remove NetworkPolicy b/(in error)");
    unsure.put(unknown("b/p"), {});
    CHECK(sink.take() == "put NetworkPolicy b/(in error); put Pod b/p");
}

TEST_CASE("unsure pods: the policy isolates them in both directions, and no other pod") {
    const Cluster known = cluster(unknown("a/p"), pod("a/fine", "10.0.0.2"),
                                  pod("b/other", "10.0.0.3"), stand_in_policy("a", {}));
    const Compiled compiled = compile_all(known, {.node = "n1"});
    CHECK(compiled.local_pods == 3);
    CHECK(compiled.isolated_pods == 1);
    CHECK(compiled.table.maps.at("egress-v4").entries.size() == 1);
    CHECK(compiled.table.maps.at("ingress-v4").entries.size() == 1);
    CHECK(is_stand_in(stand_in_policy("a", {}).name));
    CHECK_FALSE(is_stand_in(name("a/in-error")));
}

TEST_CASE("unsure pods: labels that cannot be read from an API server are among the reasons") {
    CHECK(is_unknown(decoded(pod_tree({.text = "no map", .kind = Node::Kind::string}))));
    const Node text{.key = "not a key", .text = "x", .kind = Node::Kind::string};
    CHECK(is_unknown(decoded(pod_tree({.children = {text}, .kind = Node::Kind::map}))));
    // What is known as text finds the pod, so nothing is unknown.
    const Node number{.key = "app", .text = "1", .kind = Node::Kind::integer};
    CHECK_FALSE(is_unknown(decoded(pod_tree({.children = {number}, .kind = Node::Kind::map}))));
    // Lost to a limit.
    const Node empty{.kind = Node::Kind::map};
    CHECK(is_unknown(decoded(pod_tree(empty), "metadata.labels")));
    CHECK_FALSE(is_unknown(decoded(pod_tree(empty), "spec.containers")));
}

TEST_CASE("unsure pods: manifests have the same policy, once a namespace") {
    const std::string bad =
        "apiVersion: v1\nkind: Pod\nmetadata: {namespace: a, labels: [], name: ";
    const Loaded loaded = load_text("t", bad + "p}\n---\n" + bad + "q}\n");
    REQUIRE(loaded.cluster.policies().size() == 1);
    const auto& [name, policy] = *loaded.cluster.policies().begin();
    CHECK(is_stand_in(name));
    for (const char* pod : {"p", "q"}) {
        CHECK(is_unknown(*loaded.cluster.find_pod({.ns = "a", .name = pod})));
    }
    CHECK(policy.pods == stand_in_policy("a", {}).pods);
}
