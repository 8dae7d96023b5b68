// --unknown-pods=hold on the command line: what it takes, and what explain says of it.
#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "test/cli/cli.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;

TEST_CASE("holding unknown pods takes their range: nothing is held in silence", "[cli]") {
    for (const test::Arguments& question : std::vector<test::Arguments>{
             {"dump", "-f", "-"},
             {"diff", "-f", "-"},
             {"apply", "--dry-run", "-f", "-"},
             {"explain", "-f", "-", "--from", "10.1.0.77", "--to", "shop/db"},
             {"agent", "-f", "/nowhere", "--socket", "/nowhere"}}) {
        CAPTURE(question);
        test::Arguments arguments = question;
        arguments.emplace_back("--unknown-pods=hold");
        const auto run = run_podfence(arguments, test::kShop);
        CHECK(run.status == 2);
        CHECK(contains(run.err, "--unknown-pods=hold without --pod-cidr"));
        CHECK(contains(run.err, "spec.podCIDRs"));
    }
}

TEST_CASE("a range of pods is one, and not everything", "[cli]") {
    for (const char* range : {"10.1.0.0", "x", "0.0.0.0/0", "::/0", ""}) {
        CAPTURE(range);
        const auto run = run_podfence(
            {"dump", "-f", "-", "--unknown-pods=hold", "--pod-cidr", range}, test::kShop);
        CHECK(run.status == 2);
        CHECK(contains(run.err, "--pod-cidr"));
    }
}

TEST_CASE("explain says that an address is held, dump shows how", "[cli]") {
    const test::Arguments hold{"-f", "-", "--unknown-pods", "hold", "--pod-cidr", "10.1.0.0/24"};
    const auto ask = [&](test::Arguments question, std::vector<std::string> more = {}) {
        question.insert(question.end(), hold.begin(), hold.end());
        question.insert(question.end(), more.begin(), more.end());
        return run_podfence(question, test::kShop);
    };
    const auto run = ask({"explain", "--from", "10.1.0.77", "--to", "192.0.2.1", "--port", "80"});
    CHECK(run.status == 1);
    CHECK(contains(run.out, "DENIED"));
    CHECK(contains(run.out, "no known pod has it (--unknown-pods=hold)"));
    const auto json = test::json_of(ask({"explain", "--from", "10.1.0.77", "--to", "192.0.2.1"},
                                        {"--port", "80", "-o", "json"}));
    CHECK(json.at("verdict") == "deny");
    CHECK(json.at("egress").at("held") == true);
    CHECK(json.at("ingress").at("held") == false);
    const auto dump = ask({"dump", "-o", "nft"});
    CHECK(dump.status == 0);
    CHECK(contains(dump.out, "ip saddr @held-v4 jump unknown-egress"));
    CHECK(contains(dump.out, "ip saddr @known-v4 return"));
    CHECK_FALSE(contains(dump.out, "known-v6 return"));
}
