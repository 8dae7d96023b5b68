// What the program says when it is asked wrongly, or cannot say anything at all.
#include <sstream>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "test/cli/cli.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;

TEST_CASE("without a command the commands are listed on stderr", "[cli]") {
    const auto run = run_podfence({});
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK(contains(run.err, "explain"));
}

TEST_CASE("every command has help with examples and exit status", "[cli]") {
    CHECK(run_podfence({"--help"}).status == 0);
    for (const char* command : {"agent", "apply", "diff", "dump", "explain", "matrix", "status",
                                "doctor", "cleanup", "version", "completion", "help"}) {
        CAPTURE(command);
        const auto run = run_podfence({command, "--help"});
        CHECK(run.status == 0);
        CHECK(run.err.empty());
        CHECK(contains(run.out, std::string("podfence ") + command));
        CHECK(contains(run.out, "Examples:"));
        CHECK(contains(run.out, "Exit status:"));
        CHECK(run_podfence({"help", command}).out == run.out);
    }
}

TEST_CASE("bad usage is status 2, on stderr, with what was probably meant", "[cli]") {
    struct Case {
        test::Arguments arguments;
        std::string said;
    };
    for (const auto& [arguments, said] : std::vector<Case>{
             {{"aply"}, "did you mean 'apply'"},
             {{"xyzzy"}, "unknown command 'xyzzy'"},
             {{"apply", "--stric"}, "did you mean '--strict'"},
             {{"explain", "--form", "a/b", "--to", "c/d"}, "did you mean '--from'"},
             {{"explain", "--to", "c/d"}, "--from is required"},
             {{"apply", "dump"}, "takes no argument 'dump'"},
             {{"apply", "-o", "xml", "-f", "x"}, "'xml' is not one of: text, json, nft"},
             {{"explain", "-o", "nft", "--from", "a/b", "--to", "c/d"}, "not one of: text, json"},
             {{"completion", "tcsh"}, "'tcsh' is not one of: bash, zsh, fish"},
             {{"completion"}, "SHELL is required"},
             {{"-f", "x"}, "a command stands before its options"},
             {{"apply", "--log-group", "many", "-f", "x"}, "numbers from 0 to 65535"},
             {{"apply", "--log-group", "65536", "-f", "x"}, "numbers from 0 to 65535"},
             {{"apply", "--log-group", "-1", "-f", "x"}, "--log-group"},
             {{"apply", "--connmark-bit", "32", "-f", "x"}, "numbers from 0 to 31"},
             {{"apply", "--deny-with", "shout", "-f", "x"}, "not one of: drop, reject"},
             {{"apply", "--hook-priority", "-100", "-f", "x"}, "numbers from -99 to 10000"},
             {{"dump", "--hook-priority", "early", "-f", "x"}, "behind connection tracking"},
             {{"apply", "--table-name", "filter", "-f", "x"}, "never somebody else's table"},
             {{"apply", "--table-name", "podfencer", "-f", "x"}, "begin with 'podfence-'"},
             {{"apply", "--table-name", "podfence b", "-f", "x"}, "letters, digits"},
             {{"cleanup", "--table-name", "podfence-"}, "no name for podfence's tables"},
             {{"apply", "--table-name", "podfence-23456789012345678901234", "-f", "x"},
              "at most 31"},
             {{"cleanup", "--table-name", "podfence-canary"}, "another table of its own"},
             {{"agent", "--extra-addresses", "on", "-f", "x"}, "not one of: off, annotation"},
             {{"agent", "--ingress-priority", "x", "-f", "x"}, "numbers from -10000 to 10000"},
             {{"agent", "--established", "perhaps", "-f", "x"}, "--established"},
             {{"apply", "--node", "", "-f", "x"}, "--node: the value is empty"},
             {{"explain", "--from", "a/b", "--to", "c/d", "--port", ""}, "--port: the value is"},
             {{"explain", "--from", "a/b", "--to", "c/d", "--port="}, "--port"},
             {{"dump", "--pod", "", "-f", "x"}, "--pod: the value is empty"},
             {{"apply"}, "no input"},
             {{"doctor", "--no-checks"}, "leaves nothing to do without --self-test"},
             {{"doctor", "--self-test", "--wiring", "tin"}, "not one of: auto, routed"},
             {{"doctor", "--self-test", "--bridge", "b"}, "--bridge goes with --wiring"},
             {{"doctor", "--pod-address", "x"}, "'x' is no IP address"},
             {{"doctor", "--established", "no"}, "not one of: cut, keep"},
             {{"agent", "--canary=5", "-f", "x"}, "no period like 90s, 5m or 1h"},
             {{"agent", "--canary=1s", "-f", "x"}, "no period like 90s, 5m or 1h"},
         }) {
        CAPTURE(arguments);
        const auto run = run_podfence(arguments);
        CHECK(run.status == 2);
        CHECK(run.out.empty());
        CHECK(contains(run.err, said));
    }
}

TEST_CASE("input that cannot be used is status 2 and says why", "[cli]") {
    CHECK(run_podfence({"matrix", "-f", "/does/not/exist"}).status == 2);
    const auto empty = run_podfence({"matrix", "-f", "-"}, "");
    CHECK(empty.status == 2);
    CHECK(contains(empty.err, "nothing was done"));
    const auto other = run_podfence({"matrix", "-f", "-"},
                                    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
    CHECK(other.status == 2);
    CHECK(contains(other.err, "1 object of other kinds"));
    CHECK(run_podfence({"matrix", "-f", "-"}, "\x7f\x45\x4c\x46\x02\x01").status == 2);
}

TEST_CASE("version is told to people and to scripts", "[cli]") {
    const auto run = run_podfence({"version"});
    CHECK(run.status == 0);
    CHECK(run.out.starts_with("podfence "));
    CHECK(contains(run.out, "libnftnl"));
    const auto json = test::json_of(run_podfence({"version", "-o", "json"}));
    CHECK(json.at("libraries").at("libmnl").is_string());
    CHECK(run_podfence({"--version"}).out ==
          "podfence " + std::string(json.at("version").as_string().c_str()) + "\n");
}

TEST_CASE("a reader that goes away is no error, a full disk is", "[cli]") {
    const auto gone = test::shell(
        "env --default-signal=PIPE $PODFENCE dump -f $SHOP | head -n 1; echo ${PIPESTATUS[0]}");
    CHECK(contains(gone.out, "\n0\n"));
    CHECK(gone.err.empty());
    const auto closed_early = test::shell(
        "env --default-signal=PIPE $PODFENCE help --man | true; echo status ${PIPESTATUS[0]}");
    CHECK(contains(closed_early.out, "status 0"));
    const auto full = test::shell("$PODFENCE matrix -f $SHOP >/dev/full");
    CHECK(full.status == 3);
    CHECK(contains(full.err, "No space left"));
    const auto closed = test::shell("$PODFENCE matrix -f $SHOP >&-");
    CHECK(closed.status == 3);
    CHECK(contains(closed.err, "cannot write to standard output"));
}

TEST_CASE("colours are for terminals, or for who asks", "[cli]") {
    CHECK_FALSE(contains(test::shell("$PODFENCE matrix -f $SHOP").out, "\x1b["));
    CHECK(contains(test::shell("$PODFENCE matrix -f $SHOP --color always").out, "\x1b["));
    // script(1) gives the program a terminal.
    const std::string on_terminal = "script -qec \"$PODFENCE matrix -f $SHOP\" /dev/null";
    CHECK(contains(test::shell("env -u NO_COLOR TERM=xterm " + on_terminal).out, "\x1b["));
    CHECK_FALSE(contains(test::shell("NO_COLOR=1 TERM=xterm " + on_terminal).out, "\x1b["));
}

TEST_CASE("help fits into a narrow terminal", "[cli]") {
    const auto run =
        test::shell("COLUMNS=60 TERM=dumb script -qec \"$PODFENCE help apply\" /dev/null");
    CHECK(contains(run.out, "--filename PATH...\r\n        Manifests"));
    std::istringstream lines(run.out.substr(0, run.out.find("Examples:")));
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        CHECK(line.size() <= 61);  // with its carriage return
    }
}

TEST_CASE("the manual page has every command", "[cli]") {
    const auto page = run_podfence({"help", "--man"});
    CHECK(page.out.starts_with(".TH PODFENCE 8"));
    for (const char* command : {"apply", "diff", "dump", "explain", "matrix", "cleanup"}) {
        CHECK(contains(page.out, std::string(".SS podfence ") + command));
    }
}
