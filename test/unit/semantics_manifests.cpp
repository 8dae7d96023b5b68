// What YAML means when fields are empty, missing, null or wrong: the statements whose point lies
// in decoding, from the text to both verdicts. N8-N17, N27, N36-N39, N47, N48, N51, D12.
#include <string>

#include <catch2/catch.hpp>

#include "controller/manifest_source.hpp"
#include "test/support/builders.hpp"
#include "test/support/expect.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

constexpr const char* kPods = R"(
--- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
--- {apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {team: b}}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: a, name: db, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}], hostIP: 192.168.0.1}
---
apiVersion: v1
kind: Pod
metadata: {namespace: a, name: web, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.2, hostIP: 192.168.0.2}
---
apiVersion: v1
kind: Pod
metadata: {namespace: b, name: web, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.3, hostIP: 192.168.0.2}
)";

/// The world above and one policy in namespace a with this spec, in flow style.
Cluster with_spec(const std::string& spec) {
    std::string text = kPods;
    text += "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
    text += "metadata: {namespace: a, name: p}\nspec: ";
    text += spec;
    text += "\n";
    return load_text("test.yaml", text).cluster;
}

const Flow kIn = flow("10.0.0.2", "10.0.0.1");
const Flow kInFromB = flow("10.0.0.3", "10.0.0.1");
const Flow kOut = flow("10.0.0.1", "8.8.8.8");

void expect_isolated(const std::string& spec, bool ingress, bool egress) {
    INFO(spec);
    const Cluster c = with_spec(spec);
    REQUIRE(c.pods().size() == 3);
    expect(c, flow("8.8.8.8", "10.0.0.1"), !ingress);
    expect(c, kOut, !egress);
}

}  // namespace

TEST_CASE("N8: missing and empty policyTypes mean Ingress, and Egress if there are egress rules",
          "[semantics]") {
    expect_isolated("{podSelector: {}}", true, false);
    expect_isolated("{podSelector: {}, policyTypes: []}", true, false);
    expect_isolated("{podSelector: {}, policyTypes: null}", true, false);
    expect_isolated("{podSelector: {}, egress: []}", true, false);
    expect_isolated("{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 9.9.9.9/32}}]}]}", true,
                    true);
    expect_isolated("{podSelector: {}, ingress: [{}], egress: [{}]}", false, false);
}

TEST_CASE("N9 N10 corners 1 3: what an unlisted direction says is ignored", "[semantics]") {
    expect_isolated("{podSelector: {}, policyTypes: [Egress], ingress: [], egress: [{}]}", false,
                    false);
    expect_isolated(
        "{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: "
        "{matchLabels: {x: y}}}]}]}",
        false, true);
    expect_isolated("{podSelector: {}, policyTypes: [Ingress], egress: [{to: []}]}", true, false);
}

TEST_CASE("N11: a type named twice is named once", "[semantics]") {
    expect_isolated("{podSelector: {}, policyTypes: [Ingress, Ingress]}", true, false);
}

TEST_CASE("N12: podSelector empty, null or missing chooses every pod", "[semantics]") {
    expect_isolated("{policyTypes: [Ingress, Egress], podSelector: {}}", true, true);
    expect_isolated("{policyTypes: [Ingress, Egress], podSelector: null}", true, true);
    expect_isolated("{policyTypes: [Ingress, Egress]}", true, true);
    expect_isolated("{policyTypes: [Ingress, Egress], podSelector: {matchLabels: {}}}", true, true);
    expect_isolated("{policyTypes: [Ingress, Egress], podSelector: {matchLabels: {app: x}}}", false,
                    false);
}

TEST_CASE("N13: no rules, null rules and missing rules are the same", "[semantics]") {
    for (const std::string rules :
         {"", ", ingress: [], egress: []", ", ingress: null, egress: null"}) {
        std::string spec = "{podSelector: {}, policyTypes: [Ingress, Egress]";
        spec += rules;
        spec += "}";
        expect_isolated(spec, true, true);
    }
}

TEST_CASE("N14 N15: peers and ports empty, null or missing mean all", "[semantics]") {
    for (const std::string rule :
         {"{}", "{from: []}", "{from: null}", "{ports: []}", "{from: null, ports: null}"}) {
        std::string spec = "{podSelector: {}, ingress: [";
        spec += rule;
        spec += "]}";
        INFO(spec);
        const Cluster c = with_spec(spec);
        expect(c, kIn, true);
        expect(c, flow("8.8.8.8", "10.0.0.1", 0, kIcmp), true);
        expect(c, flow("2001:db8::1", "fd00::1", 1, kSctp), true);
    }
}

TEST_CASE("N16 V9 D12: a peer without field lets nobody in, and spoils only itself",
          "[semantics]") {
    const Cluster alone = with_spec("{podSelector: {}, ingress: [{from: [{}]}]}");
    expect(alone, kIn, false);
    const Cluster beside =
        with_spec("{podSelector: {}, ingress: [{from: [{}, {podSelector: {}}]}]}");
    expect(beside, kIn, true);
    expect(beside, kInFromB, false);
}

TEST_CASE("N17: an empty selector of a peer is not a missing one", "[semantics]") {
    const Cluster own = with_spec("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}");
    expect(own, kIn, true);
    expect(own, kInFromB, false);
    const Cluster all =
        with_spec("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}");
    expect(all, kIn, true);
    expect(all, kInFromB, true);
    expect(all, flow("8.8.8.8", "10.0.0.1"), false);
}

TEST_CASE("N21: a list item more or less is an OR or an AND", "[semantics]") {
    const Cluster both = with_spec(
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, "
        "podSelector: {matchLabels: {app: x}}}]}]}");
    expect(both, kInFromB, false);
    const Cluster either = with_spec(
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}, "
        "{podSelector: {matchLabels: {app: x}}}]}]}");
    expect(either, kInFromB, true);
    expect(either, kIn, false);
}

TEST_CASE("N27: the name label is added to namespaces that lack it", "[semantics]") {
    const Cluster c = with_spec(
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: "
        "{kubernetes.io/metadata.name: b}}}]}]}");
    expect(c, kInFromB, true);
    expect(c, kIn, false);
}

TEST_CASE("N36: host bits of a cidr are masked", "[semantics]") {
    const Cluster c =
        with_spec("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 9.9.9.77/24}}]}]}");
    expect(c, flow("9.9.9.1", "10.0.0.1"), true);
    expect(c, flow("9.9.10.1", "10.0.0.1"), false);
}

TEST_CASE("N37 N38: a missing protocol is TCP, a missing port all of them", "[semantics]") {
    const Cluster tcp = with_spec("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}");
    expect(tcp, kIn, true);
    expect(tcp, flow("10.0.0.2", "10.0.0.1", 80, kUdp), false);
    const Cluster all_tcp = with_spec("{podSelector: {}, ingress: [{ports: [{}]}]}");
    expect(all_tcp, flow("10.0.0.2", "10.0.0.1", 65535), true);
    expect(all_tcp, flow("10.0.0.2", "10.0.0.1", 65535, kUdp), false);
    expect(all_tcp, flow("10.0.0.2", "10.0.0.1", 0, kIcmp), false);
    const Cluster all_udp = with_spec("{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}");
    expect(all_udp, flow("10.0.0.2", "10.0.0.1", 7, kUdp), true);
    expect(all_udp, kIn, false);
}

TEST_CASE("N39: endPort makes a range", "[semantics]") {
    const Cluster c =
        with_spec("{podSelector: {}, ingress: [{ports: [{port: 8000, endPort: 8002}]}]}");
    expect(c, flow("10.0.0.2", "10.0.0.1", 7999), false);
    expect(c, flow("10.0.0.2", "10.0.0.1", 8002), true);
    expect(c, flow("10.0.0.2", "10.0.0.1", 8003), false);
}

TEST_CASE("N41 N42: a named port, declared without protocol, is TCP", "[semantics]") {
    const Cluster c = with_spec("{podSelector: {}, ingress: [{ports: [{port: pg}]}]}");
    expect(c, flow("10.0.0.2", "10.0.0.1", 5432), true);
    expect(c, flow("10.0.0.2", "10.0.0.1", 5432, kUdp), false);
}

TEST_CASE("N58 N43 D11: sidecars are containers like others, those that end before them are not",
          "[semantics]") {
    std::string text = kPods;
    text += R"(---
apiVersion: v1
kind: Pod
metadata: {namespace: a, name: mesh}
spec:
  nodeName: n1
  containers: [{name: c}]
  initContainers:
  - {name: proxy, restartPolicy: Always, ports: [{name: mesh, containerPort: 15001}]}
  - {name: setup, ports: [{name: setup, containerPort: 15002}]}
status: {phase: Running, podIP: 10.0.0.4, hostIP: 192.168.0.1}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: a, name: p}
spec: {podSelector: {}, ingress: [{ports: [{port: mesh}, {port: setup}]}]}
)";
    const Cluster c = load_text("test.yaml", text).cluster;
    expect(c, flow("10.0.0.2", "10.0.0.4", 15001), true);
    expect(c, flow("10.0.0.2", "10.0.0.4", 15002), false);
    expect(c, flow("10.0.0.2", "10.0.0.4", 80), false);
}

TEST_CASE("N47 V5 D12: a quoted number is no port, and opens none", "[semantics]") {
    const Cluster c = with_spec("{podSelector: {}, ingress: [{ports: [{port: \"80\"}]}]}");
    expect(c, kIn, false);
    expect(c, flow("10.0.0.2", "10.0.0.1", 5432), false);
}

TEST_CASE("N48 D12: what cannot be understood isolates and allows nothing", "[semantics]") {
    for (const std::string rule :
         {"{ports: [{port: 0}]}", "{ports: [{port: 65536}]}",
          "{ports: [{port: 80, protocol: tcp}]}", "{ports: [{port: pg, endPort: 6000}]}",
          "{ports: [{port: 80, endPort: 79}]}", "{ports: [{endPort: 80}]}",
          "{from: [{ipBlock: {cidr: 10.0.0.2}}]}", "{from: [{ipBlock: {}}]}",
          "{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}",
          "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}",
          "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [nonsense]}}]}",
          "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [\"fd00::/64\"]}}]}",
          "{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}",
          "{from: [{podSelector: {matchExpressions: [{key: app, operator: in, values: [web]}]}}]}",
          "{from: [{podSelector: {matchExpressions: [{key: app, operator: In}]}}]}"}) {
        std::string spec = "{podSelector: {}, ingress: [";
        spec += rule;
        spec += "]}";
        INFO(spec);
        const Cluster c = with_spec(spec);
        expect(c, kIn, false);
        expect(c, flow("10.0.0.2", "10.0.0.1", 5432), false);
    }
}

TEST_CASE("Corner 12: except leaves out of its own block only", "[semantics]") {
    const Cluster c = with_spec(
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, "
        "{ipBlock: {cidr: 10.1.2.0/24}}]}]}");
    expect(c, flow("10.1.2.3", "10.0.0.1"), true);
    expect(c, flow("10.1.3.3", "10.0.0.1"), false);
}

TEST_CASE("Corner 19: leading zeros are never octal", "[semantics]") {
    const Cluster c =
        with_spec("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 010.0.0.0/8}}]}]}");
    expect(c, flow("8.8.8.8", "10.0.0.1"), false);  // What 010 is in octal.
}

TEST_CASE("Corner 53: a policy that is wrong does not harm the others", "[semantics]") {
    std::string text = kPods;
    text += R"(
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: a, name: wrong}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: wrong}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: a, name: right}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}
)";
    const Loaded loaded = load_text("test.yaml", text);
    CHECK(loaded.has_errors());
    expect(loaded.cluster, kIn, true);
    expect(loaded.cluster, kInFromB, false);
    expect(loaded.cluster, flow("8.8.8.8", "10.0.0.2"), false);
}
