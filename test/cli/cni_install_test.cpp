// podfence cni: other people's configuration with our plugin in it, and without it as it was.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include "test/cli/cli.hpp"
#include "test/support/http.hpp"
#include "test/support/lab_child.hpp"
#include "test/support/paths.hpp"

using namespace podfence;
using namespace std::chrono_literals;
using test::contains;

namespace {

const char* const kList = R"({
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": true, "text": "a ] } \" brace"}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
)";

struct Node {
    test::TemporaryDirectory directory{};
    std::string bin = directory.path() + "/opt/cni/bin";
    std::string conf = directory.path() + "/net.d";

    Node() { std::filesystem::create_directories(conf); }
    test::Arguments arguments(const std::string& action, test::Arguments more = {}) const {
        test::Arguments all{"cni", action, "--bin-dir", bin, "--conf-dir", conf};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    lab::Finished run(const std::string& action, test::Arguments more = {}) const {
        return test::run_podfence(arguments(action, std::move(more)));
    }
    void write(const std::string& name, const std::string& text) const {
        test::write_file(conf + "/" + name, text);
    }
    std::string read(const std::string& name) const {
        std::ifstream file(conf + "/" + name);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(conf), {}));
    }
};

}  // namespace

TEST_CASE("the plugin goes to the end of the first list, and leaves no trace", "[cni]") {
    const Node node;
    node.write("10-flannel.conflist", kList);
    node.write("99-other.conflist", kList);
    ::chmod((node.conf + "/10-flannel.conflist").c_str(), 0640);
    const auto installed = node.run("install", {"--on-agent-missing", "deny", "--timeout", "2.5"});
    CHECK(installed.status == 0);
    CHECK(installed.out == "placed " + node.bin + "/podfence-cni\nadded podfence-cni to " +
                               node.conf + "/10-flannel.conflist\n");
    CHECK(node.read("99-other.conflist") == kList);
    const auto list = boost::json::parse(node.read("10-flannel.conflist"));
    CHECK(list.at("plugins").as_array().size() == 3);
    CHECK(list.at("plugins").at(2) ==
          boost::json::parse(R"({"type":"podfence-cni","onAgentMissing":"deny","timeout":2.5})"));
    CHECK(node.files() == 2);
    struct stat status {};
    REQUIRE(::stat((node.conf + "/10-flannel.conflist").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0640);
    // What was placed runs, and takes what was configured.
    const auto version = lab::run_program({node.bin + "/podfence-cni"}, R"({"cniVersion":"1.0.0"})",
                                          {"CNI_COMMAND=VERSION"});
    CHECK(version.status == 0);

    const auto again = node.run("install", {"--on-agent-missing", "deny", "--timeout", "2.5"});
    CHECK(again.out == "podfence-cni is installed here already\n");
    CHECK(node.run("install").status == 0);  // Other choices, in the same place.
    CHECK(contains(node.read("10-flannel.conflist"), R"("onAgentMissing":"wait")"));
    CHECK_FALSE(contains(node.read("10-flannel.conflist"), "deny"));

    const auto removed = node.run("remove");
    CHECK(removed.status == 0);
    CHECK(removed.out == "removed podfence-cni from " + node.conf +
                             "/10-flannel.conflist\nremoved " + node.bin + "/podfence-cni\n");
    CHECK(node.read("10-flannel.conflist") == kList);
    CHECK(node.run("remove").out == "podfence-cni is not installed here\n");
}

TEST_CASE("lists of any spelling keep it", "[cni]") {
    for (const char* text : {
             R"({"plugins":[{"type":"ptp"}],"name":"n"})",
             R"({ "plugins" : [ {"type":"ptp"} , {"type":"tuning"} ] })",
             "\n{\"x\":{\"plugins\":[]},\"plugins\":[\n{\"type\":\"ptp\"}\n]}\n",
         }) {
        CAPTURE(text);
        const Node node;
        node.write("10.conflist", text);
        CHECK(node.run("install").status == 0);
        CHECK(node.read("10.conflist") != text);
        CHECK(node.run("remove").status == 0);
        CHECK(node.read("10.conflist") == text);
    }
}

TEST_CASE("one that somebody moved goes back to the end", "[cni]") {
    const Node node;
    node.write("10.conflist",
               R"({"plugins":[{"type":"podfence-cni"}, {"type":"ptp"}, {"type":"podfence-cni"}]})");
    CHECK(node.run("install").status == 0);
    const auto list = boost::json::parse(node.read("10.conflist"));
    CHECK(list.at("plugins").as_array().size() == 2);
    CHECK(list.at("plugins").at(1).at("type") == "podfence-cni");
}

TEST_CASE("what is no list is left as it is", "[cni]") {
    for (const char* text : {R"({"type":"ptp"})", "{", "", R"({"plugins":[]})", R"([1])",
                             R"({"plugins":[{"type":"ptp"}],"plugins":[{"type":"ptp"}]})",
                             R"({"plug\u0069ns":[{"type":"ptp"}]})"}) {
        CAPTURE(text);
        const Node node;
        node.write("10-x.conf", text);
        const auto run = node.run("install");
        CHECK(run.status == 3);
        CHECK(contains(run.err, "10-x.conf: "));
        CHECK(node.read("10-x.conf") == text);
        CHECK(node.files() == 1);
    }
    const Node node;
    node.write("readme.txt", "no configuration");
    CHECK(contains(node.run("install").err, "is there no CNI plugin yet?"));
    CHECK(node.run("install", {"--program", "/nowhere"}).status == 3);
    CHECK(node.run("dance").status == 2);
    CHECK(node.run("install", {"--timeout", "181"}).status == 2);
    CHECK(node.run("install", {"--on-agent-missing", "pray"}).status == 2);
}

TEST_CASE("install --watch puts it back whenever the list is written anew", "[cni]") {
    const Node node;
    const std::string log = node.directory.path() + "/log";
    const auto claim = std::make_unique<lab::Claim>();
    const auto ns = lab::NetNs::create(claim->name("watch"));
    test::Arguments argv = node.arguments("install", {"--watch"});
    argv.insert(argv.begin(), test::podfence_program());
    lab::Child watching(ns, {.argv = argv, .log = log});
    // Nothing is there yet; then it comes, is written anew, and another goes before it.
    const auto installed = [&](const std::string& name) {
        while (!contains(node.read(name), "podfence-cni")) {
            INFO(lab::tail_of(log));
            REQUIRE_FALSE(watching.wait(2ms));
        }
    };
    node.write("10.conflist", kList);
    installed("10.conflist");
    node.write("new", kList);
    std::filesystem::rename(node.conf + "/new", node.conf + "/10.conflist");
    installed("10.conflist");
    node.write("05.conflist", kList);
    installed("05.conflist");
    std::filesystem::remove(node.bin + "/podfence-cni");
    while (!std::filesystem::exists(node.bin + "/podfence-cni")) {
        REQUIRE_FALSE(watching.wait(2ms));
    }
    watching.signal(SIGTERM);
    CHECK(watching.wait(10s) == 0);
    CHECK(contains(node.read("05.conflist"), "podfence-cni"));  // An update is no removal.
}
