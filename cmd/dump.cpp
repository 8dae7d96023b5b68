// dump: the rules as compiled or as the kernel holds them, whole or for one pod.
#include <memory>
#include <sstream>
#include <utility>

#include "cmd/cli11.hpp"
#include "cmd/dump_json.hpp"
#include "cmd/endpoint.hpp"
#include "cmd/input.hpp"
#include "cmd/kernel_access.hpp"
#include "cmd/table_slice.hpp"
#include "controller/compile.hpp"
#include "nft/text.hpp"

namespace podfence::cmd {

namespace {

/// Sets and maps are shown up to this many elements, unless --full or -o nft asks for all.
constexpr std::size_t kElementsShownMax = 12;

struct DumpOptions {
    InputOptions input{};
    RulesetOptions rules{};
    OutputOptions output{};
    std::string pod{};
    bool live = false;
    bool full = false;
};

/// What is shown, and what is known about it.
struct Dumped {
    nft::Table table{};
    std::map<std::string, ChainOrigin> origins{};
    std::map<std::string, std::size_t> left_out{};
    std::optional<nft::Table> interfaces{};  ///< The kernel's other table, where there is one.
    std::optional<Input> input{};
};

/// "policy class: shop/db ingress[0], shop/web ingress[1]"
std::string text_of(const ChainOrigin& origin) {
    std::string text = origin.what;
    for (const std::string& policy : origin.policies) {
        text += (&policy == &origin.policies.front() ? ": " : ", ") + policy;
    }
    return text;
}

/// The name in "chain NAME {", "set NAME {", "map NAME {"; else "".
std::string name_in(const std::string& line, const std::string& keyword) {
    std::istringstream words(line);
    std::string first;
    std::string name;
    std::string brace;
    words >> first >> name >> brace;
    return first == keyword && brace == "{" ? name : "";
}

std::string margin_of(const std::string& line) {
    return line.substr(0, line.find_first_not_of(" \t"));
}

/// The table in nft syntax with comment lines that say which policies it comes from. It can still
/// be loaded, unless elements were left out.
void print_text(Output& out, const Dumped& dumped) {
    std::istringstream text(nft::to_text(dumped.table));
    for (std::string line; std::getline(text, line);) {
        if (const std::string chain = name_in(line, "chain"); !chain.empty()) {
            const auto origin = dumped.origins.find(chain);
            // Hooks and chains of denial come from no policy; their own comments say what they are.
            if (origin != dumped.origins.end() && !origin->second.policies.empty()) {
                out.line(margin_of(line) +
                         out.paint(Tone::dim, "# " + printable(text_of(origin->second))));
            }
            out.line(out.paint(Tone::strong, line));
            continue;
        }
        out.line(line);
        for (const char* keyword : {"set", "map"}) {
            const auto cut = dumped.left_out.find(name_in(line, keyword));
            if (cut == dumped.left_out.end()) continue;
            out.line(margin_of(line) + "\t" +
                     out.paint(Tone::warn, "# " + count_of(cut->second, "more element") +
                                               "; --full shows them"));
        }
    }
}

Outcome<Dumped> read_live(Terminal& terminal, const std::string& name) {
    auto kernel = open_kernel(terminal);
    if (!kernel) return kernel.error();
    auto live = dump_live(terminal, **kernel, {.name = name});
    if (!live) return live.error();
    if (!*live) {
        terminal.error("the kernel holds no table 'inet " + printable(name) +
                       "': this node enforces nothing");
        terminal.hint("'podfence apply -f PATH...' enforces");
        return Exit::finding;
    }
    auto interfaces =
        dump_live(terminal, **kernel, {.family = nft::TableFamily::netdev, .name = name});
    if (!interfaces) return interfaces.error();
    return Dumped{.table = std::move(**live), .interfaces = std::move(*interfaces)};
}

Outcome<Dumped> read(Terminal& terminal, const DumpOptions& options) {
    Dumped dumped;
    if (options.live) {
        auto live = read_live(terminal, table_name(options.rules.table_name, options.input.socket));
        if (!live) return live.error();
        dumped = std::move(*live);
        if (options.input.paths.empty()) return dumped;
    }
    auto input = read_input(terminal, options.input);
    if (!input) return input.error();
    const CompileOptions compile = compile_options(options.rules, *input);
    if (!check_hold(terminal, options.rules.hold, compile.held_ranges)) return Exit::usage;
    Compiled compiled = compile_all(input->cluster(), compile);
    if (!options.live) {
        warn_when_node_is_empty(terminal, *input, compile.node, compiled.local_pods);
        dumped.table = std::move(compiled.table);
    }
    // Chains are named by their content: a chain of the kernel that bears a compiled one's name
    // comes from the same policies.
    dumped.origins = std::move(compiled.origins);
    dumped.input = std::move(*input);
    return dumped;
}

/// The addresses of --pod: from the manifests, or without them from the comments in the kernel.
Outcome<std::vector<nft::Address>> pod_addresses(Terminal& terminal, const Dumped& dumped,
                                                 const std::string& pod) {
    if (dumped.input) {
        const auto endpoint = find_pod_endpoint(terminal, dumped.input->cluster(), pod);
        if (!endpoint) return endpoint.error();
        return endpoint->addresses;
    }
    return addresses_of(dumped.table, pod);
}

/// Why a pod has no rules here, as far as that is known.
std::string reason_for_none(const Dumped& dumped, const DumpOptions& options) {
    const auto slash = options.pod.find('/');
    const Pod* pod = dumped.input && slash != std::string::npos
                         ? dumped.input->cluster().find_pod({.ns = options.pod.substr(0, slash),
                                                             .name = options.pod.substr(slash + 1)})
                         : nullptr;
    if (pod == nullptr) return "nothing isolates it, or it is not on this node";
    if (pod->host_network) return "it is on its host's network, which policies do not judge";
    const std::string node =
        dumped.input ? node_name(options.rules.node, *dumped.input) : node_name(options.rules.node);
    if (!options.live && pod->node != node) {
        return "it is on node '" + printable(pod->node.get()) + "', and these are the rules of '" +
               printable(node) + "'; choose with --node";
    }
    if (!options.live) return "no policy isolates it, so all traffic is allowed";
    return "nothing isolates it here (by the input it is on node '" + printable(pod->node.get()) +
           "')";
}

Exit run_dump(Terminal& terminal, const DumpOptions& options) {
    auto dumped = read(terminal, options);
    if (!dumped) return dumped.error();
    if (!options.pod.empty()) {
        const auto addresses = pod_addresses(terminal, *dumped, options.pod);
        if (!addresses) return addresses.error();
        if (dumped->interfaces) {
            dumped->interfaces = slice_interfaces(*std::move(dumped->interfaces), options.pod);
        }
        if (!has_entries(dumped->table, *addresses) && !dumped->interfaces) {
            terminal.error("no rules for pod " + printable(options.pod) + ": " +
                           reason_for_none(*dumped, options));
            return Exit::finding;
        }
        dumped->table = slice(dumped->table, *addresses);
    }
    if (!options.full && !options.pod.empty() && options.output.format != Format::nft) {
        dumped->left_out = shorten(dumped->table, kElementsShownMax);
    }
    switch (options.output.format) {
        case Format::json:
            print_json(terminal.out, dumped->table, dumped->origins, dumped->left_out,
                       dumped->interfaces ? &*dumped->interfaces : nullptr,
                       dumped->input ? &*dumped->input : nullptr);
            break;
        case Format::nft:
            terminal.out.write(nft::to_text(dumped->table));
            break;
        case Format::text:
            print_text(terminal.out, *dumped);
            if (dumped->interfaces) terminal.out.write("\n" + nft::to_text(*dumped->interfaces));
            break;
    }
    return dumped->input ? dumped->input->status() : Exit::fine;
}

}  // namespace

void add_dump(CommandLine& line) {
    auto options = std::make_shared<DumpOptions>();
    CLI::App* command = line.add_command(
        "dump",
        {.summary = "Print the rules of this node, whole or for one pod",
         .description =
             "Prints the rules that the manifests, or without -f the agent on this node, give for "
             "this node or, with --live, those that "
             "the kernel holds now, annotated with the policies that each chain comes from. With "
             "--pod only the way of that pod's packets is shown: the hooks, the pod's entries in "
             "their maps, and the chains and sets these lead to. With --live this includes the "
             "pod's interface of the node and what proves its source addresses there; but for "
             "-o nft, as nft 1.0.6 cannot read all of that.",
         .examples = {{"everything that the kernel enforces here", "podfence dump --live"},
                      {"one pod's rules and the policies behind each",
                       "podfence dump -f manifests/ --pod shop/db"},
                      {"what the agent wants to enforce for it", "podfence dump --pod shop/db"},
                      {"the same rules for 'nft -f'", "podfence dump -f manifests/ -o nft"}},
         .exits = {{0, "printed"},
                   {1, "printed, but the input has errors; or there are no such rules"}}},
        [options](Terminal& terminal) { return run_dump(terminal, *options); });
    add_input_or_agent_options(line, *command, options->input);
    add_ruleset_options(line, *command, options->rules);
    command
        ->add_flag("--live", options->live,
                   "What the kernel holds now; with -f the manifests only annotate it")
        ->group("Input");
    auto* pod = command->add_option("--pod", options->pod, "Only what concerns this pod")
                    ->check(not_empty)
                    ->type_name("NS/NAME")
                    ->group("Output");
    line.takes_names(pod, "pod");
    command
        ->add_flag("--full", options->full,
                   "All elements of long sets (with --pod they are shortened, except in -o nft)")
        ->group("Output");
    add_output_options(line, *command, options->output, {"text", "json", "nft"});
}

}  // namespace podfence::cmd
