// The completion scripts, in the shells they are for.
#include <catch2/catch.hpp>

#include "controller/manifest_source.hpp"
#include "test/cli/cli.hpp"
#include "test/support/fake_agent.hpp"
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
    CHECK(offered("podfence doctor --wiring ''") == "auto routed bridge both\n");
    CHECK(offered("podfence doctor --self") == "--self-test\n");
    CHECK(offered("podfence help com") == "completion\n");
    CHECK(offered("podfence explain --from ''") == "\n");
    CHECK(offered("podfence apply -f \"${SHOP%.yaml}\"").ends_with("/shop.yaml\n"));
    CHECK(offered("podfence apply -f a.yaml \"${SHOP%.yaml}\"").ends_with("/shop.yaml\n"));
    CHECK(contains(offered("podfence apply -f a.yaml --n"), "--node"));
}

TEST_CASE("names are completed from the agent, and silently not without one", "[cli]") {
    const Cluster known = load_text("", test::kShop).cluster;
    const test::ServedAgent agent(test::example_status(AgentState::synced), known);
    const std::string here = "export PODFENCE_SOCKET=" + agent.socket() +
                             " PATH=${PODFENCE%/*}:$PATH; source <(podfence completion bash); ";
    const auto offer = [](const std::string& words) {
        return "COMP_WORDS=(" + words +
               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _podfence; echo \"${COMPREPLY[@]}\";";
    };
    const auto run = test::shell(
        here + offer("podfence explain --from shop/b") + offer("podfence dump --pod mon") +
        offer("podfence matrix --namespace shop ''") + "export PODFENCE_SOCKET=/nobody;" +
        offer("podfence explain --to shop/b"));
    CHECK(run.out == "shop/backend\nmonitoring/prometheus\nmonitoring shop\n\n");
    CHECK(run.err.empty());
    // Not for people.
    CHECK_FALSE(contains(test::shell("$PODFENCE --help; $PODFENCE help --man").out, "__names"));

    if (has("zsh")) {
        const auto zsh = test::shell(
            here +
            "podfence completion zsh > ${SHOP%/*}/_podfence; zsh -fc 'fpath=('${SHOP%/*}' "
            "$fpath); autoload -Uz compinit; compinit -u -d '${SHOP%/*}'/dump; autoload +X "
            "_podfence; _podfence >/dev/null 2>&1; compadd() { print -l -- "
            "${names}; }; PREFIX=shop/c; _podfence_names pod'");
        CAPTURE(zsh.err);
        CHECK(zsh.out == "shop/cache\n");
    }
    if (has("fish")) {
        const auto fish = test::shell(here +
                                      "export HOME=${SHOP%/*}; fish --no-config -c 'podfence "
                                      "completion fish | source; complete -C \"podfence explain "
                                      "--to shop/c\"'");
        CAPTURE(fish.err);
        CHECK(fish.out.starts_with("shop/cache\t"));
    }
}

TEST_CASE("bash completion knows every option that help knows", "[cli]") {
    const auto run = test::shell(
        "for c in apply diff dump explain matrix status doctor cleanup version; do $PODFENCE $c "
        "--help | "
        "grep "
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
