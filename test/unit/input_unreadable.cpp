#include <catch2/catch.hpp>

#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const std::string kPolicyHead = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";

std::string names(const Loaded& loaded) {
    std::string text;
    for (const auto& [name, pod] : loaded.cluster.pods()) text += "pod " + to_string(name) + " ";
    for (const auto& [name, ns] : loaded.cluster.namespaces()) text += "ns " + name + " ";
    for (const auto& [name, policy] : loaded.cluster.policies()) {
        text += "np " + to_string(name) + ":" + std::to_string(policy.pos.line) +
                (policy.ingress && policy.egress && policy.ingress_rules.empty() ? "! " : " ");
    }
    return text;
}

std::string ns_doc(const std::string& name) {
    return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n";
}

}  // namespace

TEST_CASE("input: an error in one document leaves the others alone, and lines stay right") {
    const std::string text = ns_doc("a") +                                      // 1-3
                             "---\n" +                                          // 4
                             "kind: [}\n" +                                     // 5
                             "---\n" +                                          // 6
                             kPolicyHead + "metadata: {name: p}\nspec: {}\n" +  // 7-10
                             "---\nkey: 'unclosed\n" +                          // 11-12
                             "---\n\tkind: Pod\n" +                             // 13-14
                             "---\n" + ns_doc("b");
    const Loaded loaded = load_text("t", text);
    CAPTURE(all_problems(loaded));
    CHECK(names(loaded) == "ns a ns b np default/p:7 ");
    REQUIRE(count(loaded, Severity::error) >= 3);
    CHECK(loaded.problems[0].pos.line == 5);
    CHECK(loaded.problems[1].pos.line >= 12);
    CHECK(loaded.problems[1].pos.line <= 13);
}

TEST_CASE("input: a policy that cannot be read isolates its namespace (D12)") {
    struct Row {
        std::string text;
        const char* names;  // with '!': isolates in both directions and allows nothing
    };
    const Row row = GENERATE(values<Row>({
        {kPolicyHead + "metadata:\n  name: p\n  namespace: shop\nspec: [}\n", "np shop/p:2! "},
        {kPolicyHead + "metadata: {namespace: shop, name: p}\nspec: [}\n", "np shop/p:2! "},
        {kPolicyHead + "metadata:\n  name: p\nspec: [}\n", "np default/p:2! "},
        {kPolicyHead + "metadata:\n\tname: p\nspec: [}\n", "np default/unreadable-2! "},
        {"metadata:\n  labels:\n    name: x\n    namespace: y\n  name: p\n  namespace: shop\n" +
             kPolicyHead + "spec: [}\n",
         "np shop/p:8! "},
        {"kind: \"NetworkPolicy\" # comment\nspec: [}\n", "np default/unreadable-1:1! "},
        {" kind: NetworkPolicy\nmetadata: {name: p}\nspec: {}\n", "np default/p:1! "},
        {"{kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: [}}\n",
         "np shop/p:1! "},
        {"apiVersion: networking.k8s.io/v1\nmetadata: {name: p}\nspec: {policyTypes: [}\n",
         "np default/p:1! "},
        {"--- {kind: NetworkPolicy, metadata: {name: p, namespace: shop}\n", "np shop/p:1! "},
        {"--- !!map # policy\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: [}\n",
         "np default/p:2! "},
        {"{x: [}, items: [{kind: NetworkPolicy, metadata: {name: p}}, {kind: NetworkPolicy,\n"
         " metadata: {labels: {namespace: x}, name: 'q', namespace: shop}}, }]\n",
         "np default/p:1! np shop/q:1! "},
        // several, most often for want of a separator
        {kPolicyHead + "metadata: {name: p}\nspec: {}\n" + kPolicyHead +
             "metadata: {name: q, namespace: shop}\nspec: {}\n",
         "np default/p:3! np shop/q:7! "},
        {kPolicyHead + "metadata: {name: p}\nspec: [}\n" + kPolicyHead +
             "metadata: {name: q, namespace: shop}\nspec: {}\n",
         "np default/p:2! np shop/q:6! "},
        // no policy: nothing to isolate
        {"kind: Pod\nmetadata: {name: p}\nspec: [}\n", ""},
        {"kind: ConfigMap\ndata:\n  x: |\n    kind: NetworkPolicy\n  y: [}\n", ""},
        // JSON
        {"{\"kind\": \"NetworkPolicy\", \"metadata\": {\"name\": \"p\", \"namespace\": \"shop\"}, "
         "\"spec\": }",
         "np shop/p:1! "},
        {"{\n\"apiVersion\": \"networking.k8s.io/v1\",\n\"kind\": \"NetworkPolicy\",\n"
         "\"metadata\": {\n\"name\": \"p\",\n\"namespace\": \"shop\"\n},\n\"spec\": {,}\n}\n",
         "np shop/p:3! "},
        {"{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\nx,\n{\"kind\": "
         "\"NetworkPolicy\", \"metadata\": {\"name\": \"p\", \"namespace\": \"shop\"}},\n"
         "{\"kind\": \"NetworkPolicy\", \"metadata\": {\"name\": \"q\"}}]}\n---\n" +
             ns_doc("b"),
         "ns b np default/q:4! np shop/p:3! "},
        {"{\"kind\": \"NetworkPolicy\", \"metadata\": {\"name\": \"p\"}, \"spec\": {}",
         "np default/p:1! "},
        {R"({"metadata": {"labels": {"namespace": "x", "name": "y"}, "name": "p",
             "namespace": "shop"}, "kind": "NetworkPolicy", "spec": })",
         "np shop/p:2! "},
        {R"({"kind": "NetworkPolicy", "metadata": {"labels": {"namespace": "x"}, "name": "p",
             "namespace": "shop"}, "spec": {"podSelector": })",
         "np shop/p:1! "},
        // the error is in the very words that tell
        {R"({"kind": NetworkPolicy, "metadata": {"name": "p", "namespace": "shop"}})",
         "np shop/p:1! "},
        {R"({"kind" "NetworkPolicy", "metadata": {"name": "p", "namespace": "shop"}})",
         "np shop/p:1! "},
        {R"({"kind": "NetworkPolicy, "metadata": {"name": "p", "namespace": "shop"}})",
         "np shop/p:1! "},
        {R"({"kind": "NetworkPolicy", "metadata": {"name": "p, "namespace": "shop"}})",
         "np shop/unreadable-1:1! "},
        {R"({"metadata": {"name": "p", "namespace": "shop", "kind": "NetworkPolicy"})",
         "np default/unreadable-1:1! "},
        {R"([{"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {"podSelector": {}},
             {"kind": "NetworkPolicy", "metadata": {"name": "q", "namespace": "shop"}}])",
         "np default/p:1! np shop/q:2! "},
        {R"([{"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {}}, {"kind": "Pod" x
             }, {"kind": "Pod", "metadata": {"name": "q", "namespace": "shop"}}])",
         "np default/p:1! "},
    }));
    CAPTURE(row.text);
    const Loaded loaded = load_text("t", row.text);
    CAPTURE(all_problems(loaded));
    CHECK(loaded.has_errors());
    std::string expected = row.names;
    if (expected == "np default/unreadable-2! ") expected = "np default/unreadable-2:2! ";
    CHECK(names(loaded) == expected);
}

TEST_CASE("input: policies lost from a typed list make the input unknown, since nothing isolates") {
    const std::string fine = "- metadata: {name: a}\n  spec: {podSelector: {}}\n";
    const std::string broken = "- metadata: {name: b}\n  spec: [}\n";
    const std::string head = "apiVersion: networking.k8s.io/v1\n";
    const std::string kind = "kind: NetworkPolicyList\n";
    for (const std::string& items : {broken, fine + broken}) {
        CHECK(load_text("t", head + kind + "items:\n" + items).unreadable);
        CHECK(load_text("t", head + "items:\n" + items + kind).unreadable);
        CHECK_FALSE(load_text("t", head + "items:\n" + items + "kind: PodList\n").unreadable);
    }
    CHECK_FALSE(load_text("t", head + "items:\n" + fine + kind).unreadable);
    CHECK(load_text("t", R"({"kind": "NetworkPolicyList", "items": [{"metadata": )").unreadable);
    // What it is stands behind the break.
    CHECK(load_text("t", R"({"items": [{"metadata": {"name": "a"}}, {"metadata": )").unreadable);
    CHECK_FALSE(load_text("t", R"({"kind": "PodList", "items": [{"metadata": )").unreadable);
}

TEST_CASE("input: a policy with a field written twice isolates what either spelling may have") {
    const char* spec = GENERATE(
        "{podSelector: {}, podSelector: {matchLabels: {app: other}}}",
        "{podSelector: {matchLabels: {app: web}, matchLabels: {app: other}}}",
        "{podSelector: {matchLabels: {app: web, app: other}}}",
        "{podSelector: {matchExpressions: [{key: app, operator: Exists}], matchExpressions: "
        "[{key: other, operator: Exists}]}}",
        "{podSelector: {}, policyTypes: [Ingress], policyTypes: [Egress], egress: [{}]}",
        "{podSelector: {}}\nspec: {podSelector: {matchLabels: {app: other}}}");
    CAPTURE(spec);
    const Loaded loaded = load_text("t", kPolicyHead + "metadata: {name: p}\nspec: " + spec);
    CAPTURE(all_problems(loaded));
    CHECK(loaded.has_errors());
    const NetworkPolicy& policy = loaded.cluster.policies().begin()->second;
    CHECK(policy.pods.requirements.empty());
    CHECK(policy.ingress);
    CHECK(policy.egress);  // of an untrusted policy without policyTypes, too
    CHECK(policy.ingress_rules.empty());
    CHECK(policy.egress_rules.empty());
}

TEST_CASE("input: a policy with two namespaces isolates in both") {
    const Loaded loaded =
        load_text("t",
                  "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, "
                  "namespace: a, namespace: b}\nspec: {}\n");
    CAPTURE(all_problems(loaded));
    CHECK(loaded.has_errors());
    CHECK(loaded.cluster.policies().contains({"a", "unreadable-3"}));
    CHECK(loaded.cluster.policies().contains({"b", "p"}));
}

TEST_CASE("input: of a list that was cut off it is unknown which policies it lacks") {
    const std::string pod = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n";
    CHECK(load_text("t", "apiVersion: v1\nitems:\n" + pod).unreadable);
    CHECK(load_text("t", "apiVersion: v1\nitems:\n" + pod + "- apiVersion: networki").unreadable);
    CHECK_FALSE(load_text("t", "apiVersion: v1\nitems:\n" + pod + "kind: List\n").unreadable);
    const std::string json =
        R"({"apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}})";
    CHECK(load_text("t", json).unreadable);
    CHECK(load_text("t", json + R"(,{"apiVersion":"networki)").unreadable);
    CHECK(load_text("t", json + "]").unreadable);
    CHECK(load_text("t", json + R"(],"kind":"Li)").unreadable);
    CHECK_FALSE(load_text("t", json + R"(],"kind":"List"})").unreadable);
}

TEST_CASE("input: an object cut off before its kind at the end makes the input unknown") {
    const std::string pod = "- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n";
    const std::string list = "apiVersion: v1\nkind: List\nitems:\n" + pod;
    const std::string cut =
        GENERATE("apiVersion: networking.k8s.i", "apiVersion:", "apiVersion: v1",
                 "apiVersion: networking.k8s.io/v1\n  kind: Netw", "metadata: {name: p}");
    CAPTURE(cut);
    CHECK(load_text("t", list + "- " + cut).unreadable);
    CHECK(load_text("t", "# first\n--- [x, y]\n---\n" + list + "- " + cut + "\n").unreadable);
    // Behind it something whole tells that the text goes on.
    CHECK_FALSE(load_text("t", list + "- " + cut + "\n" + pod).unreadable);
    CHECK_FALSE(load_text("t", list + "- " + cut + "\n---\n" + ns_doc("b")).unreadable);
    CHECK_FALSE(load_text("t", list).unreadable);
}

TEST_CASE("input: a document cut off before its kind at the end makes the input unknown") {
    const std::string whole = ns_doc("b") + "---\n";
    CHECK(load_text("t", whole + "apiVersion: networking.k8s.i").unreadable);
    CHECK(load_text("t", whole + "apiVersion: networking.k8s.io/v1\nkind: Ne").unreadable);
    CHECK_FALSE(load_text("t", whole + "apiVersion: example.com/v1\nkind: Network\n"
                                       "metadata: {name: p}\n")
                    .unreadable);
    // Helm's values and the like lie among manifests.
    CHECK_FALSE(load_text("t", whole + "replicas: 3\n").unreadable);
}

TEST_CASE("input: JSON behind a comment and text that is no object are searched for policies") {
    const std::string json =
        "{\n\"kind\": \"NetworkPolicy\",\n\"metadata\": {\"name\": \"p\", \"namespace\": "
        "\"shop\"}\n}\n";
    for (const char* comment : {"// made by hand\n", "/* made\n by hand */ ", "/* a */\n// b\n"}) {
        const Loaded loaded = load_text("t", comment + json);
        CAPTURE(all_problems(loaded));
        CHECK(loaded.unreadable);
        CHECK(loaded.cluster.policies().contains({"shop", "p"}));
        CHECK(all_problems(loaded).find("JSON has no comments") != std::string::npos);
    }
    CHECK(load_text("t", "// pods only\n{\"kind\": \"Pod\"}\n").unreadable);
    // A root that is nothing but text.
    const Loaded text = load_text("t", "'\nkind: NetworkPolicy\nmetadata:\n  name: p\n'\n");
    CAPTURE(all_problems(text));
    CHECK(text.unreadable);
    CHECK(text.cluster.policies().contains({"default", "p"}));
    CHECK(load_text("t", "just words\n").has_errors());
}

TEST_CASE("input: guessed names displace nothing and are displaced by nothing") {
    const std::string broken = kPolicyHead + "metadata: {name: p}\nspec: [}\n";
    const std::string fine = kPolicyHead + "metadata: {name: p}\nspec: {policyTypes: [Ingress]}\n";
    for (const std::string& text : {broken + "---\n" + fine, fine + "---\n" + broken}) {
        const Loaded loaded = load_text("t", text);
        CAPTURE(all_problems(loaded));
        REQUIRE(loaded.cluster.policies().size() == 2);
        CHECK_FALSE(loaded.cluster.policies().at({"default", "p"}).egress);
    }
}
