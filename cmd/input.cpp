#include "cmd/input.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include <boost/json.hpp>

namespace podfence::cmd {

namespace {

/// More are counted on stderr; -o json has them all.
constexpr std::size_t kProblemsPrintedMax = 100;
constexpr std::size_t kNodesListedMax = 8;

void print(Terminal& terminal, const std::vector<Problem>& problems) {
    for (std::size_t i = 0; i < std::min(problems.size(), kProblemsPrintedMax); ++i) {
        const bool error = problems[i].severity == Severity::error;
        std::string text = printable(to_string(problems[i]));
        // The word that says how bad it is stands behind the place: colour it there.
        const std::string word = error ? "error:" : "warning:";
        if (const auto at = text.find(" " + word); at != std::string::npos) {
            text.replace(at + 1, word.size(),
                         terminal.err.paint(error ? Tone::bad : Tone::warn, word));
        }
        terminal.err.line(text);
    }
    if (problems.size() > kProblemsPrintedMax) {
        terminal.err.line("... and " +
                          count_of(problems.size() - kProblemsPrintedMax, "more problem"));
    }
}

std::size_t count_errors(const std::vector<Problem>& problems) {
    return static_cast<std::size_t>(
        std::count_if(problems.begin(), problems.end(),
                      [](const Problem& p) { return p.severity == Severity::error; }));
}

}  // namespace

Outcome<Input> read_input(Terminal& terminal, const InputOptions& options) {
    if (options.paths.empty()) {
        terminal.error("no input");
        terminal.hint("give the cluster's manifests with -f PATH..., or -f - for standard input:");
        terminal.hint("kubectl get pods,namespaces,networkpolicies -A -o yaml | podfence ... -f -");
        return Exit::usage;
    }
    const auto start = std::chrono::steady_clock::now();
    Input input{.loaded = load_manifests(options.paths)};
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    input.read_ms = took.count();
    print(terminal, input.loaded.problems);
    if (input.loaded.unreadable) {
        terminal.error("a part of the input could not be read; nothing was done");
        return Exit::usage;
    }
    if (options.strict && input.loaded.has_errors()) {
        terminal.error(count_of(count_errors(input.loaded.problems), "error") +
                       " in the input; nothing was done, because of --strict");
        return Exit::usage;
    }
    if (input.loaded.objects == 0) {
        terminal.error("the input holds no pod, namespace or network policy; nothing was done");
        terminal.hint(input.loaded.skipped == 0
                          ? "is it empty? 'podfence cleanup' is what removes all rules"
                          : count_of(input.loaded.skipped, "object") + " of other kinds skipped");
        return Exit::usage;
    }
    return input;
}

void warn(Terminal& terminal, std::vector<std::string>& warnings, std::string message) {
    terminal.warning(printable(message));
    warnings.push_back(std::move(message));
}

void warn_when_node_is_empty(Terminal& terminal, Input& input, const std::string& node,
                             std::size_t local_pods) {
    if (local_pods > 0) return;
    std::map<std::string, std::size_t> nodes;
    for (const auto& [name, pod] : input.cluster().pods()) {
        if (!pod.node.empty()) ++nodes[pod.node];
    }
    std::string seen;
    std::size_t listed = 0;
    for (const auto& [name, pods] : nodes) {
        if (++listed > kNodesListedMax) break;
        seen += (seen.empty() ? "" : ", ") + name + " (" + count_of(pods, "pod") + ")";
    }
    if (nodes.size() > kNodesListedMax) {
        seen += " and " + std::to_string(nodes.size() - kNodesListedMax) + " more";
    }
    std::string message =
        "no pod with an address is on node '" + node + "': no policy takes effect here; ";
    message += nodes.empty() ? "no pod in the input has a spec.nodeName"
                             : "nodes in the input: " + seen + "; choose one with --node";
    warn(terminal, input.warnings, std::move(message));
}

boost::json::value to_json(const std::vector<std::string>& texts) {
    return boost::json::array(texts.begin(), texts.end());
}

boost::json::value to_json(const std::vector<Problem>& problems) {
    boost::json::array list;
    for (const Problem& problem : problems) {
        list.push_back({{"severity", problem.severity == Severity::error ? "error" : "warning"},
                        {"file", problem.pos.file},
                        {"line", problem.pos.line},
                        {"object", problem.object},
                        {"field", problem.field},
                        {"message", problem.message},
                        {"remedy", problem.remedy}});
    }
    return list;
}

}  // namespace podfence::cmd
