// Domains small enough to be tried completely: every combination of what a policy can say about
// selectors, types, peers and ports, each judged twice on every flow of a little world.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/builders.hpp"
#include "test/support/judge.hpp"
#include "test/support/manifest.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// Missing, empty, by value, by absence.
const std::vector<std::optional<LabelSelector>>& selector_forms() {
    static const std::vector<std::optional<LabelSelector>> forms{std::nullopt, selector(""),
                                                                 selector("l=1"), selector("!l")};
    return forms;
}

/// Two namespaces, one with the label and one without, and in each a pod with and one without.
Cluster world() {
    return cluster(ns("a", "l=1"), ns("b"), pod("a/with", "10.0.0.1").labels("l=1").port("p", 80),
                   pod("a/without", "10.0.0.2").port("p", 81),
                   pod("b/with", "10.0.0.3").labels("l=1").node("n2").port("p", 80, Protocol::udp),
                   pod("b/without", "10.0.0.4").node("n2"));
}

const std::vector<Address>& ends() {
    static const std::vector<Address> all{ip("10.0.0.1"), ip("10.0.0.2"), ip("10.0.0.3"),
                                          ip("10.0.0.4"), ip("8.8.8.8"),  ip("192.168.0.1")};
    return all;
}

/// Every ordered pair of ends, with each of the flows.
class Checker {
  public:
    explicit Checker(std::vector<std::pair<std::uint8_t, std::uint16_t>> ports)
        : ports_(std::move(ports)) {}

    void check(const Cluster& cluster) {
        const RulesetJudge judge(cluster);
        for (const auto& source : ends()) {
            for (const auto& destination : ends()) {
                for (const auto& [protocol, port] : ports_) {
                    check(cluster, judge, {source, destination, protocol, port});
                }
            }
        }
        ++clusters_;
    }
    std::size_t clusters() const { return clusters_; }
    std::size_t denied() const { return denied_; }

  private:
    void check(const Cluster& cluster, const RulesetJudge& judge, const Flow& flow) {
        const bool verdict = allowed(cluster, flow);
        denied_ += verdict ? 0 : 1;
        if (judge.allowed(flow) == verdict) return;
        INFO(to_string(flow) << "\noracle: " << (verdict ? "allow" : "deny") << "\n"
                             << judge.trace(flow) << to_manifest(cluster));
        FAIL("the oracle and the compiled ruleset disagree");
    }

    std::vector<std::pair<std::uint8_t, std::uint16_t>> ports_;
    std::size_t clusters_ = 0;
    std::size_t denied_ = 0;
};

std::string joined(std::string_view one, std::string_view two) {
    std::string text(one);
    text += ',';
    text += two;
    return text;
}

/// The lists of up to two items of these; the empty list is one of them.
template <class Item>
std::vector<std::vector<Item>> lists_of(const std::vector<Item>& items) {
    std::vector<std::vector<Item>> lists{{}};
    for (std::size_t i = 0; i < items.size(); ++i) {
        lists.push_back({items[i]});
        for (std::size_t j = i + 1; j < items.size(); ++j) lists.push_back({items[i], items[j]});
    }
    return lists;
}

}  // namespace

TEST_CASE("All subjects, types and pairs of selector peers", "[property]") {
    std::vector<Peer> peers;
    for (const auto& namespaces : selector_forms()) {
        for (const auto& pods : selector_forms()) peers.push_back(PodPeer{namespaces, pods});
    }
    Checker checker({{kTcp, 80}});
    for (const auto& list : lists_of(peers)) {
        for (const auto* subject : {"", "l=1", "!l"}) {
            for (const bool ingress : {false, true}) {
                PolicyRule rule{.peers = list, .any_port = true};
                PolicyBuilder p = policy("a/p").pods(subject);
                if (ingress) {
                    p.ingress(rule);
                } else {
                    p.egress(rule);
                }
                Cluster c = world();
                c.put(NetworkPolicy(p));
                checker.check(c);
            }
        }
    }
    CHECK(checker.clusters() == (1 + 16 + 120) * 3 * 2);
    CHECK(checker.denied() > 0);
}

TEST_CASE("All pairs of ports in both directions, with and without peers", "[property]") {
    RuleBuilder all;
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        all.all_ports(protocol).port(80, protocol).ports(80, 81, protocol).ports(81, 82, protocol);
        all.ports(82, 65535, protocol).port("p", protocol);
    }
    const std::vector<PolicyPort> items = PolicyRule(all).ports;
    Checker checker({{kTcp, 79},
                     {kTcp, 80},
                     {kTcp, 81},
                     {kTcp, 82},
                     {kUdp, 80},
                     {kSctp, 80},
                     {kIcmp, 0},
                     {kUdpLite, 80}});
    for (const auto& list : lists_of(items)) {
        for (const bool ingress : {false, true}) {
            for (const int peers : {0, 1, 2}) {
                PolicyRule rule{.any_peer = peers == 0, .ports = list};
                if (peers == 1) rule.peers = {pods("l=1")};
                if (peers == 2) rule.peers = {block("10.0.0.0/30", {"10.0.0.1/32"})};
                PolicyBuilder p = policy("a/p");
                if (ingress) {
                    p.ingress(rule);
                } else {
                    p.egress(rule);
                }
                Cluster c = world();
                c.put(NetworkPolicy(p));
                checker.check(c);
            }
        }
    }
    CHECK(checker.clusters() == (1 + 12 + 66) * 2 * 3);
    CHECK(checker.denied() > 0);
}

TEST_CASE("All pairs of rules from a small choice, in one policy and in two", "[property]") {
    std::vector<PolicyRule> rules;
    for (const int peer : {0, 1, 2, 3}) {
        for (const int port : {0, 1, 2, 3}) {
            PolicyRule& r = rules.emplace_back();
            r.any_peer = peer == 0;
            if (peer == 1) r.peers = {pods("l=1")};
            if (peer == 2) r.peers = {block("10.0.0.0/30", {"10.0.0.2/32"}), namespaces("!l")};
            r.any_port = port == 0;
            if (port == 1) r.ports = PolicyRule(rule().port(80)).ports;
            if (port == 2) r.ports = PolicyRule(rule().port("p").ports(80, 81)).ports;
        }
    }
    Checker checker({{kTcp, 80}, {kTcp, 81}, {kUdp, 80}, {kIcmp, 0}});
    for (const PolicyRule& one : rules) {
        for (const PolicyRule& two : rules) {
            for (const bool ingress : {false, true}) {
                const auto add = [&](PolicyBuilder& p, const PolicyRule& r) {
                    if (ingress) {
                        p.ingress(r);
                    } else {
                        p.egress(r);
                    }
                };
                PolicyBuilder both = policy("a/p");
                add(both, one);
                add(both, two);
                Cluster c = world();
                c.put(NetworkPolicy(both));
                checker.check(c);
                PolicyBuilder first = policy("a/p").pods("l=1");
                PolicyBuilder second = policy("a/q");
                add(first, one);
                add(second, two);
                c.put(NetworkPolicy(first));
                c.put(NetworkPolicy(second));
                checker.check(c);
            }
        }
    }
    CHECK(checker.clusters() == 16 * 16 * 2 * 2);
    CHECK(checker.denied() > 0);
}

TEST_CASE("Every requirement against every small label set, as subject and as peer", "[property]") {
    const std::vector<const char*> label_sets{"", "l=", "l=1", "l=2", "m=1", "l=1,m=1", "l=,m="};
    std::vector<const char*> requirements{"l=",          "l=1",        "l in (1,2)", "l in (,1)",
                                          "l notin (1)", "l notin ()", "l",          "!l",
                                          "m",           "!m",         "m notin (1)"};
    Checker checker({{kTcp, 80}});
    for (const auto* labels : label_sets) {
        for (const auto* one : requirements) {
            for (const auto* two : requirements) {
                const std::string both = joined(one, two);
                Cluster c = world();
                c.put(Pod(pod("a/with", "10.0.0.1").labels(labels)));
                c.put(ns("b", labels));
                c.put(NetworkPolicy(policy("a/subject").pods(both).ingress()));
                c.put(NetworkPolicy(policy("b/peer").ingress(
                    rule().peer(pods_in("kubernetes.io/metadata.name=a", both)))));
                c.put(NetworkPolicy(policy("b/ns").egress(rule().peer(namespaces(both)))));
                checker.check(c);
            }
        }
    }
    CHECK(checker.clusters() == label_sets.size() * requirements.size() * requirements.size());
    CHECK(checker.denied() > 0);
}
