#include <catch2/catch.hpp>

#include "controller/manifest_stream.hpp"
#include "controller/selector.hpp"
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

TEST_CASE("input: streams of documents are cut where documents start and end") {
    struct Row {
        std::string text;
        const char* names;
    };
    const Row row = GENERATE(values<Row>({
        {"", ""},
        {"\n\n# only comments\n---\n--- # more\n...\n", ""},
        {"%YAML 1.1\n---\n" + ns_doc("a"), "ns a "},
        {ns_doc("a") + "---\n" + ns_doc("b"), "ns a ns b "},
        {ns_doc("a") + "--- # comment\n" + ns_doc("b") + "...\n" + ns_doc("c"), "ns a ns b ns c "},
        {"---\t\n" + ns_doc("a") + "---\n---\n\n---\n" + ns_doc("b") + "---", "ns a ns b "},
        {"\xef\xbb\xbf" + ns_doc("a"), "ns a "},
        {"\xef\xbb\xbf{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}",
         "ns a "},
        {"--- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n", "ns a "},
        {"{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\n" + ns_doc("b"),
         "ns a ns b "},
        {"{\n# flow style\n apiVersion: v1, kind: Namespace,\n metadata: {name: a}\n}\n", "ns a "},
        {"apiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: a\r\n---\r\n" + ns_doc("b"),
         "ns a ns b "},
        {"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    ---x: b\n",
         "ns a "},  // no separator: indented
        {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}   \t # end\n", "ns a "},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}"
         "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"b\"}}\n\n---\n" +
             ns_doc("c"),
         "ns a ns b ns c "},
        {"# comment\n---\n{ \n\n \"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":"
         "{\"name\":\"a\"}}\n---\n" +
             ns_doc("b"),
         "ns a ns b "},
        {"[{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}]", "ns a "},
        {"- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
         "- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n",
         "ns a ns b "},
    }));
    CAPTURE(row.text);
    const Loaded whole = load_text("t", row.text);
    CAPTURE(all_problems(whole));
    for (const Problem& problem : whole.problems) {
        // A label key like "---x" is refused as such and not taken for a separator.
        CHECK(problem.field == "metadata.labels.---x");
    }
    CHECK(names(whole) == row.names);

    // Where the pieces of a stream end must not show.
    for (const std::size_t size : {1, 2, 3, 7}) {
        Loaded pieces;
        ProblemLog log;
        const LoadOptions options;
        ObjectLoader loader(pieces, log, options);
        loader.begin_source("t");
        ManifestStream stream(loader);
        std::string_view rest = row.text;
        // A byte order mark comes whole.
        const std::size_t mark = rest.starts_with("\xef") ? 3 : 0;
        if (mark > 0) REQUIRE(stream.feed(rest.substr(0, mark)));
        rest.remove_prefix(mark);
        while (!rest.empty()) {
            REQUIRE(stream.feed(rest.substr(0, size)));
            rest.remove_prefix(std::min(size, rest.size()));
        }
        stream.finish();
        CHECK(pieces.cluster == whole.cluster);
    }
}

TEST_CASE("input: a return alone ends a line as well, wherever the text is cut") {
    const std::string yaml = ns_doc("a") + "---\n" + kPolicyHead +
                             "metadata: {name: p, namespace: a}\nspec:\n  podSelector: {}\n---\n"
                             "{\"apiVersion\": \"v1\",\n\"kind\": \"Namespace\",\n"
                             "\"metadata\": {\"name\": \"b\"}}\n---\nkind: [}\n";
    const auto with_ends = [&](std::string_view end) {
        std::string text;
        for (const char c : yaml) text += c == '\n' ? end : std::string_view(&c, 1);
        return text;
    };
    const Loaded plain = load_text("t", yaml);
    REQUIRE(plain.cluster.namespaces().size() == 2);
    for (const char* end : {"\r", "\r\n"}) {
        const std::string text = with_ends(end);
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            Loaded loaded;
            ProblemLog log;
            const LoadOptions options;
            ObjectLoader loader(loaded, log, options);
            loader.begin_source("t");
            ManifestStream stream(loader);
            stream.feed(std::string_view(text).substr(0, cut));
            stream.feed(std::string_view(text).substr(cut));
            stream.finish();
            loaded.problems = log.take();
            CAPTURE(cut, all_problems(loaded));
            REQUIRE(loaded.cluster == plain.cluster);
            REQUIRE(loaded.problems == plain.problems);
        }
    }
}

TEST_CASE("input: of two objects with one name the later is in force, and it is told") {
    const Loaded loaded =
        load_text("t", kPolicyHead + "metadata: {name: p}\nspec: {policyTypes: [Egress]}\n---\n" +
                           kPolicyHead + "metadata: {name: p}\nspec: {}\n---\n" + ns_doc("a") +
                           "---\n" + ns_doc("a"));
    CAPTURE(all_problems(loaded));
    CHECK(count(loaded, Severity::warning) == 2);
    CHECK_FALSE(loaded.has_errors());
    REQUIRE(loaded.problems.size() == 2);
    CHECK(loaded.problems[0].pos.line == 6);
    CHECK(loaded.problems[0].message == "is also at t:1");
    CHECK_FALSE(loaded.cluster.policies().at({"default", "p"}).egress);
}

TEST_CASE("input: lists of every make give their items") {
    struct Row {
        std::string text;
        const char* names;
        bool fine;
    };
    const std::string a = "- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: a\n";
    const std::string b = "- metadata:\n    name: b\n  kind: Namespace\n  apiVersion: v1\n";
    const std::string bare = "- metadata:\n    name: a\n- metadata: {name: b}\n";
    const Row row = GENERATE_COPY(values<Row>({
        // kubectl get -o yaml: the kind comes last
        {"apiVersion: v1\nitems:\n" + a + b + "kind: List\nmetadata:\n  resourceVersion: \"\"\n",
         "ns a ns b ", true},
        {"kind: List\napiVersion: v1\nitems: # all\n\n# first\n" + a + "\n  # between\n" + b,
         "ns a ns b ", true},
        {"kind: List\napiVersion: v1\nitems:\n  - {apiVersion: v1, kind: Namespace, metadata: "
         "{name: a}}\n  -\n    apiVersion: v1\n    kind: Namespace\n    metadata: {name: b}\n",
         "ns a ns b ", true},
        {"kind: List\napiVersion: v1\nitems: [{apiVersion: v1, kind: Namespace, metadata: {name: "
         "a}}]\n",
         "ns a ", true},
        {"kind: List\napiVersion: v1\n\"items\":\n" + a, "ns a ", true},
        {"kind: List\napiVersion: v1\nitems: []\n", "", true},
        {"kind: List\napiVersion: v1\nitems:\n", "", true},
        {"apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n", "", true},
        // typed lists: items without kind, and the list's before or after
        {"kind: NamespaceList\napiVersion: v1\nitems:\n" + bare, "ns a ns b ", true},
        {"apiVersion: v1\nitems:\n" + bare + "kind: NamespaceList\n", "ns a ns b ", true},
        {"{\"kind\":\"NamespaceList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":"
         "[{\"metadata\":{\"name\":\"a\"}}]}",
         "ns a ", true},
        {"{\"items\":[{\"metadata\":{\"name\":\"a\"}}],\"kind\":\"NamespaceList\","
         "\"apiVersion\":\"v1\"}",
         "ns a ", true},
        {"kind: NetworkPolicyList\napiVersion: networking.k8s.io/v1\nitems:\n- metadata: {name: "
         "p}\n  spec: {policyTypes: [Ingress]}\n",
         "np default/p:4 ", true},
        // lists in lists
        {"kind: List\napiVersion: v1\nitems:\n- kind: NamespaceList\n  apiVersion: v1\n  items:\n"
         "  - metadata: {name: a}\n- kind: List\n  items: null\n",
         "ns a ", true},
        // a broken item costs itself
        {"apiVersion: v1\nitems:\n" + a + "- kind: [}\n" + b + "kind: List\n", "ns a ns b ", false},
        {"apiVersion: v1\nitems:\n" + a +
             "- kind: NetworkPolicy\n  metadata:\n    name: p\n    namespace: s\n  spec: [}\n" + b +
             "kind: List\n",
         "ns a ns b np s/p:7! ", false},
        // cut off, or not a list
        {"apiVersion: v1\nitems:\n" + a, "ns a ", false},
        {"apiVersion: v1\nkind: Thing\nitems:\n" + a, "ns a ", false},
        {"apiVersion: v1\nkind: List\nitems: {}\n", "", false},
        {"apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}\n", "", false},
        {"apiVersion: v1\nkind: List\nItems:\n" + a, "", false},
        {"apiVersion: v1\nkind: List\nitems:\n- items:\n  - {apiVersion: v1, kind: Namespace, "
         "metadata: {name: a}}\n",
         "ns a ", false},
        {"metadata: {name: p}\nspec: {podSelector: {}}\n", "np default/p:1! ", false},
        {"apiVersion: v1\nkind: List\nitems:\n- null\n- text\n" + a, "ns a ", false},
        {"apiVersion: v1\nitems:\n" + bare + "kind: Thing\n", "", false},
    }));
    CAPTURE(row.text);
    const Loaded loaded = load_text("t", row.text);
    CAPTURE(all_problems(loaded));
    CHECK(names(loaded) == row.names);
    CHECK(loaded.has_errors() != row.fine);
}

TEST_CASE("input: lines inside the items of a list are those of the file") {
    const Loaded loaded = load_text("t",
                                    "apiVersion: v1\n"
                                    "items:\n"
                                    "- apiVersion: networking.k8s.io/v1\n"
                                    "  kind: NetworkPolicy\n"
                                    "  metadata:\n"
                                    "    annotations:\n"
                                    "      a: |\n"
                                    "        x\n"
                                    "    managedFields:\n"
                                    "    - a: b\n"
                                    "    name: p\n"
                                    "  spec:\n"
                                    "    podselector: {}\n"
                                    "- apiVersion: v1\n"
                                    "  kind: Pod\n"
                                    "  metadata:\n"
                                    "    name: web\n"
                                    "  spec:\n"
                                    "    volumes:\n"
                                    "    - name: v\n"
                                    "  status:\n"
                                    "    podIP: x\n"
                                    "knd: List\n");
    CAPTURE(all_problems(loaded));
    REQUIRE(loaded.problems.size() == 3);
    CHECK(loaded.problems[0].pos.line == 13);
    CHECK(loaded.problems[0].field == "spec.podselector");
    CHECK(loaded.problems[1].pos.line == 22);
    CHECK(loaded.problems[1].field == "status.podIP");
    CHECK(loaded.cluster.policies().begin()->second.pos.line == 3);
    CHECK(loaded.cluster.pods().begin()->second.pos->line == 14);
}

TEST_CASE("input: kinds that do not matter are skipped and counted") {
    const Loaded loaded = load_text("t",
                                    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
                                    "---\napiVersion: v1\nkind: Service\n---\n"
                                    "apiVersion: metrics.k8s.io/v1\nkind: Pod\nmetadata: {}\n---\n"
                                    "apiVersion: v1\nmetadata: {}\n---\ntext\n---\n42\n");
    CAPTURE(all_problems(loaded));
    CHECK(loaded.skipped == 3);
    CHECK(loaded.objects == 0);
    CHECK(count(loaded, Severity::error) == 3);
}

TEST_CASE("input: YAML and JSON give equal clusters") {
    const std::string yaml = R"(apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-1
    namespace: shop
    uid: u-1
    labels: {app: web, "tier": '1', on: "yes"}
    creationTimestamp: 2026-03-04T05:06:07Z
    deletionTimestamp: "2026-03-04T05:06:09Z"
  spec:
    nodeName: n1
    hostNetwork: no
    containers:
    - name: c
      image: x
      env: [{name: A, value: "b"}]
      ports:
      - {name: http, containerPort: 0x1F90}
      - {containerPort: 1}
    initContainers:
    - {name: once, ports: [{name: a, containerPort: 1}]}
    - {name: side, restartPolicy: Always, ports: [{name: dns, containerPort: 53, protocol: UDP}]}
  status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}], hostIP: 192.0.2.1}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: p, namespace: shop}
  spec:
    podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}]}
    policyTypes: [Ingress, Egress]
    egress:
    - to: [{namespaceSelector: {}}]
      ports: [{port: 53, protocol: UDP}, {port: dns, protocol: TCP}, {port: 8000, endPort: 8080}]
)";
    const std::string json = R"({"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Pod",
 "metadata": {"name": "web-1", "namespace": "shop", "uid": "u-1",
  "labels": {"app": "web", "tier": "1", "true": "yes"},
  "creationTimestamp": "2026-03-04T05:06:07Z", "deletionTimestamp": "2026-03-04T05:06:09Z"},
 "spec": {"nodeName": "n1", "hostNetwork": false,
  "containers": [{"name": "c", "image": "x", "env": [{"name": "A", "value": "b"}],
   "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 1}]}],
  "initContainers": [{"name": "once", "ports": [{"name": "a", "containerPort": 1}]},
   {"name": "side", "restartPolicy": "Always",
    "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]},
 "status": {"phase": "Running", "podIP": "10.0.0.1",
  "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "hostIP": "192.0.2.1"}},
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
 "metadata": {"name": "p", "namespace": "shop"},
 "spec": {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In",
   "values": ["web", "api"]}]}, "policyTypes": ["Ingress", "Egress"],
  "egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 53, "protocol": "UDP"},
   {"port": "dns", "protocol": "TCP"}, {"port": 8000, "endPort": 8080}]}]}}]}
)";
    const Loaded from_yaml = load_text("t", yaml);
    const Loaded from_json = load_text("t", json);
    CAPTURE(all_problems(from_yaml), all_problems(from_json));
    CHECK(from_yaml.problems.empty());
    CHECK(from_json.problems.empty());
    CHECK(without_positions(from_yaml.cluster) == without_positions(from_json.cluster));
    CHECK(from_json.cluster.pods().begin()->second.pos->line == 2);
    const Pod& pod = from_yaml.cluster.pods().begin()->second;
    CHECK(pod.labels == Labels{{"app", "web"}, {"tier", "1"}, {"true", "yes"}});
    CHECK(pod.addresses.size() == 2);
    CHECK(pod.node_addresses.size() == 1);
    CHECK(pod.deleting);
    CHECK(pod.created_s == 1772600767);
    // One that no policy can name is kept: it is what a flow may go to.
    CHECK(pod.ports == std::vector<ContainerPort>{{"http", 8080, Protocol::tcp},
                                                  {"", 1, Protocol::tcp},
                                                  {"dns", 53, Protocol::udp}});
}
