// Options that are set by variables and by a configuration file.
#include <catch2/catch.hpp>

#include "test/cli/cli.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;
using test::TemporaryFile;

namespace {

/// The rules of the shop with these options, variables and this file ("": none); standard error is
/// shown when it fails.
std::string rules(test::Arguments more, const std::string& config,
                  const std::vector<std::string>& environment = {}) {
    const TemporaryFile shop(test::kShop);
    const TemporaryFile file(config, "config.yaml");
    test::Arguments arguments{
        "dump", "-f", shop.path(), "-o", "nft", "--config", config.empty() ? "" : file.path()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto run = run_podfence(arguments, {}, environment);
    CAPTURE(run.err);
    CHECK(run.status == 0);
    return run.out;
}

bool counts(const std::string& text) {
    return contains(text, " counter ");
}

bool judges_the_node(const std::string& text) {
    return contains(text, "hook input");
}

/// What is said about such a file, which must be bad.
std::string refusal(const std::string& config, const std::vector<std::string>& environment = {}) {
    const TemporaryFile shop(test::kShop);
    const TemporaryFile file(config, "config.yaml");
    const auto run =
        run_podfence({"dump", "-f", shop.path(), "--config", file.path()}, {}, environment);
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    return run.err;
}

}  // namespace

TEST_CASE("an option may be set by the command line, a variable or a file, in this order",
          "[cli]") {
    CHECK_FALSE(counts(rules({}, "")));
    CHECK(counts(rules({}, "counters: yes\n")));
    CHECK_FALSE(counts(rules({}, "counters: yes\n", {"PODFENCE_COUNTERS=false"})));
    CHECK(counts(rules({}, "counters: no\n", {"PODFENCE_COUNTERS=true"})));
    CHECK(counts(rules({}, "counters: true\n", {"PODFENCE_COUNTERS="})));
    CHECK(counts(rules({"--counters"}, "counters: no\n", {"PODFENCE_COUNTERS=false"})));

    CHECK(judges_the_node(rules({}, "pod-to-node: enforce\n")));
    CHECK_FALSE(judges_the_node(rules({"--pod-to-node", "allow"}, "pod-to-node: enforce\n")));
    CHECK_FALSE(judges_the_node(rules({"--pod-to-node=allow"}, "pod-to-node: enforce\n")));
}

TEST_CASE("what decides the rules may all stand in the file", "[cli]") {
    const std::string text = rules({},
                                   "deny-with: reject\ntable-name: podfence-b\n"
                                   "hook-priority: 5\nconnmark-bit: 3\n");
    CHECK(contains(text, "table inet podfence-b {"));
    CHECK(contains(text, "hook forward priority filter + 5;"));
    CHECK(contains(text, "reject with icmpx admin-prohibited"));
    CHECK(contains(text, "ct mark & 0x00000008 == 0x00000008 goto revoked"));
    const std::string other =
        rules({"--deny-with=drop"}, "deny-with: reject\nhook-priority: 5\n",
              {"PODFENCE_HOOK_PRIORITY=-99", "PODFENCE_TABLE_NAME=podfence-c"});
    CHECK(contains(other, "table inet podfence-c {"));
    CHECK(contains(other, "hook forward priority -99;"));
    CHECK_FALSE(contains(other, "icmpx"));
    CHECK(contains(refusal("hook-priority: -150\n"), "numbers from -99 to 10000"));
    CHECK(contains(refusal("table-name: nat\n"), "config.yaml:1"));
}

TEST_CASE("one file serves all commands: what a command has no option for is left to others",
          "[cli]") {
    CHECK(counts(rules({}, "log-level: debug\nmetrics-address: ''\ncounters: true\n")));
}

TEST_CASE("the file may be named by a variable, and must exist then", "[cli]") {
    const TemporaryFile shop(test::kShop);
    const TemporaryFile file("counters: true\n", "config.yaml");
    CHECK(counts(run_podfence({"dump", "-f", shop.path(), "-o", "nft"}, {},
                              {"PODFENCE_CONFIG=" + file.path()})
                     .out));
    const auto run =
        run_podfence({"dump", "-f", shop.path()}, {}, {"PODFENCE_CONFIG=/nowhere/config.yaml"});
    CHECK(run.status == 2);
    CHECK(contains(run.err, "/nowhere/config.yaml"));
}

TEST_CASE("what is wrong with a setting is said with the file and line, or the variable", "[cli]") {
    CHECK(contains(refusal("counters: true\npod-to-nod: enforce\n"),
                   "config.yaml:2: 'pod-to-nod' is no option that can be configured"));
    CHECK(contains(refusal("pod-to-nod: enforce\n"), "did you mean 'pod-to-node'?"));
    CHECK(contains(refusal("\npod-to-node: maybe\n"), "config.yaml:2: --pod-to-node: 'maybe'"));
    CHECK(contains(refusal("counters: 3\n"), "it is either true or false"));
    CHECK(contains(refusal("counters: true\ncounters: true\n"), "'counters' is written twice"));
    CHECK(contains(refusal("pod-to-node: [allow]\n"), "it takes one value"));
    CHECK(contains(refusal("log-level:\n"), "it takes one value"));
    CHECK(contains(refusal("- counters\n"), "no configuration file"));
    CHECK(contains(refusal("counters: [\n"), "config.yaml:"));
    CHECK(contains(refusal("{}\n", {"PODFENCE_POD_TO_NODE=maybe"}),
                   "PODFENCE_POD_TO_NODE: --pod-to-node: 'maybe'"));
}

TEST_CASE("help is given whatever the configuration says", "[cli]") {
    const auto run = run_podfence({"dump", "--help"}, {}, {"PODFENCE_CONFIG=/nowhere"});
    CHECK(run.status == 0);
    CHECK(contains(run.out, "--config FILE"));
}
