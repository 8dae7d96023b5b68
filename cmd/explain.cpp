// explain: is one flow allowed, and why.
#include <algorithm>
#include <memory>
#include <utility>

#include "cmd/cli11.hpp"
#include "cmd/explained.hpp"
#include "cmd/kernel_access.hpp"

namespace podfence::cmd {

namespace {

/// More ports than a person reads; the rest is counted.
constexpr std::size_t kTargetsMax = 16;

struct ExplainCommandOptions {
    InputOptions input{};
    OutputOptions output{};
    PortOptions ports{};
    std::string from{};
    std::string to{};
    std::string node{};
    std::optional<bool> pod_to_node_enforced{};
    HoldOptions hold{};
    std::optional<std::string> table_name{};
    bool live = false;
};

const Address* address_of(const Endpoint& endpoint, nft::Family family) {
    const auto found =
        std::find_if(endpoint.addresses.begin(), endpoint.addresses.end(),
                     [&](const Address& address) { return address.family() == family; });
    return found == endpoint.addresses.end() ? nullptr : &*found;
}

/// "http 8080/TCP, metrics 9100/TCP"
std::string declared_ports(const Pod& pod) {
    std::string text;
    for (const ContainerPort& port : pod.ports) {
        text += (text.empty() ? "" : ", ") + port.name + (port.name.empty() ? "" : " ") +
                std::to_string(port.number) + "/" + std::string(to_string(port.protocol));
    }
    return text.empty() ? "none" : text;
}

Exit no_such_port(Terminal& terminal, const Explained& explained, const PortQuery& query) {
    const Pod* pod = explained.to.pod;
    terminal.error("no port named '" + printable(query.name) + "' on " + explained.to.text);
    terminal.hint(pod == nullptr ? "a port name means something only on a pod: give a number"
                                 : "ports that the pod declares: " + declared_ports(*pod));
    return Exit::usage;
}

/// Which ports were judged, when the command line did not say.
void remark_on_targets(Explained& explained, const PortQuery& query, Targets& targets) {
    if (targets.assumed) {
        const Target& assumed = targets.list.front();
        std::string why = "without --port";
        if (const Pod* pod = explained.to.pod; pod != nullptr) {
            why = explained.to.text + " declares no " +
                  (pod->ports.empty() ? "ports:" : protocol_name(assumed.protocol) + " port:");
        }
        explained.remarks.push_back(why + " judged on " + to_string(assumed) +
                                    "; --port chooses another");
    } else if (!query.number && query.name.empty() && !query.icmp) {
        explained.remarks.push_back("without --port the ports that " + explained.to.text +
                                    " declares are judged");
    }
    if (targets.list.size() > kTargetsMax) {
        explained.remarks.push_back("only the first " + std::to_string(kTargetsMax) + " of " +
                                    std::to_string(targets.list.size()) + " ports are judged");
        targets.list.resize(kTargetsMax);
    }
}

Outcome<Explained> judge(Terminal& terminal, const Input& input,
                         const ExplainCommandOptions& options) {
    const Cluster& cluster = input.cluster();
    const ExplainOptions judge_as{
        .pod_to_node_enforced = pod_to_node_enforced(options.pod_to_node_enforced, input),
        .held = {.ranges = held_ranges(options.hold, input),
                 .node = node_name(options.node, input)}};
    if (!check_hold(terminal, options.hold, judge_as.held.ranges)) return Exit::usage;
    const auto query = parse_ports(terminal, options.ports);
    if (!query) return query.error();
    auto from = find_endpoint(terminal, cluster, options.from);
    if (!from) return from.error();
    auto to = find_endpoint(terminal, cluster, options.to);
    if (!to) return to.error();
    Explained explained{.from = std::move(*from), .to = std::move(*to)};
    for (const Endpoint* end : {&explained.from, &explained.to}) {
        explained.remarks.insert(explained.remarks.end(), end->remarks.begin(), end->remarks.end());
    }
    bool families_shared = false;
    for (const auto family : {nft::Family::ipv4, nft::Family::ipv6}) {
        const Address* source = address_of(explained.from, family);
        const Address* destination = address_of(explained.to, family);
        if (source == nullptr || destination == nullptr) continue;
        Targets targets = targets_on(explained.to.pod, *query, family);
        if (targets.list.empty()) return no_such_port(terminal, explained, *query);
        if (!families_shared) remark_on_targets(explained, *query, targets);
        families_shared = true;
        targets.list.resize(std::min(targets.list.size(), kTargetsMax));
        for (const Target& target : targets.list) {
            const Flow flow{.source = *source,
                            .destination = *destination,
                            .protocol = target.protocol,
                            .port = target.port};
            explained.flows.push_back({.target = target, .why = explain(cluster, flow, judge_as)});
        }
    }
    const bool any_held = std::ranges::any_of(explained.flows, [](const JudgedFlow& flow) {
        return flow.why.egress.held || flow.why.ingress.held;
    });
    if (explained.from.pod == nullptr && explained.to.pod == nullptr && !any_held) {
        explained.remarks.emplace_back("neither end is a pod: policies say nothing about this");
    }
    if (!families_shared) {
        terminal.error(explained.from.text + " and " + explained.to.text +
                       " share no address family: there can be no flow between them");
        return Exit::usage;
    }
    return explained;
}

/// A pod tells one address a family of its node (status.hostIPs). Here the node itself tells the
/// others, such as its bridge's, from which kubelet's probes come (N68).
void learn_node_addresses(Cluster& cluster, const std::string& node) {
    std::vector<Address> known;
    for (const Address& address : interface_addresses()) {
        if (cluster.owner_of(address) == nullptr) known.push_back(address);
    }
    std::vector<Pod> local;
    for (const auto& [name, pod] : cluster.pods()) {
        if (pod.node == node) local.push_back(pod);
    }
    for (Pod& pod : local) {
        auto& addresses = pod.node_addresses.edit();
        addresses.insert(addresses.end(), known.begin(), known.end());
        cluster.put(std::move(pod));
    }
}

/// Compares every flow with what the kernel would do; fine when they agree.
Exit check_live(Terminal& terminal, const std::string& name, Explained& explained,
                std::vector<std::string>& warnings) {
    auto kernel = open_kernel(terminal);
    if (!kernel) return kernel.error();
    const auto table = dump_live(terminal, **kernel, {.name = name});
    if (!table) return table.error();
    if (!*table) {
        warn(terminal, warnings,
             "the kernel holds no table 'inet " + name + "': this node enforces nothing");
    } else if (((*table)->flags & 1U) != 0) {  // NFT_TABLE_F_DORMANT
        warn(terminal, warnings,
             "the table 'inet " + name + "' is dormant: this node enforces nothing");
    }
    for (JudgedFlow& flow : explained.flows) {
        flow.live = walk_live(*table, flow.why, explained.node);
    }
    if (explained.live_agrees()) return Exit::fine;
    warn(terminal, warnings,
         "the rules in this node's kernel DISAGREE with the policies: they are stale or somebody "
         "changed them; see 'podfence diff', mend with 'podfence apply'");
    return Exit::finding;
}

Exit run_explain(Terminal& terminal, const ExplainCommandOptions& options) {
    auto input = read_input(terminal, options.input);
    if (!input) return input.error();
    const std::string node = node_name(options.node, *input);
    if (options.live) learn_node_addresses(input->loaded.cluster, node);
    auto explained = judge(terminal, *input, options);
    if (!explained) return explained.error();
    explained->node = node;
    Exit status = worst(input->status(), explained->allowed() ? Exit::fine : Exit::finding);
    if (options.live) {
        const std::string name = table_name(options.table_name, options.input.socket);
        const Exit live = check_live(terminal, name, *explained, input->warnings);
        if (live == Exit::failure) return live;
        status = worst(status, live);
    }
    if (options.output.format == Format::json) {
        print_json(terminal.out, *explained, *input);
    } else {
        print_text(terminal.out, *explained);
    }
    return status;
}

}  // namespace

bool Explained::allowed() const {
    return std::all_of(flows.begin(), flows.end(),
                       [](const JudgedFlow& flow) { return flow.why.allowed(); });
}

const JudgedFlow& Explained::decisive() const {
    const auto denied = std::find_if(flows.begin(), flows.end(),
                                     [](const JudgedFlow& flow) { return !flow.why.allowed(); });
    return denied == flows.end() ? flows.front() : *denied;
}

bool Explained::live_agrees() const {
    return std::all_of(flows.begin(), flows.end(),
                       [](const JudgedFlow& flow) { return !flow.live || flow.live->agrees(); });
}

void add_explain(CommandLine& line) {
    auto options = std::make_shared<ExplainCommandOptions>();
    CLI::App* command = line.add_command(
        "explain",
        {.summary = "Say whether a flow is allowed, and why",
         .description =
             "Judges a new connection straight from the policies and says which of them isolate "
             "its two ends, which rule allows it, or what each rule lacks. An end is a pod, "
             "written NAMESPACE/POD, or an address. Pods with two address families are judged on "
             "all that both ends share. With --live the first packet also walks through the rules "
             "that this node's kernel holds now, and both answers are compared.",
         .examples =
             {{"why does the shop not come up?",
               "podfence explain -f manifests/ --from shop/frontend --to shop/db --port 5432"},
              {"the same, by what the agent on this node knows",
               "podfence explain --from shop/frontend --to shop/db"},
              {"by a port's name, from outside the cluster",
               "podfence explain -f all.yaml --from 192.0.2.7 --to shop/web --port http"},
              {"does this node do what the policies say?",
               "podfence explain -f all.yaml --from shop/api --to shop/db --live"}},
         .exits = {{0, "allowed, and with --live the kernel agrees"},
                   {1, "denied; or the kernel disagrees; or the input has errors"}}},
        [options](Terminal& terminal) { return run_explain(terminal, *options); });
    auto* from = command->add_option("--from", options->from, "Who opens the connection");
    auto* to =
        command->add_option("--to", options->to, "Whom it goes to, after any Service was resolved");
    for (CLI::Option* end : {from, to}) {
        end->type_name("NS/POD|ADDRESS")->group("Flow")->required();
        line.takes_names(end, "pod");
    }
    add_port_options(line, *command, options->ports);
    add_input_or_agent_options(line, *command, options->input);
    command->add_flag("--live", options->live, "Compare with the rules in this node's kernel")
        ->group("Input");
    add_node_option(*command, options->node);
    add_pod_to_node_option(line, *command, options->pod_to_node_enforced);
    add_hold_options(line, *command, options->hold);
    add_table_name_option(line, *command, options->table_name);
    add_output_options(line, *command, options->output, {"text", "json"});
}

}  // namespace podfence::cmd
