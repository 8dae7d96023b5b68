// diff: what apply would change.
#include <memory>

#include <boost/json.hpp>

#include "cmd/batch_report.hpp"
#include "cmd/cli11.hpp"
#include "cmd/input.hpp"
#include "cmd/kernel_access.hpp"
#include "controller/compile.hpp"
#include "nft/converge.hpp"
#include "nft/text.hpp"
#include "nft/words.hpp"

namespace podfence::cmd {

namespace {

struct DiffOptions {
    InputOptions input{};
    RulesetOptions rules{};
    OutputOptions output{};
};

Tone tone_of(char sign) {
    if (sign == '-') return Tone::bad;
    return sign == '~' ? Tone::warn : Tone::good;
}

void print_text(Terminal& terminal, const nft::Batch& batch) {
    Output& out = terminal.out;
    for (const DiffLine& line : diff_lines(batch)) {
        out.line(
            out.paint(tone_of(line.sign), std::string(1, line.sign) + " " + printable(line.text)));
    }
    terminal.err.line(describe(nft::summarize(batch)));
}

void print_json(Terminal& terminal, const nft::Batch& batch, const std::string& node,
                const Input& input) {
    boost::json::array lines;
    for (const DiffLine& line : diff_lines(batch)) {
        lines.push_back({{"sign", std::string(1, line.sign)}, {"nft", line.text}});
    }
    terminal.out.json({{"node", node},
                       {"changed", !batch.empty()},
                       {"batch", to_json(nft::summarize(batch))},
                       {"commands", std::move(lines)},
                       {"problems", to_json(input.loaded.problems)},
                       {"warnings", to_json(input.warnings)}});
}

Exit run_diff(Terminal& terminal, const DiffOptions& options) {
    auto input = read_input(terminal, options.input);
    if (!input) return input.error();
    const CompileOptions compile = compile_options(options.rules, *input);
    if (!check_hold(terminal, options.rules.hold, compile.held_ranges)) return Exit::usage;
    const Compiled compiled = compile_all(input->cluster(), compile);
    auto kernel = open_kernel(terminal);
    if (!kernel) return kernel.error();
    const auto changes = nft::difference(**kernel, compiled.table);
    if (!changes) return report(terminal, changes.error());
    const nft::Batch& batch = *changes;
    warn_when_node_is_empty(terminal, *input, compile.node, compiled.local_pods);
    switch (options.output.format) {
        case Format::json:
            print_json(terminal, batch, compile.node, *input);
            break;
        case Format::nft:
            terminal.out.write(nft::to_text(batch));
            break;
        case Format::text:
            print_text(terminal, batch);
            break;
    }
    return batch.empty() ? input->status() : Exit::finding;
}

}  // namespace

void add_diff(CommandLine& line) {
    auto options = std::make_shared<DiffOptions>();
    CLI::App* command = line.add_command(
        "diff",
        {.summary = "Show what apply would change in the kernel",
         .description =
             "Compiles the manifests as 'podfence apply' does, or without -f what the agent on "
             "this "
             "node knows, compares the rules with what the "
             "kernel of this node holds now, and prints the batch that leads from one to the "
             "other in nft syntax. A node where somebody tampered with the rules, or where a "
             "change has not arrived, shows a difference. Nothing is changed.",
         .examples = {{"is this node up to date?", "podfence diff -f manifests/ && echo in sync"},
                      {"does the kernel hold what the agent wants?", "podfence diff"},
                      {"the batch for 'nft -f'", "podfence diff -f manifests/ -o nft"}},
         .exits = {{0, "the kernel holds exactly these rules"},
                   {1, "something would change, or the input has errors"}}},
        [options](Terminal& terminal) { return run_diff(terminal, *options); });
    add_input_or_agent_options(line, *command, options->input);
    add_ruleset_options(line, *command, options->rules);
    add_output_options(line, *command, options->output, {"text", "json", "nft"});
}

}  // namespace podfence::cmd
