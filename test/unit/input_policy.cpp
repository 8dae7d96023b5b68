#include <catch2/catch.hpp>

#include "controller/selector.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const NetworkPolicy& only_policy(const Loaded& loaded) {
    REQUIRE(loaded.cluster.policies().size() == 1);
    return loaded.cluster.policies().begin()->second;
}

std::string show(const PolicyRule& rule) {
    std::string text = rule.any_peer ? "any" : "";
    for (const Peer& peer : rule.peers) text += (text.empty() ? "" : " | ") + to_string(peer);
    text += " : ";
    text += rule.any_port ? "any" : "";
    for (const PolicyPort& port : rule.ports) text += to_string(port) + " ";
    return text;
}

}  // namespace

TEST_CASE("input: what is valid gives the policy it says") {
    struct Row {
        const char* rule;  // of ingress
        const char* means;
    };
    const Row row = GENERATE(values<Row>({
        {"{}", "any : any"},
        {"{from: [], ports: []}", "any : any"},
        {"{from: null, ports: ~}", "any : any"},
        {"{ports: [{}]}", "any : all TCP "},  // N38
        {"{ports: [{protocol: UDP}]}", "any : all UDP "},
        {"{ports: [{port: 80}]}", "any : 80/TCP "},
        {"{ports: [{port: 0x50}]}", "any : 80/TCP "},
        {"{ports: [{port: 0120}]}", "any : 80/TCP "},  // octal, as kubectl reads it
        {"{ports: [{port: 80, endPort: 90, protocol: SCTP}]}", "any : 80-90/SCTP "},
        {"{ports: [{port: 80, endPort: 80}]}", "any : 80/TCP "},  // case 9
        {"{ports: [{port: 1, endPort: 65535}]}", "any : 1-65535/TCP "},
        {"{ports: [{port: http}]}", "any : http/TCP "},
        {"{ports: [{port: !!str http}]}", "any : http/TCP "},
        {"{ports: [{port: !!int \"80\"}]}", "any : 80/TCP "},
        {"{from: [{podSelector: {}}]}", "all pods of this namespace : any"},
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: null}}]}", "10.0.0.0/8 : any"},
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.1.0.0/16]}}]}",
         "10.0.0.0/8 except 10.1.0.0/16,10.1.0.0/16 : any"},
    }));
    CAPTURE(row.rule);
    const Loaded loaded = load_text("t", policy_yaml("{ingress: [" + std::string(row.rule) + "]}"));
    CAPTURE(all_problems(loaded));
    CHECK(loaded.problems.empty());
    const NetworkPolicy& policy = only_policy(loaded);
    REQUIRE(policy.ingress_rules.size() == 1);
    // Repeated exceptions may be printed in another way; the rest is literal.
    CHECK(show(policy.ingress_rules[0]).substr(0, 10) == std::string(row.means).substr(0, 10));
    if (std::string(row.rule).find("except: [") == std::string::npos) {
        CHECK(show(policy.ingress_rules[0]) == row.means);
    }
}

TEST_CASE("input: what the API server rejects fails closed at the smallest thing (V3-V16, D12)") {
    // `rule` is the only ingress rule; `means` is what of it is in force.
    struct Row {
        const char* rule;
        const char* field;  // below spec.ingress[0]
        const char* means;
    };
    const Row row = GENERATE(values<Row>({
        // V16: the rule itself
        {"null", "", " : "},
        {"text", "", " : "},
        {"[]", "", " : "},
        // V15: unknown fields in a rule close the rule
        {"{frm: []}", ".frm", " : "},
        {"{From: [{podSelector: {}}]}", ".From", " : "},
        {"{to: []}", ".to", " : "},
        {"{from: [{podSelector: {}}], port: [{port: 80}]}", ".port", " : "},
        {"{from: [], from: []}", ".from", " : "},
        {"{from: {podSelector: {}}}", ".from", " : "},
        {"{from: x, ports: [{port: 1}]}", ".from", " : "},
        {"{ports: 80}", ".ports", " : "},
        // ports: a bad item matches nothing, the others stay
        {"{ports: [null]}", ".ports[0]", "any : "},
        {"{ports: [80]}", ".ports[0]", "any : "},
        {"{ports: [{port: 0}, {port: 1}]}", ".ports[0].port", "any : 1/TCP "},       // V4
        {"{ports: [{port: 65536}, {port: 1}]}", ".ports[0].port", "any : 1/TCP "},   // V4
        {"{ports: [{port: -1}]}", ".ports[0].port", "any : "},                       // V4
        {"{ports: [{port: 80.5}]}", ".ports[0].port", "any : "},                     // V16
        {"{ports: [{port: true}]}", ".ports[0].port", "any : "},                     // V16
        {"{ports: [{port: [80]}]}", ".ports[0].port", "any : "},                     // V16
        {"{ports: [{port: \"80\"}, {port: 1}]}", ".ports[0].port", "any : 1/TCP "},  // V5, N47
        {"{ports: [{port: HTTP}]}", ".ports[0].port", "any : "},                     // V5
        {"{ports: [{port: \"\"}]}", ".ports[0].port", "any : "},                     // V5
        {"{ports: [{port: abcdefghijklmnop}]}", ".ports[0].port", "any : "},         // V5
        {"{ports: [{endPort: 90}]}", ".ports[0].endPort", "any : "},                 // V6
        {"{ports: [{port: http, endPort: 90}]}", ".ports[0].endPort", "any : "},     // V7
        {"{ports: [{port: 80, endPort: 79}]}", ".ports[0].endPort", "any : "},       // V8
        {"{ports: [{port: 80, endPort: 65536}]}", ".ports[0].endPort", "any : "},    // V8
        {"{ports: [{port: 80, endPort: \"90\"}]}", ".ports[0].endPort", "any : "},   // V16
        {"{ports: [{protocol: tcp}]}", ".ports[0].protocol", "any : "},              // V3
        {"{ports: [{protocol: ICMP, port: 8}]}", ".ports[0].protocol", "any : "},    // V3
        {"{ports: [{protocol: 6}]}", ".ports[0].protocol", "any : "},                // V16
        {"{ports: [{port: 80, proto: UDP}]}", ".ports[0].proto", "any : "},          // V15
        {"{ports: [{port: 80, port: 81}]}", ".ports[0].port", "any : "},             // repeated
        // peers: a bad one matches nothing, the others stay
        {"{from: [null]}", ".from[0]", " : any"},                 // V16
        {"{from: [{}]}", ".from[0]", " : any"},                   // V9, N16
        {"{from: [{podSelector: null}]}", ".from[0]", " : any"},  // V9
        {"{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}", ".from[0].ipBlock",
         " : any"},  // V10, N22
        {"{from: [{namespaceSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}", ".from[0].ipBlock",
         " : any"},                                                         // V10
        {"{from: [{podselector: {}}]}", ".from[0].podselector", " : any"},  // V15
        {"{from: [{podSelector: {}, namespaceselector: {}}]}", ".from[0].namespaceselector",
         " : any"},                                                         // V15
        {"{from: [{ipBlock: {}}]}", ".from[0].ipBlock.cidr", " : any"},     // V11
        {"{from: [{ipBlock: 10.0.0.0/8}]}", ".from[0].ipBlock", " : any"},  // V16
        {"{from: [{ipBlock: {cidr: 10.0.0.1}}, {ipBlock: {cidr: \"::/0\"}}]}",
         ".from[0].ipBlock.cidr", "::/0 : any"},                                 // V11
        {"{from: [{ipBlock: {cidr: 10}}]}", ".from[0].ipBlock.cidr", " : any"},  // V16
        {"{from: [{ipBlock: {cidr: '::ffff:1.2.3.0/120'}}]}", ".from[0].ipBlock.cidr",
         " : any"},  // V13
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}",
         ".from[0].ipBlock.except[0]", " : any"},  // V12
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [0.0.0.0/0]}}]}",
         ".from[0].ipBlock.except[0]", " : any"},  // V12
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}",
         ".from[0].ipBlock.except[0]", " : any"},  // V12
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: ['::/64']}}]}", ".from[0].ipBlock.except[0]",
         " : any"},  // V12
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}]}", ".from[0].ipBlock.except[0]",
         " : any"},  // V12, case 19
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}}]}", ".from[0].ipBlock.except",
         " : any"},  // V16
        {"{from: [{ipBlock: {cidr: 10.0.0.0/8, exept: []}}]}", ".from[0].ipBlock.exept",
         " : any"},  // V15
        // selectors (V14): the whole peer matches nothing
        {"{from: [{podSelector: web}]}", ".from[0].podSelector", " : any"},
        {"{from: [{podSelector: {app: web}}]}", ".from[0].podSelector.app", " : any"},
        {"{from: [{podSelector: {matchLabels: []}}]}", ".from[0].podSelector.matchLabels",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {a: true}}}]}", ".from[0].podSelector.matchLabels.a",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {a: yes}}}]}", ".from[0].podSelector.matchLabels.a",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {a: 1}}}]}", ".from[0].podSelector.matchLabels.a",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {a: }}}]}", ".from[0].podSelector.matchLabels.a",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {a: 'b c'}}}]}", ".from[0].podSelector.matchLabels.a",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {-a: b}}}]}", ".from[0].podSelector.matchLabels.-a",
         " : any"},
        {"{from: [{podSelector: {matchLabels: {a: b, a: c}}}]}",
         ".from[0].podSelector.matchLabels.a", " : any"},
        {"{from: [{podSelector: {matchExpressions: {}}}]}", ".from[0].podSelector.matchExpressions",
         " : any"},
        {"{from: [{podSelector: {matchExpressions: [null]}}]}",
         ".from[0].podSelector.matchExpressions[0]", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{operator: Exists}]}}]}",
         ".from[0].podSelector.matchExpressions[0].key", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a}]}}]}",
         ".from[0].podSelector.matchExpressions[0].operator", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a, operator: exists}]}}]}",
         ".from[0].podSelector.matchExpressions[0].operator", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a, operator: In}]}}]}",
         ".from[0].podSelector.matchExpressions[0].values", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}]}",
         ".from[0].podSelector.matchExpressions[0].values", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]}",
         ".from[0].podSelector.matchExpressions[0].values", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [1]}]}}]}",
         ".from[0].podSelector.matchExpressions[0].values[0]", " : any"},
        {"{from: [{podSelector: {matchExpressions: [{key: a, operator: In, value: [b]}]}}]}",
         ".from[0].podSelector.matchExpressions[0].value", " : any"},
        {"{from: [{namespaceSelector: {matchLabels: {a: off}}, podSelector: {}}]}",
         ".from[0].namespaceSelector.matchLabels.a", " : any"},
    }));
    CAPTURE(row.rule);
    const Loaded loaded =
        load_text("t.yaml", policy_yaml("{ingress: [" + std::string(row.rule) + "]}"));
    CAPTURE(all_problems(loaded));
    const Problem* problem = problem_at(loaded, "spec.ingress[0]" + std::string(row.field));
    REQUIRE(problem != nullptr);
    CHECK(problem->severity == Severity::error);
    CHECK(problem->object == "NetworkPolicy shop/p");
    CHECK(problem->pos == SourcePos{"t.yaml", 4});
    CHECK_FALSE(problem->message.empty());
    CHECK_FALSE(problem->remedy.empty());
    const NetworkPolicy& policy = only_policy(loaded);
    CHECK(policy.pods.requirements.empty());
    CHECK(policy.ingress);
    CHECK_FALSE(policy.egress);
    REQUIRE(policy.ingress_rules.size() == 1);
    CHECK(show(policy.ingress_rules[0]) == row.means);
}

TEST_CASE("input: what is wrong with a spec isolates at its widest and allows nothing (D12)") {
    struct Row {
        const char* spec;
        const char* field;
        const char* selects;
        bool ingress;
        bool egress;
    };
    const Row row = GENERATE(values<Row>({
        {"{podselector: {}, ingress: [{}]}", "spec.podselector", "<all>", true, true},
        {"{podSelector: {}, policyTypes: [Ingress], ingres: [{}]}", "spec.ingres", "<all>", true,
         false},
        {"{podSelector: {}, policytypes: [Egress], egress: [{}]}", "spec.policytypes", "<all>",
         true, true},
        {"{podSelector: web, ingress: [{}]}", "spec.podSelector", "<all>", true, true},
        {"{podSelector: {app: web}, policyTypes: [Ingress], ingress: [{}]}", "spec.podSelector.app",
         "<all>", true, false},
        {"{podSelector: {matchLabels: {app: web, x: 1}}, policyTypes: [Egress], egress: [{}]}",
         "spec.podSelector.matchLabels.x", "app=web", false, true},
        {"{podSelector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Is}]},"
         " policyTypes: [Ingress], ingress: [{}]}",
         "spec.podSelector.matchExpressions[0].operator", "a=b", true, false},
        {"{policyTypes: [ingress], ingress: [{}]}", "spec.policyTypes[0]", "<all>", true, true},
        {"{policyTypes: [Egress, null], egress: [{}]}", "spec.policyTypes[1]", "<all>", true, true},
        {"{policyTypes: [Egress, Egress, Egress], egress: [{}]}", "spec.policyTypes", "<all>", true,
         true},  // V2
        {"{policyTypes: Egress, egress: [{}]}", "spec.policyTypes", "<all>", true, true},
        {"{podSelector: {}, podSelector: {}, ingress: [{}]}", "spec.podSelector", "<all>", true,
         true},
        {"[]", "spec", "<all>", true, true},
        {"null", "spec", "<all>", true, true},
        {"allow", "spec", "<all>", true, true},
    }));
    CAPTURE(row.spec);
    const Loaded loaded = load_text("t", policy_yaml(row.spec));
    CAPTURE(all_problems(loaded));
    const Problem* problem = problem_at(loaded, row.field);
    REQUIRE(problem != nullptr);
    CHECK(problem->severity == Severity::error);
    const NetworkPolicy& policy = only_policy(loaded);
    CHECK(policy.name == ObjectName{"shop", "p"});
    CHECK(to_string(policy.pods) == row.selects);
    CHECK(policy.ingress == row.ingress);
    CHECK(policy.egress == row.egress);
    CHECK(policy.ingress_rules.empty());
    CHECK(policy.egress_rules.empty());
}

TEST_CASE("input: a list of rules that is none closes its direction alone") {
    const Loaded loaded =
        load_text("t", policy_yaml("{ingress: {}, egress: [{}], policyTypes: [Ingress, Egress]}"));
    CHECK(problem_at(loaded, "spec.ingress") != nullptr);
    const NetworkPolicy& policy = only_policy(loaded);
    CHECK(policy.ingress);
    CHECK(policy.ingress_rules.empty());
    CHECK(policy.egress_rules.size() == 1);
    // Without policyTypes a bad egress counts as one with rules.
    const Loaded other = load_text("t", policy_yaml("{egress: x}"));
    CHECK(only_policy(other).egress);
    CHECK(only_policy(other).ingress);
}

TEST_CASE("input: policyTypes are defaulted as the API server does (N8-N11)") {
    struct Row {
        const char* spec;
        bool ingress;
        bool egress;
        std::size_t ingress_rules;
        std::size_t egress_rules;
    };
    const Row row = GENERATE(values<Row>({
        {"{}", true, false, 0, 0},
        {"{egress: []}", true, false, 0, 0},
        {"{egress: [{}]}", true, true, 0, 1},
        {"{policyTypes: [], egress: [{}]}", true, true, 0, 1},
        {"{policyTypes: null}", true, false, 0, 0},
        {"{policyTypes: [Egress], ingress: [{}]}", false, true, 0, 0},
        {"{policyTypes: [Ingress], egress: [{}]}", true, false, 0, 0},
        {"{policyTypes: [Ingress, Ingress], ingress: [{}]}", true, false, 1, 0},
        {"{policyTypes: [Ingress, Egress], ingress: null, egress: []}", true, true, 0, 0},
    }));
    CAPTURE(row.spec);
    const Loaded loaded = load_text("t", policy_yaml(row.spec));
    CAPTURE(all_problems(loaded));
    CHECK(loaded.problems.empty());
    const NetworkPolicy& policy = only_policy(loaded);
    CHECK(policy.ingress == row.ingress);
    CHECK(policy.egress == row.egress);
    CHECK(policy.ingress_rules.size() == row.ingress_rules);
    CHECK(policy.egress_rules.size() == row.egress_rules);
}

TEST_CASE("input: headers of policies that are not as they should be") {
    struct Row {
        const char* header;
        const char* field;
        const char* name;
        bool trusted;
    };
    const Row row = GENERATE(values<Row>({
        {"kind: NetworkPolicy\nmetadata: {name: p, namespace: shop}", "apiVersion", "shop/p",
         false},
        {"apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p}", "apiVersion",
         "default/p", false},
        {"apiVersion: networking.k8s.io/v1\nkind: networkpolicy\nmetadata: {name: p}", "apiVersion",
         "default/p", false},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies\nmetadata: {name: p}",
         "apiVersion", "default/p", false},
        {"apiVersion: networking.k8s.io/v1\nmetadata: {name: p}", "apiVersion", "default/p", false},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworPolicy\nmetadata: {name: p}", "apiVersion",
         "default/p", false},
        {"apiVersion: networking.k8s.io\nkind: NetworkPolicy\nmetadata: {name: p}", "apiVersion",
         "default/p", false},
        {"apiVersion: Networking.K8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}", "apiVersion",
         "default/p", false},
        {"apiVersion: apps/v1\nkind: NetworkPolicy\nmetadata: {name: p}", "apiVersion", "default/p",
         false},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nPolicy: x\nmetadata: {name: p}",
         "Policy", "default/p", false},
        // V1
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: P_1}",
         "metadata.name", "default/unreadable-1", true},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: 12}",
         "metadata.name", "default/unreadable-1", true},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: a}",
         "metadata.name", "a/unreadable-1", true},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy", "metadata",
         "default/unreadable-1", true},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, "
         "namespace: 'A b'}",
         "metadata.namespace", "A-b/p", true},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, nmespace: x}",
         "metadata.nmespace", "default/p", true},
        {"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, labels: {a: "
         "on}}",
         "metadata.labels.a", "default/p", true},
    }));
    CAPTURE(row.header);
    const Loaded loaded = load_text("t", std::string(row.header) +
                                             "\nspec: {podSelector: {}, policyTypes: "
                                             "[Ingress], ingress: [{}]}\n");
    CAPTURE(all_problems(loaded));
    CHECK(problem_at(loaded, row.field) != nullptr);
    CHECK(loaded.has_errors());
    const NetworkPolicy& policy = only_policy(loaded);
    CHECK(to_string(policy.name) == row.name);
    CHECK(policy.ingress);
    CHECK(policy.ingress_rules.size() == (row.trusted ? 1 : 0));
}

TEST_CASE("input: another group's NetworkPolicy is told and skipped") {
    const Loaded loaded = load_text(
        "t", "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p}\n");
    CHECK(loaded.cluster.policies().empty());
    CHECK(loaded.skipped == 1);
    CHECK(count(loaded, Severity::warning) == 1);
    CHECK_FALSE(loaded.has_errors());
}

TEST_CASE("input: null in front of a pod selector is the policy's own namespace, with a warning") {
    const Loaded loaded = load_text(
        "t", policy_yaml("{ingress: [{from: [{namespaceSelector: , podSelector: {}}]}]}"));
    CHECK(count(loaded, Severity::warning) == 1);
    CHECK_FALSE(loaded.has_errors());
    const auto& peer = std::get<PodPeer>(only_policy(loaded).ingress_rules[0].peers[0]);
    CHECK_FALSE(peer.namespaces.has_value());
    CHECK(peer.pods.has_value());
}

TEST_CASE("input: odd CIDRs are warned about and in force (V13, N36, case 19)") {
    const Loaded loaded =
        load_text("t", policy_yaml("{ingress: [{from: [{ipBlock: {cidr: 010.0.0.5/8, except: "
                                   "[10.1.2.3/16]}}]}]}"));
    CAPTURE(all_problems(loaded));
    CHECK(count(loaded, Severity::warning) == 2);
    CHECK_FALSE(loaded.has_errors());
    const auto& block = std::get<IpBlock>(only_policy(loaded).ingress_rules[0].peers[0]);
    CHECK(to_string(block) == "10.0.0.0/8 except 10.1.0.0/16");
}

TEST_CASE("input: selectors are sorted, so order of writing does not show (N26)") {
    const Loaded a = load_text(
        "t", policy_yaml("{podSelector: {matchLabels: {b: u, a: v}, matchExpressions: [{key: c, "
                         "operator: In, values: [q, p, q]}]}}"));
    const Loaded b = load_text(
        "t", policy_yaml("{podSelector: {matchExpressions: [{key: c, operator: In, values: [p, "
                         "q]}], matchLabels: {a: v, b: u}}}"));
    CHECK(only_policy(a).pods == only_policy(b).pods);
    CHECK(only_policy(a).pods.requirements.size() == 3);
}
