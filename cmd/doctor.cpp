// doctor: can this node enforce, and does it?
#include <algorithm>
#include <memory>

#include <boost/json.hpp>

#include "cmd/cli11.hpp"
#include "cmd/common_options.hpp"
#include "cmd/doctor_agent.hpp"
#include "controller/doctor/checks.hpp"
#include "controller/doctor/gather.hpp"
#include "controller/self_test/self_test.hpp"
#include "podfence_version.hpp"

namespace podfence::cmd {

namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::Level;

struct DoctorOptions {
    OutputOptions output{};
    std::string socket{};
    bool self_test = false;
    bool only_self_test = false;
    std::string wiring = "auto";
    std::string bridge{};
    std::vector<std::string> pods{};
    std::string established{};                    ///< "cut", "keep"; empty: as the agent has it.
    std::optional<std::string> table_name{};      ///< Likewise.
    std::optional<std::int32_t> hook_priority{};  ///< Likewise.
    std::string cni_directory = "/etc/cni/net.d";
    std::string cni_programs = "/opt/cni/bin";
};

/// What there is to say in the end.
struct Diagnosis {
    Findings findings{};
    std::optional<self_test::Outcome> proof{};
    bool permitted = true;
};

/// By --wiring, else as this node's pods are connected.
std::vector<self_test::Connection> connections_of(const DoctorOptions& options,
                                                  const doctor::Facts& facts) {
    using self_test::Connection;
    using self_test::Wiring;
    if (options.wiring == "auto") return self_test::connections_of(facts);
    std::vector<Connection> connections;
    if (options.wiring != "bridge") connections.push_back({.wiring = Wiring::routed});
    if (options.wiring != "routed") {
        connections.push_back({.wiring = Wiring::bridged, .bridge = options.bridge});
    }
    return connections;
}

self_test::Outcome prove(const DoctorOptions& options, const doctor::Facts& facts,
                         const CompileOptions& rules) {
    auto connections = connections_of(options, facts);
    auto families = self_test::families_of(facts, connections);
    return self_test::run(
        {.connections = std::move(connections), .families = std::move(families), .rules = rules});
}

std::vector<nft::Address> given_pods(const DoctorOptions& options) {
    std::vector<nft::Address> pods;
    for (const std::string& text : options.pods) pods.push_back(*nft::Address::parse(text));
    return pods;
}

void append(Findings& all, const Findings& more) {
    all.insert(all.end(), more.begin(), more.end());
}

Diagnosis diagnose(const DoctorOptions& options) {
    Diagnosis diagnosis;
    AgentReport report;
    // Whoever tells the pods' addresses needs nobody else to.
    if (options.pods.empty()) {
        report = ask_agent_report(options.socket);
    } else {
        report.pods = given_pods(options);
    }
    if (!options.established.empty()) {
        report.facts.cuts_established = options.established == "cut";
        report.rules.connmark_bit.reset();
        if (report.facts.cuts_established) report.rules.connmark_bit = kConnmarkBit;
    }
    if (options.table_name) report.rules.table.name = *options.table_name;
    if (options.hook_priority) report.rules.priority = *options.hook_priority;
    doctor::GatherOptions gather{.cni_directory = options.cni_directory,
                                 .cni_programs = options.cni_programs,
                                 .pods = report.pods};
    doctor::Facts facts =
        options.only_self_test ? doctor::gather_network(gather) : doctor::gather(gather);
    facts.agent = report.facts;
    facts.table_name = report.rules.table.name;
    facts.priority = report.rules.priority;
    if (!options.only_self_test) {
        nft::Error error;
        facts.table = examine_table(report, error);
        if (!facts.table) facts.table_error = to_string(error);
        diagnosis.permitted = facts.privileges.net_admin;
        diagnosis.findings = doctor::check_all(facts);
    }
    if (options.self_test) {
        diagnosis.proof = prove(options, facts, report.rules);
        const Findings bypasses = doctor::check_bypasses(facts);
        add_bypasses(*diagnosis.proof, bypasses);
        if (options.only_self_test) append(diagnosis.findings, bypasses);
        append(diagnosis.findings, diagnosis.proof->findings);
    }
    return diagnosis;
}

Tone tone_of(Level level) {
    switch (level) {
        case Level::ok:
            return Tone::good;
        case Level::note:
            return Tone::plain;
        case Level::warning:
            return Tone::warn;
        case Level::error:
            return Tone::bad;
    }
    return Tone::plain;
}

constexpr std::size_t kLabelWidth = 9;

void print_finding(Output& out, const Finding& finding) {
    const std::string label(to_string(finding.level));
    out.line(out.paint(tone_of(finding.level), padded(label, kLabelWidth)) +
             printable(finding.title));
    const std::string indent(kLabelWidth, ' ');
    if (!finding.text.empty()) out.line(indent + out.paint(Tone::dim, printable(finding.text)));
    if (!finding.remedy.empty()) {
        out.line(indent + out.paint(Tone::strong, "# " + printable(finding.remedy)));
    }
}

std::string headline(const Diagnosis& diagnosis, Level worst) {
    using self_test::Proof;
    if (diagnosis.proof && diagnosis.proof->proof == Proof::bypassed) {
        return "POLICIES ARE NOT ENFORCED on this node: packets pass by the rules";
    }
    const auto errors = static_cast<std::size_t>(
        std::ranges::count(diagnosis.findings, Level::error, &Finding::level));
    if (errors > 0) {
        return count_of(errors, "finding") + " that can keep policies from being enforced here";
    }
    if (diagnosis.proof && diagnosis.proof->proof == Proof::enforced) {
        return "this node enforces: proven with packets";
    }
    if (std::ranges::find(diagnosis.findings, "table-missing", &Finding::id) !=
        diagnosis.findings.end()) {
        return "this node can enforce, but no rules of podfence are in force";
    }
    return worst == Level::warning ? "this node can enforce, with reservations"
                                   : "this node can enforce";
}

/// The gravest first: that is what was asked for.
void print_text(Output& out, const Diagnosis& diagnosis) {
    const Level worst = worst_of(diagnosis.findings);
    out.line(out.paint(tone_of(worst), headline(diagnosis, worst)));
    for (const Level level : {Level::error, Level::warning, Level::note, Level::ok}) {
        for (const Finding& finding : diagnosis.findings) {
            if (finding.level == level) print_finding(out, finding);
        }
    }
}

const char* expectation(self_test::Expected expected) {
    if (expected == self_test::Expected::cut) return "cut";
    return expected == self_test::Expected::allowed ? "allow" : "deny";
}

boost::json::value proof_json(const std::optional<self_test::Outcome>& outcome) {
    if (!outcome) return nullptr;
    boost::json::array flows;
    for (const self_test::FlowResult& result : outcome->results) {
        flows.push_back({{"wiring", to_string(result.wiring)},
                         {"bridge", result.bridge.empty() ? boost::json::value()
                                                          : boost::json::value(result.bridge)},
                         {"family", result.flow.family == nft::Family::ipv4 ? "IPv4" : "IPv6"},
                         {"protocol", to_string(result.flow.protocol)},
                         {"expected", expectation(result.flow.expected)},
                         {"fate", to_string(result.fate)}});
    }
    return {{"proof", to_string(outcome->proof)},
            {"reason",
             outcome->reason.empty() ? boost::json::value() : boost::json::value(outcome->reason)},
            {"flows", std::move(flows)}};
}

void print_json(Output& out, const Diagnosis& diagnosis) {
    boost::json::array findings;
    for (const Finding& finding : diagnosis.findings) findings.push_back(to_json(finding));
    out.json({{"version", kVersion},
              {"level", to_string(worst_of(diagnosis.findings))},
              {"findings", std::move(findings)},
              {"self_test", proof_json(diagnosis.proof)}});
}

Exit status_of(const Diagnosis& diagnosis) {
    const bool tried = !diagnosis.proof || diagnosis.proof->proof != self_test::Proof::impossible;
    if (!diagnosis.permitted || !tried) return Exit::failure;
    return worst_of(diagnosis.findings) == Level::error ? Exit::finding : Exit::fine;
}

Exit run_doctor(Terminal& terminal, const DoctorOptions& options) {
    if (options.only_self_test && !options.self_test) {
        terminal.error("--no-checks leaves nothing to do without --self-test");
        return Exit::usage;
    }
    if (!options.bridge.empty() && options.wiring != "bridge" && options.wiring != "both") {
        terminal.error("--bridge goes with --wiring bridge or both");
        return Exit::usage;
    }
    const Diagnosis diagnosis = diagnose(options);
    if (options.output.format == Format::json) {
        print_json(terminal.out, diagnosis);
    } else {
        print_text(terminal.out, diagnosis);
    }
    return status_of(diagnosis);
}

std::string check_address(const std::string& text) {
    return nft::Address::parse(text) ? "" : "'" + text + "' is no IP address";
}

void add_places(CommandLine& line, CLI::App& command, DoctorOptions& options) {
    const auto add = [&](const char* name, std::string& value, const char* what) {
        line.takes_path(command.add_option(name, value, what)
                            ->type_name("DIR")
                            ->check(not_empty)
                            ->capture_default_str()
                            ->group("Node"));
    };
    add("--conf-dir", options.cni_directory,
        "Where the runtime finds the pod network's configuration");
    add("--bin-dir", options.cni_programs, "Where the runtime finds plugins");
}

}  // namespace

void add_doctor(CommandLine& line) {
    auto options = std::make_shared<DoctorOptions>();
    CLI::App* command = line.add_command(
        "doctor",
        {.summary = "Examine whether this node can enforce, and prove it with packets",
         .description =
             "Looks at everything that decides whether policies are enforced on this node: what "
             "the kernel can do, br_netfilter and other settings, who else hangs on the hooks, "
             "what carries packets past them, other engines for policies, the agent, and its "
             "rules in the kernel. Each finding says what it means, and the command that mends "
             "it. With --self-test two throw-away pods are connected as this node's pods are; "
             "packets that a policy of theirs denies must be dropped by a table of podfence's "
             "own at the same hooks. It notices a node where rules are loaded and yet bypassed. "
             "No rule, address or setting of anybody else is touched.",
         .examples = {{"what is wrong with this node?", "podfence doctor"},
                      {"does it enforce? with packets", "podfence doctor --self-test"},
                      {"for scripts and tickets", "podfence doctor --self-test -o json"},
                      {"only the packets, on the bridge cni0",
                       "podfence doctor --self-test --no-checks --wiring bridge --bridge cni0"}},
         .exits = {{0, "nothing keeps this node from enforcing"},
                   {1, "something does, or packets passed by the rules"},
                   {3, "a privilege is missing, or the self-test could not be made"}}},
        [options](Terminal& terminal) { return run_doctor(terminal, *options); });
    command->add_flag("--self-test", options->self_test, "Also prove it with packets")
        ->group("Self-test");
    command->add_flag("--no-checks", options->only_self_test, "Only the self-test")
        ->group("Self-test");
    line.choices(command
                     ->add_option("--wiring", options->wiring,
                                  "How to connect its pods: as this node's are, where that is "
                                  "known, else every way")
                     ->capture_default_str()
                     ->group("Self-test"),
                 {"auto", "routed", "bridge", "both"});
    command
        ->add_option("--bridge", options->bridge,
                     "The bridge to connect them to (default: one of their own)")
        ->type_name("NAME")
        ->check(not_empty)
        ->group("Self-test");
    command
        ->add_option("--pod-address", options->pods,
                     "Of pods of this node, to learn how they are connected (default: those the "
                     "agent knows)")
        ->type_name("ADDRESS")
        ->check(check_address)
        ->group("Self-test");
    line.choices(command
                     ->add_option("--established", options->established,
                                  "Whether to try that an open connection can be cut (default: "
                                  "as the agent has it)")
                     ->group("Self-test"),
                 {"cut", "keep"});
    add_places(line, *command, *options);
    add_table_name_option(line, *command, options->table_name);
    add_hook_priority_option(line, *command, options->hook_priority);
    add_socket_option(line, *command, options->socket);
    add_output_options(line, *command, options->output, {"text", "json"});
}

}  // namespace podfence::cmd
