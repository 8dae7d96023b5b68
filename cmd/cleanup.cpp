// cleanup: leaves no trace of podfence in the kernel.
#include <array>
#include <chrono>
#include <csignal>
#include <memory>

#include <boost/json.hpp>

#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/kernel_access.hpp"
#include "cmd/running_agent.hpp"
#include "controller/self_test/rules.hpp"
#include "nft/converge.hpp"
#include "nft/table_counts.hpp"
#include "nft/text.hpp"

namespace podfence::cmd {

namespace {

/// A container that is Running counts as done once it has been so for the DaemonSet's
/// minReadySeconds (manifests/base): one that cannot do its work has to fail before that.
constexpr std::chrono::milliseconds kAgentEndMax{4'000};

struct CleanupOptions {
    OutputOptions output{};
    std::string socket{};
    std::optional<std::string> table_name{};
    bool dry_run = false;
    bool stay = false;
    bool force = false;
};

/// What one of our tables held before it was removed.
struct Removed {
    std::string name;
    nft::TableCounts counts;
};

Removed contents_of(const nft::Table& table) {
    const char* family = table.id.family == nft::TableFamily::inet ? "inet " : "netdev ";
    return {.name = family + table.id.name, .counts = nft::count(table)};
}

void print_text(Terminal& terminal, const std::vector<Removed>& tables, bool dry_run) {
    Output& out = terminal.out;
    if (tables.empty()) out.line("nothing to remove: the kernel holds no table of podfence");
    for (const Removed& table : tables) {
        out.line((dry_run ? "would remove table " : "removed table ") + table.name + ": " +
                 count_of(table.counts.chains, "chain") + ", " +
                 count_of(table.counts.sets, "set") + ", " +
                 count_of(table.counts.elements, "element"));
    }
}

void print_json(Terminal& terminal, const std::vector<Removed>& tables, bool dry_run) {
    boost::json::array list;
    for (const Removed& table : tables) {
        list.push_back({{"table", table.name},
                        {"chains", table.counts.chains},
                        {"sets", table.counts.sets},
                        {"elements", table.counts.elements}});
    }
    terminal.out.json({{"dry_run", dry_run}, {"removed", std::move(list)}});
}

/// Until SIGTERM or SIGINT. They are blocked, since the first process of a container does not get
/// signals that it neither handles nor blocks.
void wait_for_signal() {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    int number = 0;
    sigwait(&ends, &number);
}

Outcome<void> check_agent(Terminal& terminal, const CleanupOptions& options) {
    if (options.dry_run || options.force) return {};
    // Where this takes the agent's place, that one may be on its way out still.
    if (options.stay) await_agent_end(options.socket, kAgentEndMax);
    return refuse_beside_agent(terminal, options.socket,
                               "stop it first; --force removes them nevertheless");
}

Exit run_cleanup(Terminal& terminal, const CleanupOptions& options) {
    if (const auto alone = check_agent(terminal, options); !alone) return alone.error();
    auto kernel = open_kernel(terminal);
    if (!kernel) return kernel.error();
    std::vector<Removed> tables;
    const std::string name = options.table_name.value_or(nft::TableId{}.name);
    const std::array ours{nft::TableId{.family = nft::TableFamily::inet, .name = name},
                          nft::TableId{.family = nft::TableFamily::netdev, .name = name},
                          nft::TableId{.name = self_test::kTable}};  // Of one that was killed.
    for (const nft::TableId& id : ours) {
        const auto live = dump_live(terminal, **kernel, id);
        if (!live) return live.error();
        if (!*live) continue;
        tables.push_back(contents_of(**live));
        if (options.dry_run) continue;
        if (auto removed = nft::remove(**kernel, id); !removed) {
            return report(terminal, removed.error());
        }
    }
    if (options.output.format == Format::json) {
        print_json(terminal, tables, options.dry_run);
    } else {
        print_text(terminal, tables, options.dry_run);
    }
    if (options.stay) {
        terminal.out.flush();
        wait_for_signal();
    }
    return Exit::fine;
}

}  // namespace

void add_cleanup(CommandLine& line) {
    auto options = std::make_shared<CleanupOptions>();
    CLI::App* command = line.add_command(
        "cleanup",
        {.summary = "Remove everything podfence put into the kernel",
         .description =
             "Removes the tables 'inet podfence' and 'netdev podfence', or those of --table-name, "
             "with all their chains, sets and maps, and nothing else. From then on no network "
             "policy is enforced on this node. "
             "Beside a running agent, which would put everything back, nothing is done unless "
             "--force is given.",
         .examples = {{"stop enforcing on this node", "podfence cleanup"},
                      {"see what would go", "podfence cleanup --dry-run"}},
         .exits = {{0, "removed, or there was nothing to remove"}}},
        [options](Terminal& terminal) { return run_cleanup(terminal, *options); });
    command->add_flag("--dry-run", options->dry_run, "Say what would be removed; remove nothing")
        ->group("Rules");
    command
        ->add_flag(
            "--stay", options->stay,
            "Give an agent some seconds to end; when all is removed, wait for SIGTERM: for a "
            "DaemonSet, whose containers must not end")
        ->group("Rules");
    command
        ->add_flag("--force", options->force,
                   "Go on although an agent runs here (which will put everything back)")
        ->group("Rules");
    add_table_name_option(line, *command, options->table_name);
    add_socket_option(line, *command, options->socket);
    add_output_options(line, *command, options->output, {"text", "json"});
}

}  // namespace podfence::cmd
