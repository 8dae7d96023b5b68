// apply, diff, dump --live and cleanup against this kernel, in a network namespace of its own.
#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/anti_spoof.hpp"
#include "nft/converge.hpp"
#include "nft/netlink_kernel.hpp"
#include "nft/plan.hpp"
#include "test/cli/cli.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;

namespace {

/// A policy with a port that the API server refuses, beside a good one.
constexpr const char* kWithError = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: broken, namespace: shop}
spec: {podSelector: {}, ingress: [{ports: [{port: 99999}]}]}
)";

}  // namespace

TEST_CASE("apply enforces, and the second time has nothing to do", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    const auto first = run_podfence({"apply", "-f", shop.path()});
    CAPTURE(first.out, first.err);
    CHECK(first.status == 0);
    CHECK(first.err.empty());
    CHECK(contains(first.out, "table created"));
    CHECK(contains(first.out, "node-a: 3 pods, 3 of them isolated; the input has 3 policies"));
    CHECK(contains(test::run_shell("nft list tables"), "inet podfence"));
    const auto second = run_podfence({"apply", "-f", shop.path()});
    CHECK(second.status == 0);
    CHECK(contains(second.out, "nothing to change"));
    const auto json = test::json_of(run_podfence({"apply", "-f", shop.path(), "-o", "json"}));
    CHECK(json.at("changed").as_bool() == false);
    CHECK(json.at("pods").at("local").as_int64() == 3);
    CHECK(run_podfence({"apply", "-f", shop.path(), "-q"}).out.empty());
}

TEST_CASE("apply reads standard input and prints the batch as nft takes it", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const auto dry = run_podfence({"apply", "-f", "-", "--dry-run", "-o", "nft"}, test::kShop);
    CHECK(dry.status == 0);
    CHECK(test::run_shell("nft list tables").empty());
    test::nft_load(dry.out);
    const auto after = run_podfence({"diff", "-f", "-"}, test::kShop);
    CAPTURE(after.out);
    CHECK(after.status == 0);
}

TEST_CASE("diff is status 1 while something would change, and changes nothing", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    const auto all = run_podfence({"diff", "-f", shop.path()});
    CHECK(all.status == 1);
    CHECK(contains(all.out, "+ add table inet podfence"));
    CHECK(test::run_shell("nft list tables").empty());
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    CHECK(run_podfence({"diff", "-f", shop.path()}).status == 0);
    CHECK(run_podfence({"diff", "-f", shop.path()}).out.empty());
    // Other options give other rules.
    CHECK(run_podfence({"diff", "-f", shop.path(), "--counters"}).status == 1);
    test::run_shell("nft flush chain inet podfence forward");
    const auto tampered = run_podfence({"diff", "-f", shop.path(), "-o", "json"});
    CHECK(tampered.status == 1);
    CHECK(test::json_of(tampered).at("changed").as_bool());
    CHECK(run_podfence({"apply", "-f", shop.path()}).status == 0);
    CHECK(run_podfence({"diff", "-f", shop.path()}).status == 0);
}

TEST_CASE("an object in error stays denied and is reported; --strict refuses all", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(std::string(test::kShop) + kWithError);
    const auto refused = run_podfence({"apply", "-f", shop.path(), "--strict"});
    CHECK(refused.status == 2);
    CHECK(refused.out.empty());
    CHECK(contains(refused.err, "--strict"));
    CHECK(test::run_shell("nft list tables").empty());
    const auto enforced = run_podfence({"apply", "-f", shop.path(), "-o", "json"});
    CHECK(enforced.status == 1);
    CHECK(contains(enforced.err, shop.path() + ":"));
    CHECK(contains(enforced.err, "99999"));
    const auto json = test::json_of(enforced);
    CHECK(json.at("changed").as_bool());
    CHECK(json.at("problems").as_array().size() == 1);
    CHECK(json.at("problems").at(0).at("severity").as_string() == "error");
    CHECK(run_podfence({"diff", "-f", shop.path()}).status == 1);
}

TEST_CASE("an input that vanishes does not open the node", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    const std::string before = test::run_shell("nft list ruleset");
    CHECK(run_podfence({"apply", "-f", "-"}, "").status == 2);
    CHECK(run_podfence({"apply", "-f", shop.path(), "/does/not/exist"}).status == 2);
    CHECK(test::run_shell("nft list ruleset") == before);
}

TEST_CASE("apply refuses a node name that no pod of the input carries", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    const std::string before = test::run_shell("nft list ruleset");
    const auto refused = run_podfence({"apply", "-f", shop.path(), "--node", "node-b.example.com"});
    CHECK(refused.status == 2);
    CHECK(contains(refused.err, "no pod of the input is on node 'node-b.example.com'"));
    CHECK(contains(refused.err, "the name is from --node"));
    // What differs by its domain only stands first.
    CHECK(contains(refused.err, "node-b (2 pods), node-a (4 pods)"));
    CHECK(contains(refused.err, "--node NAME"));
    CHECK(contains(refused.err, "--force"));
    CHECK(run_podfence({"apply", "-f", shop.path(), "--node", "nx", "--dry-run"}).status == 2);
    CHECK(contains(test::shell("NODE_NAME=nx $PODFENCE apply -f $SHOP").err,
                   "the name is from $NODE_NAME"));
    CHECK(test::run_shell("nft list ruleset") == before);
    // Commands that change nothing show what there is and warn.
    for (const char* command : {"diff", "dump"}) {
        const auto shown = run_podfence({command, "-f", shop.path(), "--node", "nx"});
        CHECK(shown.status == (std::string_view(command) == "diff" ? 1 : 0));
        CHECK(contains(shown.err, "no pod with an address is on node 'nx'"));
    }
}

TEST_CASE("a node that is empty on purpose is never silent", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    const auto forced = run_podfence({"apply", "-f", shop.path(), "--node", "nx", "--force"});
    CHECK(forced.status == 0);
    CHECK(contains(forced.err, "no pod with an address is on node 'nx'"));
    CHECK(contains(forced.err, "node-a (4 pods), node-b (2 pods)"));
    // Without any scheduled pod no name is better than another.
    const auto unscheduled =
        run_podfence({"apply", "-f", "-", "--node", "nx"},
                     "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec: {}\n");
    CHECK(unscheduled.status == 0);
    CHECK(contains(unscheduled.err, "no pod in the input has a spec.nodeName"));
    // As when whoever wrote it may list pods only.
    CHECK(contains(unscheduled.err, "the input holds no NetworkPolicy"));
}

TEST_CASE("a bridge without br_netfilter is warned about with the remedy", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    try {
        test::run_shell("ip link add cni0 type bridge 2>&1");
    } catch (const std::exception& error) {
        PODFENCE_SKIP(std::string("no bridge can be made here: ") + error.what());
    }
    // The setting is the namespace's own. Where the module is missing that is what is warned about.
    (void)test::shell("echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    const auto off = run_podfence({"apply", "-f", shop.path()});
    CHECK(off.status == 0);
    CHECK(contains(off.err, "NOT enforced between pods on the same bridge (cni0)"));
    CHECK(contains(off.err, "net.bridge.bridge-nf-call-iptables=1"));
    test::run_shell("ip link del cni0");
    CHECK(run_podfence({"apply", "-f", shop.path()}).err.empty());
}

TEST_CASE("cleanup removes what is ours and leaves what is not", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    test::nft_load("table inet other { chain c { type filter hook forward priority 0; }; }");
    const std::string before = test::run_shell("nft list ruleset");
    const auto nothing = run_podfence({"cleanup"});
    CHECK(nothing.status == 0);
    CHECK(contains(nothing.out, "nothing to remove"));
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    const std::string enforced = test::run_shell("nft list ruleset");
    CHECK(contains(run_podfence({"cleanup", "--dry-run"}).out, "would remove table inet podfence"));
    CHECK(test::run_shell("nft list ruleset") == enforced);
    const auto json = test::json_of(run_podfence({"cleanup", "-o", "json"}));
    CHECK(json.at("removed").at(0).at("table").as_string() == "inet podfence");
    CHECK(test::run_shell("nft list ruleset") == before);
}

TEST_CASE("a table that an agent owns can be read, and changed when the agent is gone", "[cli]") {
    PODFENCE_OWN_NETWORK();
    auto owner = nft::NetlinkKernel::open(nft::Ownership::owned).value();
    if (owner->makes() != nft::Hold::ours) {
        PODFENCE_SKIP("the kernel knows no owners of tables (Linux 6.9)");
    }
    const test::TemporaryFile manifests(test::kShop);
    REQUIRE(nft::converge(*owner, nft::Table{}).has_value());
    CHECK(run_podfence({"dump", "--live"}).status == 0);
    CHECK(run_podfence({"diff", "-f", manifests.path()}).status == 1);
    for (const test::Arguments& change :
         {test::Arguments{"cleanup", "--force"},
          test::Arguments{"apply", "-f", manifests.path(), "--force"}}) {
        const auto refused = run_podfence(change);
        CHECK(refused.status == 3);
        CHECK(contains(refused.err, "another process owns the table"));
        CHECK(contains(refused.err, "stop it first"));
    }
    owner.reset();
    CHECK(run_podfence({"apply", "-f", manifests.path()}).status == 0);
    CHECK(run_podfence({"diff", "-f", manifests.path()}).status == 0);
    CHECK(run_podfence({"cleanup"}).status == 0);
    CHECK(run_podfence({"dump", "--live"}).status == 1);
}

TEST_CASE("tables of another name are written, read, compared and removed by that name", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    const test::TemporaryFile config("table-name: podfence-b\n", "config.yaml");
    const std::vector<std::string> named{"PODFENCE_CONFIG=" + config.path(),
                                         "PODFENCE_SOCKET=/nowhere"};
    const auto run = [&](test::Arguments arguments) { return run_podfence(arguments, {}, named); };
    REQUIRE(run({"apply", "-f", shop.path()}).status == 0);
    test::nft_load("table netdev podfence-b { }\ntable inet podfence { }\n");
    CHECK(contains(test::run_shell("nft list tables"), "inet podfence-b\n"));
    CHECK(run({"diff", "-f", shop.path()}).status == 0);
    CHECK(run_podfence({"diff", "-f", shop.path()}, {}).status == 1);
    CHECK(contains(run({"dump", "--live"}).out, "table inet podfence-b {"));
    const auto live = run({"explain", "-f", shop.path(), "--node", "node-a", "--from",
                           "shop/frontend", "--to", "shop/db", "--port", "5432", "--live"});
    CAPTURE(live.out, live.err);
    CHECK_FALSE(contains(live.out + live.err, "DISAGREE"));
    CHECK(contains(run({"doctor"}).out, "inet podfence-b"));
    const auto removed = run({"cleanup"});
    CHECK(contains(removed.out, "removed table inet podfence-b"));
    CHECK(contains(removed.out, "removed table netdev podfence-b"));
    CHECK(test::run_shell("nft list tables") == "table inet podfence\n");
}

TEST_CASE("cleanup also removes a netdev table of ours", "[cli]") {
    PODFENCE_OWN_NETWORK();
    test::nft_load("table netdev podfence { }");
    CHECK(run_podfence({"cleanup"}).status == 0);
    CHECK(test::run_shell("nft list tables").empty());
}

TEST_CASE("dump --live shows a pod's interface, and what proves its addresses", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    test::run_shell("ip link add veth0 index 77 type veth peer name eth0");
    const std::map<LinkIndex, PodLink> links{
        {1, {.index = 1, .name = "lo", .pod = {"shop", "x"}, .addresses = {Address::v4(1)}}},
        {77, {.index = 77, .name = "veth0", .pod = {"shop", "y"}, .addresses = {Address::v4(2)}}}};
    auto kernel = nft::NetlinkKernel::open().value();
    REQUIRE(kernel->commit(nft::plan(std::nullopt, compile_anti_spoof(links, {})), std::nullopt)
                .has_value());
    const auto shown = run_podfence({"dump", "--live", "--pod", "shop/y"});
    CHECK(shown.status == 0);
    CHECK(contains(shown.out, "chain if-77-veth0 {"));
    CHECK(contains(shown.out, "counter drop comment \"shop/y\""));
    CHECK(contains(shown.out, "77 . ip . 0.0.0.2"));
    CHECK(contains(shown.out, "77 . arp . 0.0.0.2"));
    CHECK_FALSE(contains(shown.out, "if-1-lo"));
    CHECK_FALSE(contains(shown.out, "0.0.0.1"));
    const auto json =
        test::json_of(run_podfence({"dump", "--live", "--pod", "shop/y", "-o", "json"}));
    CHECK(json.at("interfaces").at("chains").as_object().contains("if-77-veth0"));
    CHECK(run_podfence({"dump", "--live", "--pod", "shop/z"}).status == 1);
}

TEST_CASE("without CAP_NET_ADMIN it is status 3 and what to do", "[cli]") {
    PODFENCE_OWN_NETWORK();
    for (const char* command :
         {"apply -f $SHOP", "diff -f $SHOP", "dump --live", "cleanup",
          "explain -f $SHOP --from shop/backend --to shop/db --port 5432 --live"}) {
        CAPTURE(command);
        const auto run =
            test::shell("exec setpriv --bounding-set=-net_admin $PODFENCE " + std::string(command));
        CHECK(run.status == 3);
        CHECK(run.out.empty());
        CHECK(contains(run.err, "CAP_NET_ADMIN"));
    }
    // What needs no kernel needs no privilege.
    CHECK(test::shell("setpriv --bounding-set=-net_admin $PODFENCE dump -f $SHOP").status == 0);
    CHECK(test::shell("setpriv --bounding-set=-net_admin $PODFENCE version").status == 0);
}

TEST_CASE("dump --live shows the kernel's rules, with origins when the manifests are given",
          "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    const auto nothing = run_podfence({"dump", "--live"});
    CHECK(nothing.status == 1);
    CHECK(contains(nothing.err, "enforces nothing"));
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    const auto live = run_podfence({"dump", "--live", "-o", "nft"});
    CHECK(live.status == 0);
    CHECK(live.out == run_podfence({"dump", "-f", shop.path(), "-o", "nft"}).out);
    CHECK(
        contains(run_podfence({"dump", "--live", "-f", shop.path()}).out, "shop/db-from-backend"));
    const auto pod = run_podfence({"dump", "--live", "--pod", "shop/db"});
    CHECK(pod.status == 0);
    CHECK(contains(pod.out, "10.1.0.4"));
    CHECK_FALSE(contains(pod.out, "10.1.0.2 :"));
    const auto unknown = run_podfence({"dump", "--live", "--pod", "shop/cache"});
    CHECK(unknown.status == 1);
    CHECK(contains(unknown.err, "not on this node"));
}

TEST_CASE("explain --live notices a node that does not do what the policies say", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    const test::Arguments denied{"explain", "-f",      shop.path(), "--from", "shop/frontend",
                                 "--to",    "shop/db", "--port",    "5432",   "--live"};
    const test::Arguments allowed{"explain", "-f",      shop.path(), "--from", "shop/backend",
                                  "--to",    "shop/db", "--port",    "5432",   "--live"};
    const auto before = run_podfence(denied);
    CHECK(before.status == 1);
    CHECK(contains(before.err, "DISAGREE"));
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    const auto agreed = run_podfence(denied);
    CHECK(agreed.status == 1);
    CHECK(agreed.err.empty());
    CHECK(contains(agreed.out, "the kernel drops it, the policies deny it"));
    CHECK(run_podfence(allowed).status == 0);
    test::run_shell("nft flush chain inet podfence forward");
    const auto tampered = run_podfence(denied);
    CHECK(tampered.status == 1);
    CHECK(contains(tampered.out, "DISAGREEMENT"));
    auto json_arguments = denied;
    json_arguments.insert(json_arguments.end(), {"-o", "json"});
    const auto json = test::json_of(run_podfence(json_arguments));
    CHECK(json.at("verdict").as_string() == "deny");
    CHECK(json.at("live_agrees").as_bool() == false);
    CHECK(json.at("live").at("verdict").as_string() == "allow");
    // The other node's pods are not judged here.
    const auto remote =
        run_podfence({"explain", "-f", shop.path(), "--from", "monitoring/prometheus", "--to",
                      "shop/cache", "--port", "80", "--live", "-o", "json"});
    CHECK(test::json_of(remote).at("live").at("checked").as_bool() == false);
}

TEST_CASE("D1 N68: explain --live knows all addresses of its node", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile shop(test::kShop);
    test::run_shell("ip link set lo up; ip address add 10.1.0.1/24 dev lo");
    REQUIRE(run_podfence({"apply", "-f", shop.path()}).status == 0);
    test::Arguments probe{"explain", "-f",      shop.path(), "--from", "10.1.0.1",
                          "--to",    "shop/db", "--port",    "5432"};
    CHECK(run_podfence(probe).status == 1);  // any address, as far as the manifests go
    probe.emplace_back("--live");
    const auto known = run_podfence(probe);
    CAPTURE(known.out);
    CHECK(known.status == 0);
    CHECK(contains(known.out, "its own node"));
}

TEST_CASE("D2: explain --live sees rules for pods' traffic to their node", "[cli]") {
    PODFENCE_OWN_NETWORK();
    const test::TemporaryFile manifests(std::string(test::kShop) + R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: no-egress, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}
)");
    test::run_shell("ip link set lo up; ip address add 10.1.0.1/24 dev lo");
    const test::Arguments asked{"explain", "-f",       manifests.path(), "--from", "shop/db",
                                "--to",    "10.1.0.1", "--port",         "53",     "--live"};
    test::Arguments enforced = asked;
    enforced.insert(enforced.end(), {"--pod-to-node", "enforce"});
    REQUIRE(run_podfence({"apply", "-f", manifests.path()}).status == 0);
    CHECK(run_podfence(asked).status == 0);
    CHECK(contains(run_podfence(enforced).out, "DISAGREEMENT"));
    REQUIRE(run_podfence({"apply", "-f", manifests.path(), "--pod-to-node", "enforce"}).status ==
            0);
    CHECK(contains(run_podfence(asked).out, "DISAGREEMENT"));
    const auto agreed = run_podfence(enforced);
    CHECK(agreed.status == 1);
    CHECK(contains(agreed.out, "the kernel drops it, the policies deny it"));
}
