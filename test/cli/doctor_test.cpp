// doctor on nodes that are ill in a known way, and its proof with packets.

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/manifest_source.hpp"
#include "test/cli/cli.hpp"
#include "test/support/fake_agent.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;

namespace {

/// podfence doctor -o json, with no agent to ask.
lab::Finished examine(test::Arguments more = {}) {
    test::Arguments arguments{"doctor", "-o", "json", "--socket", "/does/not/exist"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_podfence(arguments);
}

lab::Finished self_test(const std::string& wiring) {
    return examine({"--self-test", "--no-checks", "--wiring", wiring});
}

std::string proof_of(const lab::Finished& run) {
    return test::json_of(run).at("self_test").at("proof").as_string().c_str();
}

/// The level of the first finding with this id; "" when there is none.
std::string level_of(const lab::Finished& run, const std::string& id) {
    const auto json = test::json_of(run);
    for (const auto& finding : json.at("findings").as_array()) {
        if (finding.at("id").as_string() == id) return finding.at("level").as_string().c_str();
    }
    return "";
}

/// As a node: it forwards.
void be_a_node() {
    test::run_shell(
        "ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward; "
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
}

bool has_br_netfilter() {
    return test::shell("test -e /proc/sys/net/bridge/bridge-nf-call-iptables").status == 0;
}

constexpr const char* kNoBrNetfilter =
    "the kernel has no br_netfilter: what passes by the rules on a bridge is not tried";

/// An agent with --canary, once packets have answered or could not be sent: its status, readiness,
/// metric and log. `prefix` goes before its command.
lab::Finished ask_canary(const std::string& prefix = "") {
    return test::shell(
        "dir=$(mktemp -d); " + prefix +
        " $PODFENCE agent -f $SHOP --socket $dir/s --metrics-address 127.0.0.1:9469 --canary=1h "
        "2>$dir/log & agent=$!; "
        "timeout 60 $PODFENCE status --socket $dir/s --wait >/dev/null; "
        "timeout 60 $PODFENCE status --socket $dir/s --watch -o json | "
        "grep -q -m1 -E '\"canary\":\\{\"state\":\"(enforced|bypassed|unproven|impossible)'; "
        "$PODFENCE status --socket $dir/s; echo status $?; exec 3<>/dev/tcp/127.0.0.1/9469; "
        "printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3; "
        "exec 3<>/dev/tcp/127.0.0.1/9469; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; "
        "grep ^podfence_enforcement <&3; cat $dir/log; kill $agent; wait $agent; rm -r $dir");
}

/// Nothing of it is left on the node.
void check_clean() {
    CHECK_FALSE(contains(test::run_shell("ip link"), "pfcanary"));
    CHECK_FALSE(contains(test::run_shell("nft list tables"), "canary"));
    CHECK_FALSE(contains(test::run_shell("ip route; ip -6 route"), "pfcanary"));
}

}  // namespace

TEST_CASE("doctor finds a new network namespace able, and says what it lacks", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    const auto run = examine();
    CAPTURE(run.out, run.err);
    CHECK(run.status == 0);
    CHECK(run.err.empty());
    CHECK(level_of(run, "kernel-features") == "ok");
    CHECK(level_of(run, "privileges") == "ok");
    CHECK(level_of(run, "agent-absent") == "note");
    CHECK(level_of(run, "table-missing") == "note");
    CHECK(level_of(run, "hooks") == "ok");
    CHECK(level_of(run, "network-namespace") == "warning");
    CHECK(test::json_of(run).at("self_test").is_null());
    CHECK(test::run_shell("nft list tables").empty());  // The probes are elsewhere.
    const auto text = run_podfence({"doctor", "--socket", "/does/not/exist"});
    CHECK(text.status == 0);
    CHECK(contains(text.out, "this node can enforce"));
    CHECK(contains(text.out, "note     no agent runs on this node"));
}

TEST_CASE("doctor sees what others hang on the hooks", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    test::nft_load(
        "table inet early { chain c { type filter hook forward priority -200; policy drop; ct "
        "state "
        "established accept; }; }\n"
        "table ip filter { chain KUBE-POD-FW-X { reject; }; chain FORWARD { type filter hook "
        "forward priority 0; policy accept; jump KUBE-POD-FW-X; }; }\n"
        "table ip raw { chain PREROUTING { type filter hook prerouting priority -300; notrack; }; "
        "}\n"
        "table netdev link { chain in { type filter hook ingress device lo priority 0; drop; }; }");
    const auto run = examine();
    CAPTURE(run.out);
    CHECK(run.status == 0);
    CHECK(level_of(run, "hook-drop-before") == "warning");
    CHECK(level_of(run, "hook-drops") == "note");
    CHECK(level_of(run, "hook-untracked") == "warning");
    CHECK(level_of(run, "hook-drop-early") == "note");
    CHECK(level_of(run, "engine-kube-router") == "warning");
    CHECK(contains(run.out, "inet early c (forward, priority -200)"));
    CHECK(contains(run.out, "nft list table inet early"));
}

TEST_CASE("doctor knows the kernel's table, and the agent's word against it", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    const test::TemporaryFile shop(test::kShop);
    const test::ServedAgent agent(test::example_status(AgentState::synced),
                                  load_text("", test::kShop).cluster);
    const auto ask = [&] {
        return run_podfence({"doctor", "-o", "json", "--socket", agent.socket()});
    };
    const auto missing = ask();
    CHECK(missing.status == 1);
    CHECK(level_of(missing, "agent") == "ok");
    CHECK(level_of(missing, "table-missing") == "error");
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    CHECK(level_of(ask(), "table") == "ok");
    test::run_shell("nft flush chain inet podfence forward");
    CHECK(level_of(ask(), "table-differs") == "error");
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    test::run_shell("nft add table 'inet podfence { flags dormant; }'");
    CHECK(level_of(ask(), "table-dormant") == "error");
}

TEST_CASE("doctor without CAP_NET_ADMIN is status 3 and says what is missing", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const auto run = test::shell(
        "exec setpriv --bounding-set=-net_admin $PODFENCE doctor --socket /does/not/exist -o json");
    CHECK(run.status == 3);
    CHECK(level_of(run, "privilege-net-admin") == "error");
}

TEST_CASE("the self-test proves a node that enforces, and leaves nothing behind", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    const auto run = self_test("both");
    CAPTURE(run.out, run.err);
    CHECK(run.status == 0);
    CHECK(proof_of(run) == "enforced");
    const auto json = test::json_of(run);
    const auto& flows = json.at("self_test").at("flows").as_array();
    CHECK(flows.size() == 32);
    for (const auto& flow : flows) {
        CAPTURE(boost::json::serialize(flow));
        const std::string expected = flow.at("expected").as_string().c_str();
        const std::string fate = flow.at("fate").as_string().c_str();
        if (expected == "cut" && fate == "answered") continue;  // TCP is told.
        CHECK(fate == (expected == "allow" ? "passed" : "dropped"));
    }
    check_clean();
    const auto text = run_podfence({"doctor", "--self-test", "--socket", "/does/not/exist"});
    CHECK(contains(text.out, "this node enforces: proven with packets"));
    check_clean();
}

TEST_CASE("the self-test notices rules that bridged packets pass by", "[cli]") {
    PODFENCE_OWN_NETWORK();
    if (!has_br_netfilter()) PODFENCE_SKIP(kNoBrNetfilter);
    be_a_node();
    test::run_shell(
        "ip link add cni0 type bridge && ip link set cni0 up && ip link add v0 type veth peer "
        "name v1 && ip link set v0 master cni0 && ip link set v0 up && ip link set v1 up; "
        "echo 1 > /proc/sys/net/bridge/bridge-nf-call-ip6tables; "
        "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    const std::string before = test::run_shell("ip -o link show cni0 | grep -o 'mtu.*'");
    const auto run = examine({"--self-test"});
    CAPTURE(run.out);
    CHECK(run.status == 1);
    CHECK(proof_of(run) == "bypassed");
    CHECK(level_of(run, "self-test-bypassed") == "error");
    CHECK(level_of(run, "bridge-bypass-ipv4") == "error");
    CHECK(level_of(run, "bridge-bypass-ipv6").empty());
    CHECK(contains(run.out, "TCP over IPv4, UDP over IPv4 between pods on bridge cni0 arrived"));
    CHECK_FALSE(contains(run.out, "IPv6 between pods on bridge cni0 arrived"));
    CHECK(test::run_shell("ip -o link show cni0 | grep -o 'mtu.*'") == before);
    check_clean();
    test::run_shell("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    CHECK(proof_of(examine({"--self-test"})) == "enforced");
    CHECK(contains(run_podfence({"doctor", "--self-test", "--no-checks", "--wiring", "bridge",
                                 "--bridge", "nosuch", "-o", "json"})
                       .out,
                   "find the bridge nosuch"));
}

TEST_CASE("the self-test tells others' drops from ours", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    struct Case {
        const char* rules;
        const char* proof;
        const char* id;
        int status;
    };
    for (const auto& [rules, proof, id, status] : std::vector<Case>{
             {"table inet x { chain c { type filter hook forward priority -200; policy drop; }; }",
              "unproven", "self-test-lost", 1},
             {"table inet x { chain c { type filter hook forward priority -200; reject; }; }",
              "unproven", "self-test-answered", 1},
             {"table inet x { chain c { type filter hook prerouting priority -300; iifname "
              "\"pfcanary*\" drop; }; }",
              "unproven", "self-test-lost", 1},
             {"table inet x { chain c { type filter hook forward priority 0; policy drop; }; }",
              "enforced", "self-test-hindered", 0},
             {"table inet x { chain c { type filter hook forward priority -200; accept; }; }",
              "enforced", "self-test", 0},
         }) {
        test::nft_load(rules);
        const auto run = self_test("routed");
        CAPTURE(rules, run.out);
        CHECK(run.status == status);
        CHECK(proof_of(run) == proof);
        CHECK_FALSE(level_of(run, id).empty());
        test::run_shell("nft delete table inet x");
        check_clean();
    }
}

TEST_CASE("the self-test removes what a killed one left, and runs one at a time", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    // Every packet is lost, which takes its time.
    test::nft_load(
        "table inet x { chain c { type filter hook forward priority -200; policy drop; }; }");
    const auto killed = test::shell(
        "$PODFENCE doctor --self-test --no-checks --wiring both --socket /none >/dev/null & "
        "child=$!; "
        "until ip link show pfcanary-b >/dev/null 2>&1; do :; done; "
        "$PODFENCE doctor --self-test --no-checks --wiring routed --socket /none -o json; echo $?; "
        "kill -KILL $child; wait $child; nft list tables");
    CAPTURE(killed.out, killed.err);
    CHECK(contains(killed.out, "another one is under way"));
    CHECK(contains(killed.out, "\n3\n"));
    CHECK(contains(killed.out, "table inet podfence-canary"));
    test::run_shell("nft delete table inet x");
    CHECK(proof_of(self_test("both")) == "enforced");
    check_clean();
}

TEST_CASE("the self-test makes do with a user namespace of its own", "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    const auto run = test::shell(
        "exec setpriv --bounding-set=-sys_admin $PODFENCE doctor --self-test --no-checks --wiring "
        "both --socket /none -o json");
    CAPTURE(run.out);
    if (contains(run.out, "make a network namespace")) {
        PODFENCE_SKIP("user namespaces are not to be had without CAP_SYS_ADMIN here");
    }
    CHECK(run.status == 0);
    CHECK(proof_of(run) == "enforced");
    check_clean();
}

TEST_CASE("cleanup removes what a killed self-test left", "[cli]") {
    PODFENCE_OWN_NETWORK();
    test::nft_load(
        "table inet podfence-canary { chain c { type filter hook forward priority 0; }; }");
    const auto run = run_podfence({"cleanup"});
    CHECK(run.status == 0);
    CHECK(test::run_shell("nft list tables").empty());
}

TEST_CASE("an agent with --canary tells what packets prove, and is ready only then", "[cli]") {
    PODFENCE_OWN_NETWORK();
    if (!has_br_netfilter()) PODFENCE_SKIP(kNoBrNetfilter);
    be_a_node();
    const auto good = ask_canary();
    CAPTURE(good.out, good.err);
    CHECK(contains(good.out, "proof       packets met the rules"));
    CHECK(contains(good.out, "status 0"));
    CHECK(contains(good.out, "200 OK"));
    CHECK(contains(good.out, "podfence_enforcement_verified 1"));
    CHECK(contains(good.out, "enforcement is proven with packets"));

    test::run_shell("echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    const auto bad = ask_canary();
    CAPTURE(bad.out, bad.err);
    CHECK(contains(bad.out, "NOT ENFORCING, though in sync: TCP over IPv4, UDP over IPv4 between"));
    CHECK(contains(bad.out, "status 1"));
    CHECK(contains(bad.out, "503 Service Unavailable"));
    CHECK(contains(bad.out, "packets pass by the rules"));
    CHECK(contains(bad.out, "podfence_enforcement_verified 0"));
}

TEST_CASE("an agent that lacks the canary's capability says so, and is as ready as before",
          "[cli]") {
    PODFENCE_OWN_NETWORK();
    be_a_node();
    // Another root directory than the mount namespace's own, or the kernel would let it help itself
    // with a user namespace, which a container's seccomp profile does not.
    const auto run = ask_canary(
        "mkdir $dir/root; unshare --mount sh -c 'mount --rbind / $0; exec chroot $0 setpriv "
        "--bounding-set=-sys_admin \"$@\"' $dir/root");
    CAPTURE(run.out, run.err);
    CHECK(contains(run.out, "proof       could not be tried"));
    CHECK(contains(run.out, "CAP_SYS_ADMIN"));
    CHECK(contains(run.out, "status 0"));
    CHECK(contains(run.out, "200 OK"));
    CHECK(contains(run.out, "podfence_enforcement_verified 0"));
    CHECK(contains(run.out, "enforcement could not be tried with packets"));
    check_clean();
}
