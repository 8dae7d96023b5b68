// podfence-cni as a runtime starts it, with scripted agents, real ones, and without any.
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/attachment_store.hpp"
#include "test/cli/cli.hpp"
#include "test/support/builders.hpp"
#include "test/support/fake_agent.hpp"
#include "test/support/http.hpp"
#include "test/support/paths.hpp"

using namespace podfence;
using namespace std::chrono_literals;
using test::contains;

namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

const char* const kPodArgs =
    "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=new;K8S_POD_UID=u-1;"
    "K8S_POD_INFRA_CONTAINER_ID=c1";

/// What bridge gives, and what is not in the specification yet.
json::value bridge_result(const std::string& version) {
    return json::parse(R"({"cniVersion":")" + version + R"(","interfaces":[{"name":"cni0","mac":
        "0a:00:00:00:00:01"},{"name":"veth1"},{"name":"eth0","mac":"0a:00:00:00:00:02","mtu":1450,
        "sandbox":"/run/netns/x"}],"ips":[{"version":"4","interface":2,"address":"10.1.0.77/24",
        "gateway":"10.1.0.1"},{"interface":2,"address":"fd00:1::77/64"}],"routes":[{"dst":
        "0.0.0.0/0","priority":18446744073709551615}],"dns":{},"later":{"x":[null,-1,1.5]}})");
}

struct Plugin {
    lab::Finished run(const std::string& command, const json::object& changes = {}) const {
        json::object input = config;
        for (const auto& [name, value] : changes) input[name] = value;
        return run_text(command, json::serialize(input));
    }
    lab::Finished run_text(const std::string& command, const std::string& input) const {
        std::vector<std::string> environment{"CNI_COMMAND=" + command};
        environment.insert(environment.end(), variables.begin(), variables.end());
        return lab::run_program({test::cni_program()}, input, environment);
    }
    void set_socket(const std::string& path) { config["socket"] = path; }

    std::vector<std::string> variables{"CNI_CONTAINERID=c1", "CNI_NETNS=/run/netns/x",
                                       "CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin", kPodArgs};
    json::object config{{"cniVersion", "1.0.0"},
                        {"name", "net"},
                        {"type", "podfence-cni"},
                        {"prevResult", bridge_result("1.0.0")}};
};

std::int64_t code_of(const lab::Finished& run) {
    CHECK(run.status == 1);
    const auto value = test::json_of(run);
    CHECK(value.at("msg").as_string().size() > 0);
    return value.at("code").as_int64();
}

/// Answers everything with this state, and keeps what it was asked.
class Script {
  public:
    explicit Script(std::string state) : state_(std::move(state)) {}
    HttpServer::Handler handler() {
        return [this](const HttpRequest& request) {
            const std::scoped_lock lock(mutex_);
            asked_.push_back(request);
            if (state_ == "hang up") return HttpResponse{.stream = std::make_unique<Nothing>()};
            if (state_ == "silence") return HttpResponse{.stream = std::make_unique<Silence>()};
            if (state_ == "404") return HttpResponse{.status = 404, .body = "no such path\n"};
            return HttpResponse{.body = R"({"state":")" + state_ + R"(","reason":"as told"})"};
        };
    }
    void change(std::string state) {
        const std::scoped_lock lock(mutex_);
        state_ = std::move(state);
    }
    std::vector<HttpRequest> asked() const {
        const std::scoped_lock lock(mutex_);
        return asked_;
    }

  private:
    struct Nothing final : HttpBody {
        Next next(std::string&) override { return Next::end; }
    };
    struct Silence final : HttpBody {
        Next next(std::string&) override { return Next::wait; }
    };

    mutable std::mutex mutex_{};
    std::string state_;
    std::vector<HttpRequest> asked_{};
};

/// A plugin, and an agent that says what it is told to.
struct Scripted {
    explicit Scripted(const std::string& state) : script(state) {
        plugin.set_socket(agent.socket());
    }
    Script script;
    test::ServedAgent agent{test::example_status(AgentState::synced), {}, {}, script.handler()};
    Plugin plugin{};
};

}  // namespace

TEST_CASE("the plugin needs nothing of the node that runs it", "[cni]") {
    const auto looked = lab::run_program({"ldd", test::cni_program()});
#ifdef __SANITIZE_ADDRESS__
    CHECK(looked.status == 0);  // The sanitizers need shared libraries.
#else
    CHECK(contains(looked.out + looked.err, "not a dynamic executable"));
    CHECK(std::filesystem::file_size(test::cni_program()) < 2'000'000);
#endif
}

TEST_CASE("VERSION tells the versions whose chains hand on results", "[cni]") {
    const auto run = Plugin{}.run_text("VERSION", R"({"cniVersion":"1.0.0"})");
    CHECK(run.status == 0);
    CHECK(test::json_of(run) == json::parse(R"({"cniVersion":"1.0.0","supportedVersions":
                          ["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]})"));
}

TEST_CASE("the result of the chain passes through, in every version", "[cni]") {
    const Scripted bench("enforced");
    for (const char* version : {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
        CAPTURE(version);
        const auto run = bench.plugin.run(
            "ADD", {{"cniVersion", version}, {"prevResult", bridge_result(version)}});
        CHECK(run.status == 0);
        CHECK(run.err.empty());
        CHECK(test::json_of(run) == bridge_result(version));
    }
    // A plugin before us that speaks another of them: the runtime expects that of the list.
    const auto run = bench.plugin.run("ADD", {{"prevResult", bridge_result("0.3.1")}});
    CHECK(test::json_of(run) == bridge_result("1.0.0"));
}

TEST_CASE("ADD tells the agent all that it needs, and keeps it for the next one", "[cni]") {
    const Scripted bench("enforced");
    REQUIRE(bench.plugin.run("ADD", {{"timeout", 7}}).status == 0);
    const auto asked = bench.script.asked();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].post);
    CHECK(asked[0].path == "/v1/cni/add");
    CHECK(std::stoi(std::string(asked[0].argument("timeout_ms"))) > 6000);
    CHECK(std::stoi(std::string(asked[0].argument("timeout_ms"))) < 7000);
    std::string problem;
    const auto told = decode_attachment(json::parse(asked[0].body), problem);
    REQUIRE(told);
    CHECK(told->key == AttachmentKey{.network = "net", .container = "c1", .interface = "eth0"});
    CHECK(told->pod == ObjectName{.ns = "shop", .name = "new"});
    CHECK(told->uid == "u-1");
    CHECK(told->netns == "/run/netns/x");
    CHECK(told->host_interfaces == std::vector<std::string>{"cni0", "veth1"});
    CHECK(told->addresses == std::vector{test::ip("10.1.0.77"), test::ip("fd00:1::77")});
    const auto store = AttachmentStore::beside(bench.agent.socket());
    CHECK(store.load().attachments == std::vector{*told});

    REQUIRE(bench.plugin.run("DEL").status == 0);
    CHECK(store.load().attachments.empty());
    CHECK(bench.script.asked().back().path == "/v1/cni/del");
    CHECK(decode_attachment_key(json::parse(bench.script.asked().back().body), problem) ==
          told->key);
}

TEST_CASE("what is no pod of Kubernetes, or another of its interfaces, is passed on", "[cni]") {
    Scripted bench("enforced");
    bench.plugin.variables[2] = "CNI_IFNAME=net1";
    CHECK(bench.plugin.run("ADD").status == 0);
    bench.plugin.variables[2] = "CNI_IFNAME=eth0";
    bench.plugin.variables[4] = "CNI_ARGS=";
    const auto run = bench.plugin.run("ADD");
    CHECK(run.status == 0);
    CHECK(test::json_of(run) == bridge_result("1.0.0"));
    CHECK(bench.script.asked().empty());
    CHECK(AttachmentStore::beside(bench.agent.socket()).load().attachments.empty());
}

TEST_CASE("a pod that the agent holds starts, since it is isolated", "[cni]") {
    const Scripted bench("held");
    const auto run = bench.plugin.run("ADD", {{"onAgentMissing", "deny"}});
    CHECK(run.status == 0);
    CHECK(run.err == "podfence-cni: as told\n");
}

TEST_CASE("errors have the codes of the specification", "[cni]") {
    const Plugin good;
    const auto with = [&](std::size_t variable, const std::string& value) {
        Plugin bad = good;
        bad.variables[variable] = value;
        return code_of(bad.run("ADD"));
    };
    CHECK(code_of(good.run("ADD", {{"cniVersion", "0.2.0"}})) == 1);
    CHECK(code_of(good.run("ADD", {{"cniVersion", nullptr}})) == 1);
    CHECK(code_of(good.run("ADD", {{"cniVersion", "2.0.0"}})) == 1);
    CHECK(code_of(good.run("DANCE")) == 4);
    CHECK(with(0, "CNI_CONTAINERID=") == 4);
    CHECK(with(0, "CNI_CONTAINERID=../x") == 4);
    CHECK(with(1, "CNI_NETNS=") == 4);
    CHECK(with(2, "CNI_IFNAME=a/b") == 4);
    CHECK(with(2, "CNI_IFNAME=longer-than-links") == 4);
    CHECK(with(4, "CNI_ARGS=K8S_POD_NAME") == 4);
    CHECK(code_of(good.run_text("ADD", "{")) == 6);
    CHECK(code_of(good.run_text("ADD", "")) == 6);
    CHECK(code_of(good.run_text("ADD", "[]")) == 6);
    CHECK(code_of(good.run_text("ADD", std::string(2 << 20, ' '))) == 5);
    CHECK(code_of(good.run("ADD", {{"prevResult", nullptr}})) == 7);
    CHECK(code_of(good.run("CHECK", {{"prevResult", nullptr}})) == 7);
    CHECK(code_of(good.run("ADD", {{"name", "a/b"}})) == 7);
    CHECK(code_of(good.run("ADD", {{"onAgentMissing", "pray"}})) == 7);
    CHECK(code_of(good.run("ADD", {{"timeout", "10s"}})) == 7);
    CHECK(code_of(good.run("ADD", {{"timeout", -1}})) == 7);
    CHECK(code_of(good.run("ADD", {{"timeout", 181}})) == 7);
    CHECK(code_of(good.run("ADD", {{"socket", "relative"}})) == 7);
    CHECK(code_of(good.run("ADD", {{"prevResult", {{"ips", {{{"address", "10.0.0.x"}}}}}}})) == 7);
    CHECK(code_of(good.run("GC")) == 7);
    const auto error = test::json_of(good.run("ADD", {{"cniVersion", "0.4.0"}, {"timeout", -1}}));
    CHECK(error.at("cniVersion") == "0.4.0");
    CHECK(contains(error.at("details").as_string(), "timeout is a number of seconds"));
}

TEST_CASE("without an agent: wait, allow and deny do what they say", "[cni]") {
    const test::TemporaryDirectory directory;
    Plugin plugin;
    plugin.set_socket(directory.path() + "/run/podfence.sock");
    const auto start = Clock::now();
    const auto waited = plugin.run("ADD", {{"timeout", 0.3}});
    CHECK(Clock::now() - start >= 300ms);
    CHECK(waited.status == 0);
    CHECK(test::json_of(waited) == bridge_result("1.0.0"));
    CHECK(contains(waited.err, "pod shop/new starts before its network policies are in force"));

    const auto allowed = plugin.run("ADD", {{"onAgentMissing", "allow"}, {"timeout", 180}});
    CHECK(allowed.status == 0);
    const json::object deny{{"onAgentMissing", "deny"}, {"timeout", 0.05}};
    const auto denied = plugin.run("ADD", deny);
    CHECK(code_of(denied) == 11);
    CHECK(contains(denied.out, "No such file or directory"));
    // What was told is there for the agent that comes.
    const auto store = AttachmentStore::beside(directory.path() + "/run/podfence.sock");
    CHECK(store.load().attachments.size() == 1);
    CHECK(plugin.run("CHECK").status == 0);
    CHECK(code_of(plugin.run("CHECK", deny)) == 11);
    CHECK(plugin.run("STATUS").status == 0);
    CHECK(code_of(plugin.run("STATUS", deny)) == 50);
    CHECK(plugin.run("DEL", deny).status == 0);
    CHECK(store.load().attachments.empty());
    CHECK(plugin.run("DEL", deny).status == 0);
}

TEST_CASE("an agent that is not in sync, or of another version, counts as missing", "[cni]") {
    for (const char* state : {"waiting", "404"}) {
        CAPTURE(state);
        const Scripted bench(state);
        CHECK(bench.plugin.run("ADD").status == 0);
        CHECK(bench.plugin.run("ADD", {{"onAgentMissing", "allow"}}).status == 0);
        CHECK(bench.script.asked().back().argument("patient") == "no");
        CHECK(code_of(bench.plugin.run("ADD", {{"onAgentMissing", "deny"}})) == 11);
        CHECK(code_of(bench.plugin.run("STATUS", {{"onAgentMissing", "deny"}})) == 50);
        CHECK(bench.plugin.run("DEL").status == 0);
    }
}

TEST_CASE("CHECK, STATUS and GC ask the agent", "[cni]") {
    Scripted bench("enforced");
    CHECK(bench.plugin.run("CHECK").status == 0);
    CHECK(bench.script.asked().back().path == "/v1/cni/check");
    bench.script.change("absent");
    CHECK(code_of(bench.plugin.run("CHECK")) == 101);
    bench.script.change("ready");
    CHECK(bench.plugin.run("STATUS", {{"onAgentMissing", "deny"}}).status == 0);

    bench.script.change("enforced");
    for (const char* container : {"c1", "c2", "c3"}) {
        bench.plugin.variables[0] = std::string("CNI_CONTAINERID=") + container;
        REQUIRE(
            bench.plugin
                .run("ADD", {{"name", *container == 'c' && container[1] == '3' ? "other" : "net"}})
                .status == 0);
    }
    const auto gc = bench.plugin.run(
        "GC", {{"cniVersion", "1.1.0"},
               {"cni.dev/valid-attachments", {{{"containerID", "c2"}, {"ifname", "eth0"}}}}});
    CHECK(gc.status == 0);
    CHECK(gc.out.empty());
    CHECK(json::parse(bench.script.asked().back().body) ==
          json::parse(R"({"network":"net","valid":[{"network":"net","container":"c2",
                          "interface":"eth0"}]})"));
    std::vector<std::string> left;
    for (const auto& one : AttachmentStore::beside(bench.agent.socket()).load().attachments) {
        left.push_back(one.key.container);
    }
    CHECK(left == std::vector<std::string>{"c2", "c3"});
}

TEST_CASE("ADD waits for an agent that is still to come, or comes back", "[cni]") {
    const test::TemporaryDirectory directory;
    const std::string socket = directory.path() + "/run/podfence/podfence.sock";
    Plugin plugin;
    plugin.set_socket(socket);
    for (const char* before : {"nobody", "dead", "hang up"}) {
        CAPTURE(before);
        Script first(before);
        auto agent = std::make_unique<test::ServedAgent>(test::example_status(AgentState::synced),
                                                         Cluster{}, socket, first.handler());
        if (before != std::string("hang up")) agent.reset();
        if (before == std::string("dead")) test::leave_dead_socket(socket);
        lab::Finished run;
        std::thread adding([&] {
            run = plugin.run("ADD", {{"timeout", 60}, {"onAgentMissing", "deny"}});
        });
        if (agent) {
            agent.reset();  // Whatever it was asked until then.
        }
        Script second("enforced");
        const test::ServedAgent later(test::example_status(AgentState::synced), {}, socket,
                                      second.handler());
        adding.join();
        CHECK(run.status == 0);
        CHECK(second.asked().size() == 1);
        std::filesystem::remove_all(directory.path() + "/run");
    }
}

TEST_CASE("an agent that says nothing is not waited for longer than the timeout", "[cni]") {
    const Scripted bench("silence");
    const auto start = Clock::now();
    const auto run = bench.plugin.run("ADD", {{"timeout", 0.2}});
    CHECK(run.status == 0);
    CHECK(contains(run.err, "the agent does not answer in time"));
    CHECK(Clock::now() - start >= 200ms);
    CHECK(bench.plugin.run("DEL").status == 0);  // Nor by the end of a pod.
    CHECK(code_of(bench.plugin.run("ADD", {{"timeout", 0.05}, {"onAgentMissing", "deny"}})) == 11);
}
