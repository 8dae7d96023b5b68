// dump, explain and matrix from manifests alone.
#include <fstream>
#include <sstream>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "test/cli/cli.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;

namespace {

lab::Finished with_shop(test::Arguments arguments) {
    arguments.insert(arguments.end(), {"-f", "-"});
    return run_podfence(arguments, test::kShop);
}

lab::Finished explain(const std::string& from, const std::string& to,
                      const test::Arguments& more = {}) {
    test::Arguments arguments{"explain", "--from", from, "--to", to};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return with_shop(arguments);
}

std::string text(const boost::json::value& value) {
    return std::string(value.as_string());
}

}  // namespace

TEST_CASE("dump annotates the rules with the policies they come from", "[cli]") {
    const auto run = with_shop({"dump"});
    CHECK(run.status == 0);
    CHECK(contains(run.out, "table inet podfence"));
    CHECK(contains(run.out, "shop/db-from-backend ingress[0]"));
    const auto nft = with_shop({"dump", "-o", "nft"});
    CHECK_FALSE(contains(nft.out, "#"));
    const auto json = test::json_of(with_shop({"dump", "-o", "json"}));
    CHECK(text(json.at("table").at("name")) == "podfence");
    CHECK(text(json.at("chains").at("forward").at("base").at("hook")) == "forward");
    CHECK(json.at("problems").as_array().empty());
}

TEST_CASE("dump --pod shows that pod's way through the rules and no other's", "[cli]") {
    const auto run = with_shop({"dump", "--pod", "shop/db"});
    CHECK(run.status == 0);
    CHECK(contains(run.out, "10.1.0.4"));
    CHECK(contains(run.out, "shop/db-from-backend"));
    CHECK(contains(run.out, "10.1.0.3"));  // The backend as a peer.
    CHECK_FALSE(contains(run.out, "shop/frontend"));
    const auto missing = with_shop({"dump", "--pod", "shop/bd"});
    CHECK(missing.status == 2);
    CHECK(contains(missing.err, "did you mean 'shop/db'"));
    const auto elsewhere = with_shop({"dump", "--pod", "shop/cache"});
    CHECK(elsewhere.status == 1);
    CHECK(contains(elsewhere.err, "it is on node"));
}

TEST_CASE("dump --pod shortens long sets and says so", "[cli]") {
    std::ostringstream manifest;
    manifest << test::kShop << R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: outside, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [)";
    for (int i = 0; i < 40; ++i) {
        manifest << (i == 0 ? "" : ", ") << "{ipBlock: {cidr: 192.0." << i * 2 << ".0/24}}";
    }
    manifest << "]}]}\n";
    const auto cut = run_podfence({"dump", "-f", "-", "--pod", "shop/db"}, manifest.str());
    CHECK(contains(cut.out, "28 more elements; --full shows them"));
    const auto full =
        run_podfence({"dump", "-f", "-", "--pod", "shop/db", "--full"}, manifest.str());
    CHECK_FALSE(contains(full.out, "more elements"));
    CHECK(contains(full.out, "192.0.78.0/24"));
    // What is meant to be loaded is whole.
    const auto nft =
        run_podfence({"dump", "-f", "-", "--pod", "shop/db", "-o", "nft"}, manifest.str());
    CHECK(contains(nft.out, "192.0.78.0/24"));
}

TEST_CASE("an IPv4 address that is written as IPv6 is read as what packets carry", "[cli]") {
    const auto mapped = explain("shop/backend", "::ffff:10.1.0.4", {"--port", "5432"});
    CHECK(mapped.status == 0);
    CHECK(contains(mapped.out, "is an IPv4 address written as IPv6: read as 10.1.0.4"));
    CHECK(contains(mapped.out, "shop/db"));
    CHECK(explain("shop/frontend", "::ffff:10.1.0.4", {"--port", "5432"}).status == 1);
}

TEST_CASE("explain says which rule allows a flow", "[cli]") {
    const auto run = explain("shop/backend", "shop/db", {"--port", "5432"});
    CHECK(run.status == 0);
    CHECK(run.out.starts_with("ALLOWED"));
    CHECK(contains(run.out, "policy shop/db-from-backend"));
    CHECK(contains(run.out, "ingress[0]"));
    const auto json =
        test::json_of(explain("shop/backend", "shop/db", {"--port", "5432", "-o", "json"}));
    CHECK(text(json.at("verdict")) == "allow");
    CHECK(json.at("egress").at("isolated").as_bool() == false);
    CHECK(json.at("egress").at("allowed").as_bool());
    CHECK(json.at("ingress").at("isolated").as_bool());
    CHECK(json.at("ingress").at("policies").as_array().size() == 3);
    CHECK(text(json.at("ingress").at("rule")) == "shop/db-from-backend ingress[0]");
    CHECK(json.at("port").as_int64() == 5432);
}

TEST_CASE("explain says what each rule of a denied flow lacks, and where it stands", "[cli]") {
    const auto run = explain("shop/frontend", "shop/db", {"--port", "postgres"});
    CHECK(run.status == 1);
    CHECK(run.out.starts_with("DENIED"));
    CHECK(contains(run.out, "pod shop/frontend has app=frontend, not app=backend"));
    CHECK(contains(run.out, "(-:4"));  // Line forty-something of standard input.
    CHECK(contains(run.out, "has no ingress rules: allows nothing"));
    const auto json =
        test::json_of(explain("shop/frontend", "shop/db", {"--port", "5432", "-o", "json"}));
    CHECK(text(json.at("verdict")) == "deny");
    CHECK(json.at("ingress").at("allowed").as_bool() == false);
    CHECK(json.at("ingress").at("rule").is_null());
}

TEST_CASE("explain judges all address families that both ends share", "[cli]") {
    const auto both =
        test::json_of(explain("shop/frontend", "shop/backend", {"--port", "http", "-o", "json"}));
    CHECK(both.at("flows").as_array().size() == 2);
    const auto one =
        test::json_of(explain("shop/frontend", "shop/db", {"--port", "5432", "-o", "json"}));
    CHECK(one.at("flows").as_array().size() == 1);
    const auto none = explain("shop/db", "2001:db8::1", {"--port", "80"});
    CHECK(none.status == 2);
    CHECK(contains(none.err, "no address family"));
}

TEST_CASE("explain without --port judges the ports that the pod declares, and says so", "[cli]") {
    const auto run = explain("monitoring/prometheus", "shop/db");
    CHECK(run.status == 1);  // 9187 is allowed, 5432 is not.
    CHECK(contains(run.out, "1 of 2 flows are denied"));
    CHECK(contains(run.out, "without --port the ports that shop/db declares are judged"));
    const auto assumed = explain("shop/db", "52.94.0.7");
    CHECK(assumed.status == 0);
    CHECK(contains(assumed.out, "judged on 80/TCP"));
}

TEST_CASE("a declared port needs no name to be judged", "[cli]") {
    const std::string pods = R"(
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: b}
spec: {containers: [{name: c, ports: [{containerPort: 9000}, {containerPort: 53, protocol: UDP}]}]}
status: {phase: Running, podIP: 10.0.0.1}
)";
    const auto run =
        run_podfence({"explain", "-f", "-", "--from", "192.0.2.1", "--to", "b/a"}, pods);
    CHECK(run.status == 0);
    CHECK(contains(run.out, "9000/TCP"));
    CHECK(contains(run.out, "53/UDP"));
}

TEST_CASE("explain takes addresses, ICMP and protocols in any case", "[cli]") {
    CHECK(explain("10.1.0.3", "10.1.0.4", {"--port", "5432"}).status == 0);
    CHECK(explain("192.0.2.1", "shop/db", {"--port", "5432"}).status == 1);
    CHECK(explain("shop/frontend", "shop/db", {"--protocol", "icmp"}).status == 1);
    CHECK(explain("shop/backend", "shop/db", {"--port", "5432", "--protocol", "udp"}).status == 1);
    CHECK(explain("shop/frontend", "shop/db", {"--protocol", "ICMP", "--port", "1"}).status == 2);
    CHECK(explain("shop/frontend", "shop/frontend", {"--port", "1"}).status == 0);  // N66
}

TEST_CASE("explain refuses ends and ports that do not exist, and helps", "[cli]") {
    CHECK(contains(explain("shop/bakend", "shop/db").err, "did you mean 'shop/backend'"));
    CHECK(contains(explain("backend", "shop/db").err, "did you mean 'shop/backend'"));
    CHECK(contains(explain("shop/", "shop/db").err, "NAMESPACE/POD"));
    CHECK(contains(explain("shop/job", "shop/db").err, "has finished"));
    const auto port = explain("shop/backend", "shop/db", {"--port", "http"});
    CHECK(port.status == 2);
    CHECK(contains(port.err, "postgres 5432/TCP, metrics 9187/TCP"));
    CHECK(explain("shop/backend", "shop/db", {"--port", "0"}).status == 2);
    CHECK(explain("shop/backend", "shop/db", {"--port", "65536"}).status == 2);
}

TEST_CASE("explain says once what holds for both address families", "[cli]") {
    const auto both = explain("shop/frontend", "shop/backend", {"--port", "8080"});
    CHECK(contains(both.out,
                   "DENIED  shop/frontend (10.1.0.2, fd00:1::2) -> shop/backend (10.1.0.3, "
                   "fd00:1::3)  8080/TCP"));
    CHECK(both.out.find("DENIED  ") == both.out.rfind("DENIED  "));
    CHECK(test::json_of(explain("shop/frontend", "shop/backend", {"--port", "8080", "-o", "json"}))
              .at("flows")
              .as_array()
              .size() == 2);
    // ICMP and ICMPv6 are two protocols: what is said of them differs.
    const auto icmp = explain("shop/frontend", "shop/backend", {"--protocol", "icmp"});
    CHECK(contains(icmp.out, "  ICMP\n"));
    CHECK(contains(icmp.out, "  ICMPv6\n"));
}

TEST_CASE("a pod that is not there is met with those that are", "[cli]") {
    CHECK(contains(explain("backend", "shop/db").err, "did you mean 'shop/backend'?"));
    CHECK(contains(explain("monitoring/qwertz", "shop/db").err,
                   "pods of namespace monitoring: monitoring/prometheus"));
    CHECK(contains(explain("qwertz", "shop/db").err,
                   "pods in the input: monitoring/prometheus, shop/backend, "));
    const std::string twins = R"(
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: a}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: b}, status: {podIP: 10.0.0.2}}
)";
    CHECK(contains(
        run_podfence({"explain", "-f", "-", "--from", "web", "--to", "192.0.2.1"}, twins).err,
        "pods of that name: a/web, b/web"));
    CHECK(contains(explain("192.0.2.1", "192.0.2.2").out, "neither end is a pod"));
}

TEST_CASE("a port name that no pod has is an error with those there are", "[cli]") {
    const auto run = with_shop({"matrix", "--port", "htpp"});
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK(contains(run.err, "no pod has a TCP port named 'htpp'"));
    CHECK(contains(run.err, "names in the input: http, metrics, postgres"));
    CHECK(contains(with_shop({"matrix", "--port", "http", "--protocol", "udp"}).err,
                   "no pod names any"));
}

TEST_CASE("dump says why a pod has no rules", "[cli]") {
    const auto elsewhere = with_shop({"dump", "--pod", "shop/cache"});
    CHECK(elsewhere.status == 1);
    CHECK(contains(elsewhere.err, "it is on node 'node-b', and these are the rules of 'node-a'"));
    const auto open = with_shop({"dump", "--pod", "monitoring/prometheus", "--node", "node-b"});
    CHECK(open.status == 1);
    CHECK(contains(open.err, "no policy isolates it, so all traffic is allowed"));
}

TEST_CASE("matrix of pods that never ran says what is missing", "[cli]") {
    const auto run = run_podfence({"matrix", "-f", "-"},
                                  "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b}}");
    CHECK(run.status == 2);
    CHECK(contains(run.err, "1 pod without status.podIP"));
}

TEST_CASE("matrix prints who can reach whom", "[cli]") {
    const auto run = with_shop({"matrix", "--port", "5432"});
    CHECK(run.status == 0);
    CHECK(contains(run.out, "5 pods on port 5432/TCP"));
    const auto json = test::json_of(with_shop({"matrix", "--port", "5432", "-o", "json"}));
    const boost::json::array pods{"monitoring/prometheus", "shop/backend", "shop/cache", "shop/db",
                                  "shop/frontend"};
    CHECK(json.at("pods").as_array() == pods);
    CHECK(json.at("port").as_int64() == 5432);
    CHECK(text(json.at("protocol")) == "TCP");
    CHECK(json.at("allowed").at(1).at(3).as_bool());           // backend to db
    CHECK(json.at("allowed").at(4).at(3).as_bool() == false);  // frontend to db
    CHECK(json.at("allowed").at(3).at(0).as_bool());           // db to prometheus
    CHECK(json.at("allowed").at(2).at(2).as_bool());           // itself
}

TEST_CASE("matrix without --port uses each destination's own ports", "[cli]") {
    const auto json = test::json_of(with_shop({"matrix", "-o", "json"}));
    CHECK(json.at("port").is_null());
    CHECK(json.at("judged").at(3) == boost::json::array{"5432/TCP", "9187/TCP"});
    CHECK(json.at("allowed_ports").at(0).at(3) == boost::json::array{"9187/TCP"});
    CHECK(json.at("allowed").at(0).at(3).as_bool());
}

TEST_CASE("matrix narrows to namespaces and merges what nothing tells apart", "[cli]") {
    const auto shop = test::json_of(with_shop({"matrix", "-o", "json", "--namespace", "shop"}));
    CHECK(shop.at("pods").as_array().size() == 4);
    const auto typo = with_shop({"matrix", "--namespace", "shopp"});
    CHECK(typo.status == 2);
    CHECK(contains(typo.err, "did you mean 'shop'"));
    std::ostringstream many;
    for (int i = 0; i < 30; ++i) {
        many << "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web-" << 10 + i
             << ", namespace: a, labels: {app: web}}\nspec: {nodeName: n, containers: [{name: "
                "c}]}\nstatus: {phase: Running, podIP: 10.3.0."
             << i + 1 << "}\n";
    }
    const auto merged = run_podfence({"matrix", "-f", "-"}, many.str());
    CHECK(contains(merged.out, "web-* (30)"));
    CHECK_FALSE(contains(run_podfence({"matrix", "-f", "-", "--full"}, many.str()).out, "web-*"));
}

TEST_CASE("matrix --html writes one page that needs nothing else", "[cli]") {
    const test::TemporaryFile shop(test::kShop);
    const std::string page_path = shop.directory() + "/m.html";
    const auto run = run_podfence({"matrix", "-f", shop.path(), "--html", page_path});
    CHECK(run.status == 0);
    std::ifstream file(page_path);
    std::stringstream page;
    page << file.rdbuf();
    CHECK_FALSE(contains(page.str(), "http://"));
    CHECK_FALSE(contains(page.str(), "https://"));
    const std::string begin = "<script type=\"application/json\" id=\"data\">";
    const auto start = page.str().find(begin) + begin.size();
    const auto end = page.str().find("</script>", start);
    const auto data = boost::json::parse(page.str().substr(start, end - start));
    CHECK(data.at("pods").as_array().size() == 5);
    CHECK(data.at("reach").as_array().size() == 5);
    CHECK(run_podfence({"matrix", "-f", shop.path(), "--html", "/does/not/exist"}).status == 3);
    CHECK(run_podfence({"matrix", "-f", shop.path(), "--html", "-"}).out == page.str());
}

TEST_CASE("nothing in the input can break out of the page or drive the terminal", "[cli]") {
    const std::string evil = R"(
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: b, labels: {x: "</script><script>alert(1)//"}}
spec: {nodeName: "\e[31mred", containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.1}
)";
    const auto page = run_podfence({"matrix", "-f", "-", "--html", "-"}, evil);
    CHECK_FALSE(contains(page.out, "<script>alert"));
    const auto dump = run_podfence({"dump", "-f", "-", "--node", "n"}, evil);
    CHECK_FALSE(contains(dump.out + dump.err, "\x1b"));
}

TEST_CASE("errors in the input make every answer status 1, with --strict none is given", "[cli]") {
    const std::string manifest =
        std::string(test::kShop) +
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: broken, "
        "namespace: shop}\nspec: {podSelector: {}, ingress: [{ports: [{port: 99999}]}]}\n";
    const test::Arguments flow{"explain", "-f",      "-",      "--from", "shop/backend",
                               "--to",    "shop/db", "--port", "5432"};
    for (test::Arguments arguments :
         {flow, test::Arguments{"dump", "-f", "-"}, test::Arguments{"matrix", "-f", "-"}}) {
        CAPTURE(arguments);
        const auto run = run_podfence(arguments, manifest);
        CHECK(run.status == 1);
        CHECK_FALSE(run.out.empty());
        CHECK(contains(run.err, "error:"));
        arguments.emplace_back("--strict");
        const auto strict = run_podfence(arguments, manifest);
        CHECK(strict.status == 2);
        CHECK(strict.out.empty());
    }
}
