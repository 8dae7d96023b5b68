// podfence-cni behind the plugins that make pods' interfaces, with the real agent and kernel.
#include <csignal>
#include <filesystem>
#include <optional>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/attachment_store.hpp"
#include "test/cli/cli.hpp"
#include "test/support/http.hpp"
#include "test/support/lab_child.hpp"
#include "test/support/netns.hpp"
#include "test/support/paths.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace std::chrono_literals;
using test::contains;

namespace {

namespace json = boost::json;

constexpr const char* kPlugins = "/usr/lib/cni";

/// Pods whose status says nothing yet, as the kubelet has not reported any address.
const char* const kStarting = R"(
---
{apiVersion: v1, kind: Pod, metadata: {name: new, namespace: shop, uid: u-new, labels: {app: db}},
 spec: {nodeName: node-a, containers: [{name: c}]}, status: {phase: Pending}}
---
{apiVersion: v1, kind: Pod, metadata: {name: next, namespace: shop, uid: u-next},
 spec: {nodeName: node-a, containers: [{name: c}]}, status: {phase: Pending}}
)";

/// A node with an agent that follows files, and two sandboxes.
class Node {
  public:
    explicit Node(const std::string& wiring) : wiring_(wiring) {
        const lab::Stay stay = ns_.enter();
        lab::raise_loopback();
        start_agent();
    }

    void start_agent() {
        agent_.emplace(
            ns_, lab::ChildSpec{
                     .argv = {test::podfence_program(), "agent", "--node", "node-a", "--socket",
                              socket(), "--metrics-address", "", "-f", manifests_.directory()},
                     .log = log()});
        const auto synced =
            run({test::podfence_program(), "status", "--wait", "--socket", socket()});
        INFO(synced.err << lab::tail_of(log()));
        REQUIRE(synced.status == 0);
    }
    lab::Child& agent() { return *agent_; }

    /// The whole chain, as a runtime runs it. The result of its last plugin.
    lab::Finished add(const lab::NetNs& sandbox, const std::string& pod) const {
        const auto made =
            plugin(std::string(kPlugins) + "/" + wiring_, "ADD", sandbox, pod, interface_config());
        INFO(made.out << made.err);
        REQUIRE(made.status == 0);
        return plugin(test::cni_program(), "ADD", sandbox, pod, our_config(made));
    }
    lab::Finished del(const lab::NetNs& sandbox, const std::string& pod) const {
        auto done = plugin(test::cni_program(), "DEL", sandbox, pod, our_config({}));
        REQUIRE(
            plugin(std::string(kPlugins) + "/" + wiring_, "DEL", sandbox, pod, interface_config())
                .status == 0);
        return done;
    }
    lab::Finished check(const lab::NetNs& sandbox, const std::string& pod,
                        const lab::Finished& added) const {
        return plugin(test::cni_program(), "CHECK", sandbox, pod, our_config(added));
    }
    /// Started and left running, with what the chain gave before.
    lab::Child begin_add(const lab::NetNs& sandbox, const std::string& pod) const {
        const auto made =
            plugin(std::string(kPlugins) + "/" + wiring_, "ADD", sandbox, pod, interface_config());
        REQUIRE(made.status == 0);
        const std::string input = directory_.path() + "/input";
        test::write_file(input, json::serialize(our_config(made)));
        return {ns_,
                {.argv = {"sh", "-c", "exec " + test::cni_program() + " <" + input},
                 .log = log(),
                 .environment = environment("ADD", sandbox, pod)}};
    }

    std::string rules() const { return run({"nft", "list", "table", "inet", "podfence"}).out; }
    std::string socket() const { return directory_.path() + "/run/podfence.sock"; }
    std::string log() const { return directory_.path() + "/log"; }
    const lab::NetNs& one() const { return one_; }
    const lab::NetNs& two() const { return two_; }

  private:
    lab::Finished run(const std::vector<std::string>& argv, const std::string& input = {},
                      const std::vector<std::string>& variables = {}) const {
        const lab::Stay stay = ns_.enter();
        return lab::run_program(argv, input, variables);
    }
    static std::vector<std::string> environment(const std::string& command,
                                                const lab::NetNs& sandbox, const std::string& pod) {
        return {"CNI_COMMAND=" + command,
                "CNI_CONTAINERID=" + sandbox.name(),
                "CNI_NETNS=" + sandbox.path(),
                "CNI_IFNAME=eth0",
                std::string("CNI_PATH=") + kPlugins,
                "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=" + pod +
                    ";K8S_POD_UID=u-" + pod};
    }
    lab::Finished plugin(const std::string& program, const std::string& command,
                         const lab::NetNs& sandbox, const std::string& pod,
                         const json::object& config) const {
        return run({program}, json::serialize(config), environment(command, sandbox, pod));
    }
    json::object interface_config() const {
        json::object config{{"cniVersion", "1.0.0"}, {"name", "net"}, {"type", wiring_}};
        if (wiring_ == "bridge") {
            config["bridge"] = "cni0";
            config["isGateway"] = true;
        }
        const auto range = [](const char* subnet) {
            return json::array{json::object{{"subnet", subnet}}};
        };
        config["ipam"] = {{"type", "host-local"},
                          {"dataDir", directory_.path() + "/ipam"},
                          {"ranges", {range("10.1.0.0/24"), range("fd00:1::/64")}}};
        return config;
    }
    json::object our_config(const lab::Finished& before) const {
        json::object config{{"cniVersion", "1.0.0"}, {"name", "net"}, {"type", "podfence-cni"},
                            {"socket", socket()},    {"timeout", 60}, {"onAgentMissing", "deny"}};
        if (!before.out.empty()) config["prevResult"] = test::json_of(before);
        return config;
    }

    std::string wiring_;
    test::TemporaryDirectory directory_{};
    test::TemporaryFile manifests_{std::string(test::kShop) + kStarting};
    lab::Claim claim_{};
    lab::NetNs ns_ = lab::NetNs::create(claim_.name("node"));
    lab::NetNs one_ = lab::NetNs::create(claim_.name("one"));
    lab::NetNs two_ = lab::NetNs::create(claim_.name("two"));
    std::optional<lab::Child> agent_{};
};

std::string address_of(const lab::Finished& added) {
    const json::value result = test::json_of(added);
    const std::string text(result.at("ips").at(0).at("address").as_string());
    return text.substr(0, text.find('/'));
}

std::optional<std::string> chain_missing() {
    if (auto why_not = test::PrivateNetns::missing()) return why_not;
    if (auto why_not = test::nft_missing()) return why_not;
    if (std::filesystem::exists(std::string(kPlugins) + "/bridge")) return std::nullopt;
    return "no CNI plugins in " + std::string(kPlugins);
}

}  // namespace

#define PODFENCE_NEEDS_A_CHAIN() \
    if (const auto why_not = chain_missing()) PODFENCE_SKIP("no chain of plugins: " + *why_not)

TEST_CASE("when ADD is over the kernel holds the pod's rules, whatever made its interface",
          "[cni]") {
    PODFENCE_NEEDS_A_CHAIN();
    const auto* const wiring = GENERATE("bridge", "ptp");
    CAPTURE(wiring);
    const Node node(wiring);
    const auto added = node.add(node.one(), "new");
    INFO(added.out << added.err << lab::tail_of(node.log()));
    REQUIRE(added.status == 0);
    CHECK(added.err.empty());
    const std::string rules = node.rules();
    const std::string address = address_of(added);
    CHECK(contains(rules, address + " comment \"shop/new\" : goto"));
    CHECK(contains(rules, "fd00:1::"));
    CHECK(node.check(node.one(), "new", added).status == 0);

    // The next one that is told comes after the end of this.
    CHECK(node.del(node.one(), "new").status == 0);
    const auto next = node.add(node.two(), "next");
    REQUIRE(next.status == 0);
    CHECK_FALSE(contains(node.rules(), "\"shop/new\""));
    CHECK(contains(node.rules(), address_of(next) + " comment \"shop/next\" : goto"));
}

TEST_CASE("a pod of which the API server has not told is isolated when ADD is over", "[cni]") {
    PODFENCE_NEEDS_A_CHAIN();
    const Node node("ptp");
    const auto added = node.add(node.one(), "stranger");
    CHECK(added.status == 0);
    CHECK(contains(added.err, "the API server has not told of pod shop/stranger yet"));
    CHECK(contains(node.rules(), address_of(added) + " comment \"shop/stranger."));
}

TEST_CASE("an agent that is killed and comes back still knows who was started", "[cni]") {
    PODFENCE_NEEDS_A_CHAIN();
    Node node("ptp");
    const auto added = node.add(node.one(), "new");
    REQUIRE(added.status == 0);
    node.agent().kill();
    node.start_agent();
    CHECK(contains(node.rules(), address_of(added) + " comment \"shop/new\" : goto"));
    CHECK(node.check(node.one(), "new", added).status == 0);

    // What ends while there is none is not known to the next.
    node.agent().kill();
    CHECK(node.del(node.one(), "new").status == 0);
    node.start_agent();
    CHECK_FALSE(contains(node.rules(), "\"shop/new\""));
}

TEST_CASE(
    "a plugin that is killed while it waits leaves nothing that the end of the pod does not "
    "take away",
    "[cni]") {
    PODFENCE_NEEDS_A_CHAIN();
    Node node("bridge");
    node.agent().signal(SIGSTOP);
    {
        auto adding = node.begin_add(node.one(), "new");
        // It tells the next agent before it asks this one.
        const auto store = AttachmentStore::beside(node.socket());
        while (store.load().attachments.empty()) REQUIRE_FALSE(adding.wait(1ms));
        adding.kill();
    }
    node.agent().signal(SIGCONT);
    CHECK(node.del(node.one(), "new").status == 0);
    CHECK(AttachmentStore::beside(node.socket()).load().attachments.empty());
    const auto next = node.add(node.two(), "next");
    REQUIRE(next.status == 0);
    CHECK_FALSE(contains(node.rules(), "\"shop/new\""));
    CHECK(contains(node.rules(), "\"shop/next\""));
}
