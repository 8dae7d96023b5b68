// matrix: who can reach whom.
#include "cmd/matrix.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

#include <boost/json.hpp>

#include "cmd/cli11.hpp"

namespace podfence::cmd {

namespace {

/// A table of more is not read by anybody, and costs its square.
constexpr std::size_t kMatrixPodsMax = 1000;

constexpr std::size_t kPortNamesListedMax = 12;

struct MatrixOptions {
    InputOptions input{};
    OutputOptions output{};
    PortOptions ports{};
    std::vector<std::string> namespaces{};
    std::string html{};
    std::optional<bool> pod_to_node_enforced{};
    bool full = false;
};

Cell judge(const Cluster& cluster, const Matrix& matrix, std::size_t from, std::size_t to,
           const ExplainOptions& options) {
    const auto& targets = matrix.targets[to];
    Cell cell;
    std::size_t judged = 0;
    std::size_t allowed_count = 0;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto flows = matrix.flows(from, to, targets[i]);
        if (flows.empty()) continue;
        ++judged;
        const bool passes = std::all_of(flows.begin(), flows.end(), [&](const Flow& flow) {
            return allowed(cluster, flow, options);
        });
        if (!passes) continue;
        ++allowed_count;
        cell.allowed = static_cast<std::uint16_t>(cell.allowed | 1U << i);
    }
    if (judged == 0) return cell;
    cell.reach = allowed_count == 0        ? Reach::none
                 : allowed_count == judged ? Reach::all
                                           : Reach::some;
    return cell;
}

std::vector<Address> held_addresses(const Cluster& cluster, const Pod& pod) {
    std::vector<Address> held;
    if (!can_hold_addresses(pod)) return held;
    std::copy_if(pod.addresses.begin(), pod.addresses.end(), std::back_inserter(held),
                 [&](const Address& address) { return cluster.holds(pod, address); });
    return held;
}

}  // namespace

std::vector<Flow> Matrix::flows(std::size_t from, std::size_t to, const Target& target) const {
    constexpr std::uint8_t icmp = 1;
    constexpr std::uint8_t icmp6 = 58;
    std::vector<Flow> flows;
    for (const Address& source : addresses[from]) {
        for (const Address& destination : addresses[to]) {
            if (source.family() != destination.family()) continue;
            const bool v6 = source.family() == nft::Family::ipv6;
            flows.push_back({.source = source,
                             .destination = destination,
                             .protocol = target.protocol == icmp && v6 ? icmp6 : target.protocol,
                             .port = target.port});
        }
    }
    return flows;
}

std::string Matrix::subject() const {
    if (query.icmp) return "by ICMP";
    const std::string protocol(to_string(query.protocol.value_or(Protocol::tcp)));
    if (query.number) return "on port " + std::to_string(*query.number) + "/" + protocol;
    if (!query.name.empty()) return "on the port named '" + query.name + "'";
    return "on the " + protocol + " ports that each destination declares";
}

Matrix build_matrix(const Cluster& cluster, std::vector<const Pod*> pods, const PortQuery& query,
                    const ExplainOptions& options) {
    Matrix matrix{.pods = std::move(pods),
                  .query = query,
                  .declared = !query.number && query.name.empty() && !query.icmp};
    for (const Pod* pod : matrix.pods) {
        matrix.addresses.push_back(held_addresses(cluster, *pod));
        auto targets = targets_on(pod, query, nft::Family::ipv4).list;
        targets.resize(std::min(targets.size(), kMatrixTargetsMax));
        matrix.targets.push_back(std::move(targets));
    }
    matrix.cells.reserve(matrix.size() * matrix.size());
    for (std::size_t from = 0; from < matrix.size(); ++from) {
        for (std::size_t to = 0; to < matrix.size(); ++to) {
            matrix.cells.push_back(judge(cluster, matrix, from, to, options));
        }
    }
    return matrix;
}

void print_json(Output& out, const Matrix& matrix, const Input& input) {
    const auto texts = [](const std::vector<Target>& targets, std::uint16_t bits) {
        boost::json::array list;
        for (std::size_t i = 0; i < targets.size(); ++i) {
            if ((bits >> i & 1U) != 0) list.push_back(boost::json::string(to_string(targets[i])));
        }
        return list;
    };
    boost::json::array names;
    boost::json::array judged;
    boost::json::array rows;
    boost::json::array port_rows;
    for (std::size_t from = 0; from < matrix.size(); ++from) {
        names.push_back(boost::json::string(to_string(matrix.pods[from]->name)));
        judged.push_back(texts(matrix.targets[from], 0xffff));
        boost::json::array row;
        boost::json::array ports;
        for (std::size_t to = 0; to < matrix.size(); ++to) {
            row.push_back(matrix.at(from, to).allowed != 0);
            if (matrix.declared) {
                ports.push_back(texts(matrix.targets[to], matrix.at(from, to).allowed));
            }
        }
        rows.push_back(std::move(row));
        port_rows.push_back(std::move(ports));
    }
    boost::json::value port = nullptr;
    if (matrix.query.number) port = *matrix.query.number;
    if (!matrix.query.name.empty()) port = boost::json::string(matrix.query.name);
    boost::json::object json{
        {"pods", std::move(names)},
        {"port", std::move(port)},
        {"protocol", matrix.query.icmp
                         ? std::string("ICMP")
                         : std::string(to_string(matrix.query.protocol.value_or(Protocol::tcp)))},
        {"judged", std::move(judged)},
        {"allowed", std::move(rows)}};
    if (matrix.declared) json["allowed_ports"] = std::move(port_rows);
    json["problems"] = to_json(input.loaded.problems);
    json["warnings"] = to_json(input.warnings);
    out.json(json);
}

namespace {

/// The pods that can be an end of a flow, of the namespaces that were asked for.
Outcome<std::vector<const Pod*>> choose_pods(Terminal& terminal, const Input& input,
                                             const MatrixOptions& options) {
    const Cluster& cluster = input.cluster();
    std::set<std::string> known;
    for (const auto& [name, pod] : cluster.pods()) known.insert(name.ns);
    for (const std::string& wanted : options.namespaces) {
        if (known.contains(wanted)) continue;
        terminal.error("no pod of namespace '" + printable(wanted) + "' in the input");
        const std::string meant = nearest(wanted, {known.begin(), known.end()});
        if (!meant.empty()) terminal.hint("did you mean '" + meant + "'?");
        return Exit::usage;
    }
    const std::set<std::string> wanted(options.namespaces.begin(), options.namespaces.end());
    std::vector<const Pod*> pods;
    for (const auto& [name, pod] : cluster.pods()) {
        if (!wanted.empty() && !wanted.contains(name.ns)) continue;
        if (!held_addresses(cluster, pod).empty()) pods.push_back(&pod);
    }
    if (pods.empty()) {
        terminal.error("no pod with an address of its own in the input");
        if (!cluster.pods().empty()) {
            terminal.hint(count_of(cluster.pods().size(), "pod") +
                          " without status.podIP: policies are judged on running pods, as "
                          "'kubectl get pods -A -o yaml' prints them");
        }
        return Exit::usage;
    }
    if (pods.size() > kMatrixPodsMax) {
        terminal.error(count_of(pods.size(), "pod") + " are too many for a matrix (" +
                       std::to_string(kMatrixPodsMax) + " at most)");
        terminal.hint("choose some with --namespace NS...");
        return Exit::usage;
    }
    return pods;
}

/// A name that no destination has is misspelt: a table of question marks answers nothing.
Exit check_port_name(Terminal& terminal, const Matrix& matrix) {
    const std::string& name = matrix.query.name;
    const bool found =
        name.empty() || std::any_of(matrix.targets.begin(), matrix.targets.end(),
                                    [](const auto& targets) { return !targets.empty(); });
    if (found) return Exit::fine;
    std::set<std::string> known;
    for (const Pod* pod : matrix.pods) {
        for (const ContainerPort& port : pod->ports) {
            if (!port.name.empty() && port.protocol == matrix.query.protocol) {
                known.insert(port.name);
            }
        }
    }
    terminal.error("no pod has a " + std::string(to_string(*matrix.query.protocol)) +
                   " port named '" + printable(name) + "'");
    std::string all;
    std::size_t listed = 0;
    for (const std::string& one : known) {
        if (++listed > kPortNamesListedMax) break;
        all += (all.empty() ? "" : ", ") + one;
    }
    if (known.size() > kPortNamesListedMax) all += ", ...";
    terminal.hint(all.empty() ? "no pod names any: give a number" : "names in the input: " + all);
    return Exit::usage;
}

Exit write_page(Terminal& terminal, const std::string& path, const std::string& page) {
    if (path == "-") {
        terminal.out.write(page);
        return Exit::fine;
    }
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(page.data(), static_cast<std::streamsize>(page.size()));
    file.close();
    if (!file) {
        terminal.error("cannot write " + printable(path) + ": " + std::strerror(errno));
        return Exit::failure;
    }
    terminal.err.line("wrote " + printable(path) + " (" + with_thousands(page.size() / 1024) +
                      " KiB)");
    return Exit::fine;
}

Exit run_matrix(Terminal& terminal, const MatrixOptions& options) {
    const auto query = parse_ports(terminal, options.ports);
    if (!query) return query.error();
    auto input = read_input(terminal, options.input);
    if (!input) return input.error();
    auto pods = choose_pods(terminal, *input, options);
    if (!pods) return pods.error();
    PortQuery ports = *query;
    // A table has one protocol; for `explain` a pod's ports of all protocols matter.
    if (!ports.icmp && !ports.protocol) ports.protocol = Protocol::tcp;
    const ExplainOptions judge_as{.pod_to_node_enforced =
                                      pod_to_node_enforced(options.pod_to_node_enforced, *input)};
    const Matrix matrix = build_matrix(input->cluster(), std::move(*pods), ports, judge_as);
    if (const Exit named = check_port_name(terminal, matrix); named != Exit::fine) return named;
    if (!options.html.empty()) {
        const Exit written =
            write_page(terminal, options.html, html_page(*input, matrix, judge_as));
        if (written != Exit::fine) return written;
    }
    if (options.output.format == Format::json) {
        print_json(terminal.out, matrix, *input);
    } else if (options.html.empty()) {
        print_text(terminal.out, matrix, options.full);
    }
    return input->status();
}

}  // namespace

void add_matrix(CommandLine& line) {
    auto options = std::make_shared<MatrixOptions>();
    CLI::App* command = line.add_command(
        "matrix",
        {.summary = "Show who can reach whom",
         .description =
             "Judges a connection from every pod to every other straight from the policies and "
             "prints a table: rows are sources, columns destinations. Without --port each "
             "destination is judged on the ports it declares (80 where it declares none). --html "
             "writes one self-contained page that says why for every cell.",
         .examples = {{"all pods, each on its own ports", "podfence matrix -f manifests/"},
                      {"who can reach port 5432 in two namespaces",
                       "podfence matrix -f all.yaml --port 5432 --namespace shop monitoring"},
                      {"a page for the browser", "podfence matrix -f all.yaml --html matrix.html"}},
         .exits = {{0, "printed"}, {1, "printed, but the input has errors"}}},
        [options](Terminal& terminal) { return run_matrix(terminal, *options); });
    add_port_options(line, *command, options->ports);
    auto* namespaces =
        command->add_option("--namespace", options->namespaces, "Only pods of these namespaces")
            ->type_name("NS")
            ->group("Flow");
    line.takes_names(namespaces, "namespace");
    add_input_or_agent_options(line, *command, options->input);
    add_pod_to_node_option(line, *command, options->pod_to_node_enforced);
    auto* html = command
                     ->add_option("--html", options->html,
                                  "Write a page with the reasons to this file (- is stdout)")
                     ->type_name("FILE")
                     ->group("Output");
    line.takes_path(html);
    command
        ->add_flag("--full", options->full,
                   "A row for every pod, also for those that nothing tells apart")
        ->group("Output");
    add_output_options(line, *command, options->output, {"text", "json"});
}

}  // namespace podfence::cmd
