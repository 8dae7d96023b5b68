// apply: reads, compiles and commits once.
#include <chrono>
#include <memory>
#include <utility>

#include <boost/json.hpp>

#include "cmd/batch_report.hpp"
#include "cmd/cli11.hpp"
#include "cmd/input.hpp"
#include "cmd/kernel_access.hpp"
#include "cmd/running_agent.hpp"
#include "controller/compile.hpp"
#include "nft/converge.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "nft/words.hpp"

namespace podfence::cmd {

namespace {

struct ApplyOptions {
    InputOptions input{};
    RulesetOptions rules{};
    OutputOptions output{};
    std::string socket{};
    bool dry_run = false;
    bool force = false;
    bool quiet = false;
};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
}

/// "12.3 ms"
std::string text_of(double milliseconds) {
    std::string text = std::to_string(milliseconds);
    return text.substr(0, text.find('.') + 2) + " ms";
}

struct Applied {
    std::string node;
    Compiled compiled{};
    nft::Converged result{};
    double compile_ms = 0;
    double kernel_ms = 0;
};

nft::Result<nft::Converged> commit(nft::Kernel& kernel, const nft::Table& want, bool dry_run) {
    if (!dry_run) return nft::converge(kernel, want);
    auto have = kernel.dump(want.id);
    if (!have) return have.error();
    return nft::Converged{.batch = nft::plan(have->table, want), .attempts = 1};
}

void print_text(Terminal& terminal, const Applied& applied, const Input& input, bool dry_run) {
    const nft::BatchSummary summary = nft::summarize(applied.result.batch);
    const Compiled& compiled = applied.compiled;
    Output& out = terminal.out;
    const std::string changes = describe(summary);
    if (applied.result.batch.empty()) {
        out.line(changes + ": the kernel holds exactly these rules already");
    } else {
        out.line(out.paint(Tone::strong, dry_run ? "would change" : "committed") + "  " + changes);
    }
    out.line("node       " + applied.node + ": " + count_of(compiled.local_pods, "pod") + ", " +
             with_thousands(compiled.isolated_pods) + " of them isolated; the input has " +
             count_of(input.cluster().policies().size(), "policy"));
    std::string timing = "read " + text_of(input.read_ms) + ", compile " +
                         text_of(applied.compile_ms) + ", kernel " + text_of(applied.kernel_ms);
    if (applied.result.attempts > 1) {
        timing += " (" + count_of(static_cast<std::size_t>(applied.result.attempts), "attempt") +
                  ", others were changing the ruleset)";
    }
    out.line("took       " + timing);
    if (applied.result.rebuilt) {
        terminal.warning("the table had to be rebuilt: it held what podfence does not write");
    }
}

void print_json(Terminal& terminal, const Applied& applied, const Input& input, bool dry_run) {
    terminal.out.json(
        {{"node", applied.node},
         {"dry_run", dry_run},
         {"changed", !applied.result.batch.empty()},
         {"pods",
          {{"local", applied.compiled.local_pods}, {"isolated", applied.compiled.isolated_pods}}},
         {"policies", input.cluster().policies().size()},
         {"batch", to_json(nft::summarize(applied.result.batch))},
         {"rebuilt", applied.result.rebuilt},
         {"attempts", applied.result.attempts},
         {"took_ms",
          {{"read", input.read_ms},
           {"compile", applied.compile_ms},
           {"kernel", applied.kernel_ms}}},
         {"problems", to_json(input.loaded.problems)},
         {"warnings", to_json(input.warnings)}});
}

Exit run_apply(Terminal& terminal, const ApplyOptions& options) {
    if (!options.dry_run && !options.force) {
        const auto alone = refuse_beside_agent(
            terminal, options.socket,
            "give the agent other input, or stop it first; --force applies nevertheless");
        if (!alone) return alone.error();
    }
    auto input = read_input(terminal, options.input);
    if (!input) return input.error();
    if (!options.force && !check_node_is_known(terminal, *input, options.rules)) return Exit::usage;
    const CompileOptions compile = compile_options(options.rules, *input);
    if (!check_hold(terminal, options.rules.hold, compile.held_ranges)) return Exit::usage;
    auto start = std::chrono::steady_clock::now();
    Applied applied{.node = compile.node, .compiled = compile_all(input->cluster(), compile)};
    applied.compile_ms = milliseconds_since(start);

    auto kernel = open_kernel(terminal);
    if (!kernel) return kernel.error();
    start = std::chrono::steady_clock::now();
    auto result = commit(**kernel, applied.compiled.table, options.dry_run);
    if (!result) return report(terminal, result.error());
    applied.kernel_ms = milliseconds_since(start);
    applied.result = std::move(*result);

    warn_when_node_is_empty(terminal, *input, compile.node, applied.compiled.local_pods);
    if (input->cluster().policies().empty()) {
        warn(terminal, input->warnings,
             "the input holds no NetworkPolicy, so that all pods are open; were they left out of "
             "it? 'kubectl get pods,namespaces,networkpolicies -A' needs the right to list them");
    }
    if (applied.compiled.isolated_pods > 0) {
        for (std::string& text : bridge_warnings()) {
            warn(terminal, input->warnings, std::move(text));
        }
    }
    if (input->loaded.has_errors()) {
        terminal.warning(
            std::string("the input has errors: what they touch stays denied, the rest ") +
            (options.dry_run ? "would be enforced" : "is enforced"));
    }
    if (options.quiet) return input->status();
    switch (options.output.format) {
        case Format::json:
            print_json(terminal, applied, *input, options.dry_run);
            break;
        case Format::nft:
            terminal.out.write(nft::to_text(applied.result.batch));
            break;
        case Format::text:
            print_text(terminal, applied, *input, options.dry_run);
            break;
    }
    return input->status();
}

}  // namespace

void add_apply(CommandLine& line) {
    auto options = std::make_shared<ApplyOptions>();
    CLI::App* command = line.add_command(
        "apply",
        {.summary = "Enforce the policies of manifests on this node, once",
         .description =
             "Reads the cluster's pods, namespaces and network policies, compiles the rules of "
             "this node, compares them with what the kernel holds and commits the difference in "
             "one atomic batch. Only the tables of podfence are touched. An object in error does "
             "not stop the others: what it would have allowed stays denied. Beside a running "
             "agent, "
             "which would undo it, nothing is done unless --force is given.",
         .examples = {{"enforce what the cluster holds now",
                       "kubectl get pods,namespaces,networkpolicies -A -o yaml | podfence apply "
                       "-f -"},
                      {"enforce a directory of manifests as node worker-1",
                       "podfence apply -f manifests/ --node worker-1"},
                      {"show the batch without committing it",
                       "podfence apply -f manifests/ --dry-run -o nft"}},
         .exits = {{0, "enforced, or nothing to change"},
                   {1, "enforced, except for what is in error in the input"}}},
        [options](Terminal& terminal) { return run_apply(terminal, *options); });
    add_input_options(line, *command, options->input);
    add_ruleset_options(line, *command, options->rules);
    command->add_flag("--dry-run", options->dry_run, "Say what would change; change nothing")
        ->group("Rules");
    command
        ->add_flag("--force", options->force,
                   "Go on although no pod of the input is on this node (it enforces nothing then), "
                   "or an agent runs here (which will undo it)")
        ->group("Rules");
    add_socket_option(line, *command, options->socket);
    add_output_options(line, *command, options->output, {"text", "json", "nft"});
    command->add_flag("-q,--quiet", options->quiet, "Print nothing but errors and warnings")
        ->group("Output");
}

}  // namespace podfence::cmd
