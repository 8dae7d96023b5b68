// Objects that an agent serves are read back as they were.
#include "controller/encode_objects.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/unsure_pods.hpp"
#include "test/support/builders.hpp"
#include "test/support/input.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

template <class Object>
Loaded read_back(const Object& object) {
    return load_text("", boost::json::serialize(encode(object)));
}

NetworkPolicy without_lines(NetworkPolicy policy) {
    policy.pos = {};
    std::uint32_t index = 0;
    for (PolicyRule& rule : policy.ingress_rules) rule.index = index++, rule.pos = {};
    index = 0;
    for (PolicyRule& rule : policy.egress_rules) rule.index = index++, rule.pos = {};
    return policy;
}

void check_survives(const NetworkPolicy& policy, std::size_t problems = 0) {
    const Loaded loaded = read_back(policy);
    CAPTURE(boost::json::serialize(encode(policy)), all_problems(loaded));
    REQUIRE(loaded.cluster.policies().size() == 1);
    CHECK(without_lines(loaded.cluster.policies().begin()->second) == without_lines(policy));
    CHECK(loaded.problems.size() == problems);
}

}  // namespace

TEST_CASE("a pod is served with all that matters", "[encode]") {
    Pod full = pod("shop/db-0", "10.0.0.2", "fd00::2")
                   .labels("app=db,empty=")
                   .node("n1")
                   .port("pg", 5432)
                   .port("dns", 53, Protocol::udp)
                   .port("pg", 5433)
                   .port("", 9000)
                   .phase(PodPhase::unknown)
                   .deleting()
                   .created(1'772'600'767)
                   .uid("8f2c");
    Pod plain = pod("shop/web").phase(PodPhase::pending);
    plain.node = {};
    plain.node_addresses = {};
    Pod host = pod("kube-system/proxy").host_network();
    for (const Pod& object : {full, plain, host}) {
        const Loaded loaded = read_back(object);
        CAPTURE(boost::json::serialize(encode(object)), all_problems(loaded));
        REQUIRE(loaded.cluster.pods().size() == 1);
        Pod read = loaded.cluster.pods().begin()->second;
        read.pos = {};
        CHECK(read == object);
        CHECK(loaded.problems.empty());
    }
    const auto json = boost::json::value(encode(full));
    CHECK(json.at("metadata").at("creationTimestamp") == "2026-03-04T05:06:07Z");
    CHECK(json.at("spec").at("containers").as_array().size() == 2);
}

TEST_CASE("a pod is served with what its annotation lists", "[encode]") {
    Pod one = pod("shop/vm", "10.0.0.2");
    one.extra_addresses = std::vector{cidr("10.1.0.0/24"), cidr("192.0.2.1/32"), cidr("fd99::/64")};
    const Loaded loaded = read_back(one);
    CAPTURE(all_problems(loaded));
    CHECK(loaded.problems.empty());
    CHECK(loaded.cluster.pods().begin()->second.extra_addresses == one.extra_addresses);
}

TEST_CASE("a policy is served with all that matters", "[encode]") {
    check_survives(policy("a/deny").ingress());
    check_survives(policy("a/both").ingress().egress());
    check_survives(policy("a/everything").egress(rule()));
    check_survives(policy("a/selectors")
                       .pods("app=db,tier in (a,b),env notin (x),role,!legacy")
                       .ingress(rule()
                                    .peer(pods("app=web"))
                                    .peer(pods(""))
                                    .peer(namespaces("team=a"))
                                    .peer(pods_in("", "app=api")))
                       .egress(rule()
                                   .peer(block("10.0.0.0/8", {"10.1.0.0/16", "10.2.0.0/16"}))
                                   .peer(block("fd00::/8"))
                                   .port(443)
                                   .ports(8000, 8080, Protocol::udp)
                                   .all_ports(Protocol::sctp)
                                   .port("http")));
}

TEST_CASE("two requirements on one label both survive", "[encode]") {
    NetworkPolicy contradiction = policy("a/p").ingress();
    contradiction.pods.requirements = {
        {.key = "k", .op = SelectorOp::in, .values = {"a"}},
        {.key = "k", .op = SelectorOp::in, .values = {"b"}},
    };
    check_survives(contradiction);
}

TEST_CASE("lists of which nothing was understood are served as such, and reported (D12)",
          "[encode]") {
    check_survives(policy("a/p").ingress(rule().no_peer()), 1);
    check_survives(policy("a/p").egress(rule().no_port()), 1);
    check_survives(policy("a/p").egress(rule().no_peer().no_port()), 2);
    check_survives(policy("a/p").ingress(rule().peer(pods("a=b")).no_port()), 1);

    const NetworkPolicy closed = policy("a/p").ingress(rule().no_peer());
    const Loaded loaded = read_back(closed);
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].object == "NetworkPolicy a/p");
    CHECK(loaded.problems[0].field == "spec.ingress[0].from[0]");
    // Whoever does not know our mark sees an item and not an empty list, which would mean anyone.
    const auto json = boost::json::value(encode(closed));
    CHECK(json.at("spec").at("ingress").at(0).at("from").as_array().size() == 1);
}

TEST_CASE("objects whose labels were in error are served with that mark", "[encode]") {
    for (const char* labels :
         {"{a: 1}", "{a: b c}", "{a: [1]}", "{'/': x}", "[x]", "{a: 1, b: [2]}"}) {
        CAPTURE(labels);
        const Loaded first = load_text(
            "first.yaml", std::string("{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: "
                                      "Namespace, metadata: {name: a, labels: ") +
                              labels +
                              "}}, {apiVersion: v1, kind: Pod, metadata: {name: p, "
                              "namespace: a, labels: " +
                              labels + "}}]}");
        boost::json::array items;
        for (const auto& [name, ns] : first.cluster.namespaces()) items.push_back(encode(ns));
        for (const auto& [name, p] : first.cluster.policies()) {
            if (!is_stand_in(name)) items.push_back(encode(p));  // The pod brings it about.
        }
        for (const auto& [name, pod] : first.cluster.pods()) items.push_back(encode(pod));
        const Loaded second = load_text(
            "", boost::json::serialize(boost::json::object{
                    {"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}}));
        CAPTURE(all_problems(second));
        REQUIRE(first.cluster.pods().size() == 1);
        CHECK(without_positions(second.cluster) == without_positions(first.cluster));
        CHECK(second.has_errors());
    }
}

TEST_CASE("what failed closed when it was read is served as it is enforced", "[encode]") {
    // An unknown field, a lost requirement, a bad CIDR among good ones, a misspelt policyTypes.
    for (const char* spec :
         {"{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/99}}]}]}",
          "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/99}}, {podSelector: {}}],"
          " ports: [{port: 0}]}]}",
          "{podSelector: {matchLabels: {a: 1}}, ingress: [{}], egress: [{}]}",
          "{podSelector: {}, policyTypes: [Ingres], ingress: [{}]}", "{podSelector: {}, typo: 1}",
          "{podSelector: {}, ingress: [{form: []}]}", "[]"}) {
        CAPTURE(spec);
        const Loaded first = load_text("first.yaml", policy_yaml(spec));
        REQUIRE(first.cluster.policies().size() == 1);
        const NetworkPolicy& policy = first.cluster.policies().begin()->second;
        const Loaded second = read_back(policy);
        REQUIRE(second.cluster.policies().size() == 1);
        CHECK(without_positions(second.cluster) == without_positions(first.cluster));
    }
}
