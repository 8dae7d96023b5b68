// The completion scripts, in the shells they are for.
#include <catch2/catch.hpp>

#include "test/cli/cli.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using test::contains;

namespace {

/// What bash offers for a command line: its last word is the one to complete.
std::string offered(const std::string& words) {
    const auto run = test::shell(
        "source <($PODFENCE completion bash) && COMP_WORDS=(" + words +
        ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && { _podfence; echo \"${COMPREPLY[@]}\"; }");
    CAPTURE(run.err);
    CHECK(run.status == 0);
    CHECK(run.err.empty());
    return run.out;
}

bool has(const std::string& program) {
    return test::shell("command -v " + program).status == 0;
}

}  // namespace

TEST_CASE("bash completes commands, options and their values", "[cli]") {
    CHECK(offered("podfence ex") == "explain\n");
    CHECK(contains(offered("podfence ''"), "apply diff dump explain matrix"));
    CHECK(offered("podfence apply --dry") == "--dry-run\n");
    CHECK(offered("podfence apply -o ''") == "text json nft\n");
    CHECK(offered("podfence apply --output = js") == "json\n");
    CHECK(offered("podfence explain --protocol U") == "UDP\n");
    CHECK(offered("podfence completion z") == "zsh\n");
    CHECK(offered("podfence help com") == "completion\n");
    CHECK(offered("podfence explain --from ''") == "\n");
    CHECK(offered("podfence apply -f \"${SHOP%.yaml}\"").ends_with("/shop.yaml\n"));
    CHECK(offered("podfence apply -f a.yaml \"${SHOP%.yaml}\"").ends_with("/shop.yaml\n"));
    CHECK(contains(offered("podfence apply -f a.yaml --n"), "--node"));
}

TEST_CASE("bash completion knows every option that help knows", "[cli]") {
    const auto run = test::shell(
        "for c in apply diff dump explain matrix cleanup version; do $PODFENCE $c --help | grep "
        "-oE '^ +(-., |    )--[a-z-]+' | grep -oE -- '--[a-z-]+' | while read -r o; do $PODFENCE "
        "completion bash | grep -E \"^ +$c\\)\" | grep -qE -- \"$o( |')\" || echo missing $c $o; "
        "done; done; echo end");
    CHECK(run.out == "end\n");
}

TEST_CASE("zsh accepts its completion script", "[cli]") {
    if (!has("zsh")) PODFENCE_SKIP("zsh is not installed: its completion script is not run");
    const auto run = test::shell(
        "$PODFENCE completion zsh > ${SHOP%/*}/_podfence && zsh -fc 'fpath=('${SHOP%/*}' $fpath); "
        "autoload -Uz compinit; compinit -u -d '${SHOP%/*}'/dump; autoload +X _podfence && "
        "print ${_comps[podfence]}'");
    CAPTURE(run.err);
    CHECK(run.status == 0);
    CHECK(run.out == "_podfence\n");
}

TEST_CASE("fish completes by its script", "[cli]") {
    if (!has("fish")) PODFENCE_SKIP("fish is not installed: its completion script is not run");
    const auto run = test::shell(
        "export HOME=${SHOP%/*}; fish --no-config -c \"$PODFENCE completion fish | source; "
        "complete -C 'podfence ex'; complete -C 'podfence apply -o '; complete -C 'podfence "
        "explain --proto'\"");
    CAPTURE(run.err);
    CHECK(run.status == 0);
    CHECK(contains(run.out, "explain\t"));
    CHECK(contains(run.out, "json"));
    CHECK(contains(run.out, "--protocol\t"));
}
