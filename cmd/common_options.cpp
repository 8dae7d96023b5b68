#include "cmd/common_options.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include "cmd/agent_client.hpp"
#include "cmd/cli11.hpp"
#include "controller/self_test/rules.hpp"

namespace podfence::cmd {

namespace {

constexpr const char* kInput = "Input";
constexpr const char* kRules = "Rules";
constexpr const char* kFlow = "Flow";
constexpr const char* kOutput = "Output";

Format format_of(const std::string& text) {
    if (text == "json") return Format::json;
    return text == "nft" ? Format::nft : Format::text;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

std::string node_name_variable() {
    const char* name = std::getenv("NODE_NAME");
    return name == nullptr ? "" : name;
}

}  // namespace

void add_output_options(CommandLine& line, CLI::App& command, OutputOptions& options,
                        std::vector<std::string> formats) {
    auto* format =
        command
            .add_option_function<std::string>(
                "-o,--output",
                [&options](const std::string& text) { options.format = format_of(text); },
                "How results are printed (default: text)")
            ->type_name("FORMAT")
            ->group(kOutput);
    line.choices(format, std::move(formats));
    auto* colour = command
                       .add_option("--color",
                                   "Colours: auto means on a terminal, unless NO_COLOR is set "
                                   "(default: auto)")
                       ->type_name("WHEN")
                       ->group(kOutput);
    line.choices(colour, {"auto", "always", "never"});
}

void apply_colour(const CLI::App& command, Terminal& terminal) {
    const CLI::Option* option = command.get_option_no_throw("--color");
    if (option == nullptr || option->empty()) return;
    const auto when = option->as<std::string>();
    const ColourWhen chosen = when == "always"  ? ColourWhen::always
                              : when == "never" ? ColourWhen::never
                                                : ColourWhen::automatic;
    terminal.out.set_colour(chosen);
    terminal.err.set_colour(chosen);
}

void add_input_options(CommandLine& line, CLI::App& command, InputOptions& options) {
    auto* paths = command
                      .add_option("-f,--filename", options.paths,
                                  "Manifests: files, directories (recursively), or - for standard "
                                  "input; YAML or JSON, as 'kubectl get -o yaml' prints them")
                      ->type_name("PATH")
                      ->group(kInput);
    line.takes_path(paths);
    command
        .add_flag("--strict", options.strict,
                  "Refuse the whole input when anything in it is in error (exit status 2)")
        ->group(kInput);
}

std::string not_empty(const std::string& value) {
    return value.empty() ? "the value is empty" : "";
}

void add_socket_option(CommandLine& line, CLI::App& command, std::string& socket) {
    socket = agent_socket();
    auto* option = command
                       .add_option("--socket", socket,
                                   std::string("Where the agent listens (default: "
                                               "$PODFENCE_SOCKET, then ") +
                                       kAgentSocket + ")")
                       ->check(not_empty)
                       ->type_name("PATH")
                       ->group(kInput);
    line.takes_path(option);
    line.configurable(command, option);
}

void add_input_or_agent_options(CommandLine& line, CLI::App& command, InputOptions& options) {
    add_input_options(line, command, options);
    options.may_ask_agent = true;
    command.get_option("-f")->description(
        "Manifests: files, directories (recursively), or - for standard input; YAML or JSON, as "
        "'kubectl get -o yaml' prints them (default: what the agent on this node knows)");
    add_socket_option(line, command, options.socket);
}

void add_node_option(CLI::App& command, std::string& node) {
    command
        .add_option(
            "--node", node,
            "This node's name in the cluster (default: the agent's where it is asked, $NODE_NAME, "
            "then the host name)")
        ->check(not_empty)
        ->type_name("NAME")
        ->group(kRules);
}

void add_pod_to_node_option(CommandLine& line, CLI::App& command, std::optional<bool>& enforced) {
    auto* option =
        command
            .add_option_function<std::string>(
                "--pod-to-node",
                [&enforced](const std::string& text) { enforced = text == "enforce"; },
                "Whether policies also judge pods' traffic to their own node (default: allow)")
            ->type_name("HOW")
            ->group(kRules);
    line.choices(option, {"allow", "enforce"});
    line.configurable(command, option);
}

std::function<std::string(const std::string&)> number_between(std::int64_t min, std::int64_t max,
                                                              std::string what) {
    return [min, max, what = std::move(what)](const std::string& text) {
        std::int64_t number = 0;
        const char* end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data(), end, number);
        const bool fine = parsed.ec == std::errc() && parsed.ptr == end && number >= min;
        return fine && number <= max
                   ? std::string()
                   : "'" + text + "' is no " + what + ": these are numbers from " +
                         std::to_string(min) + " to " + std::to_string(max);
    };
}

namespace {

/// Names beginning so are podfence's own: no table of anybody else can be taken for ours, and what
/// another run left under another name is found (controller/doctor/check_rules.cpp).
constexpr std::string_view kTableName = "podfence";
constexpr std::size_t kTableNameBytesMax = 31;

/// As nft reads them: letters, digits, and what stands between words.
std::string complaint_about_table(const std::string& name) {
    constexpr std::string_view kBetween = "_.-";
    const bool plain = std::ranges::all_of(name, [&](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || kBetween.find(char(c)) != kBetween.npos);
    });
    const bool ours = name == kTableName ||
                      (name.starts_with(kTableName) && name.size() > kTableName.size() + 1 &&
                       kBetween.find(name[kTableName.size()]) != kBetween.npos);
    if (!plain || !ours || name.size() > kTableNameBytesMax) {
        return "'" + name + "' is no name for podfence's tables: these are 'podfence', or begin " +
               "with 'podfence-', have letters, digits, '-', '_' and '.', and at most " +
               std::to_string(kTableNameBytesMax) +
               " of them; so they are never somebody else's table";
    }
    // Tables of the self-test, and of what finds out about the kernel.
    if (name == self_test::kTable || name.starts_with("podfence-probe-")) {
        return "'" + name + "' is what podfence calls another table of its own";
    }
    return "";
}

void add_established_options(CommandLine& line, CLI::App& command, RulesetOptions& options) {
    auto* established =
        command
            .add_option_function<std::string>(
                "--established",
                [&options](const std::string& text) { options.established_cut = text == "cut"; },
                "What becomes of open connections that policies stop allowing: the agent cuts "
                "them, or they live on (default: cut)")
            ->type_name("HOW")
            ->group(kRules);
    line.choices(established, {"cut", "keep"});
    command
        .add_option_function<std::uint16_t>(
            "--connmark-bit",
            [&options](const std::uint16_t& bit) {
                options.connmark_bit = static_cast<std::uint8_t>(bit);
            },
            "The bit of a connection's mark (ct mark) that says it is cut; one that nothing else "
            "on the node uses (default: " +
                std::to_string(kConnmarkBit) + ")")
        ->check(number_between(0, kConnmarkBitMax, "bit of a mark"))
        ->type_name("N")
        ->group(kRules);
}

/// A check for CLI11.
std::string pod_range(const std::string& text) {
    const auto range = Prefix::parse(text);
    if (!range) return "'" + text + "' is no range of addresses, like 10.244.1.0/24";
    return range->length() > 0 ? "" : "'" + text + "' is everybody's, and not only pods'";
}

void add_deny_option(CommandLine& line, CLI::App& command, std::optional<DenyWith>& how) {
    auto* option = command
                       .add_option_function<std::string>(
                           "--deny-with",
                           [&how](const std::string& text) {
                               how = text == "reject" ? DenyWith::reject : DenyWith::drop;
                           },
                           "What becomes of denied packets: nobody is told, or who opens a "
                           "connection is told at once (default: drop)")
                       ->type_name("HOW")
                       ->group(kRules);
    line.choices(option, {"drop", "reject"});
}

}  // namespace

std::vector<Prefix> HoldOptions::ranges() const {
    std::vector<Prefix> ranges;
    for (const auto& text : pod_cidrs) ranges.push_back(*Prefix::parse(text));
    return ranges;
}

void add_hold_options(CommandLine& line, CLI::App& command, HoldOptions& options) {
    auto* how =
        command
            .add_option_function<std::string>(
                "--unknown-pods",
                [&options](const std::string& text) { options.unknown_held = text == "hold"; },
                "What becomes of addresses of pods that no known pod has, as of pods that have "
                "just started; hold: they are denied everything, in both directions (default: "
                "allow)")
            ->type_name("HOW")
            ->group(kRules);
    line.choices(how, {"allow", "hold"});
    line.configurable(command, how);
    auto* range = command
                      .add_option("--pod-cidr", options.pod_cidrs,
                                  "For --unknown-pods=hold: addresses that are pods' and nobody "
                                  "else's (default of the agent: spec.podCIDRs of its node)")
                      ->delimiter(',')
                      ->check(pod_range)
                      ->type_name("CIDR")
                      ->group(kRules);
    line.configurable(command, range);
}

void add_table_name_option(CommandLine& line, CLI::App& command, std::optional<std::string>& name) {
    auto* option = command
                       .add_option_function<std::string>(
                           "--table-name", [&name](const std::string& text) { name = text; },
                           "What podfence's tables are called, in 'inet' and 'netdev'; it begins "
                           "with podfence (default: podfence)")
                       ->check(complaint_about_table)
                       ->type_name("NAME")
                       ->group(kRules);
    line.configurable(command, option);
}

void add_hook_priority_option(CommandLine& line, CLI::App& command,
                              std::optional<std::int32_t>& priority) {
    auto* option =
        command
            .add_option_function<std::int32_t>(
                "--hook-priority", [&priority](const std::int32_t& number) { priority = number; },
                "The place of podfence's rules among those of others on a hook, where 0 is "
                "'filter' and lower numbers come first (default: " +
                    std::to_string(kHookPriority) + ")")
            ->check(number_between(kHookPriorityMin, kHookPriorityMax,
                                   "priority behind connection tracking and the rewriting of "
                                   "Services' addresses"))
            ->type_name("N")
            ->group(kRules);
    line.configurable(command, option);
}

void add_ruleset_options(CommandLine& line, CLI::App& command, RulesetOptions& options) {
    add_node_option(command, options.node);
    add_pod_to_node_option(line, command, options.pod_to_node_enforced);
    command
        .add_flag("--counters", options.counters,
                  "Count packets where a rule allows and where packets are dropped; not those of "
                  "open connections, of ports that a verdict map allows, or of the exceptions "
                  "before the drop")
        ->group(kRules);
    add_deny_option(line, command, options.deny_with);
    add_established_options(line, command, options);
    add_hold_options(line, command, options.hold);
    command
        .add_option_function<std::uint16_t>(
            "--log-group", [&options](const std::uint16_t& group) { options.log_group = group; },
            "Send denied packets to this NFLOG group, rate-limited")
        ->check(number_between(0, 65535, "NFLOG group"))
        ->type_name("N")
        ->group(kRules);
    add_table_name_option(line, command, options.table_name);
    add_hook_priority_option(line, command, options.hook_priority);
    const auto rules =
        command.get_options([](CLI::Option* option) { return option->get_group() == kRules; });
    for (CLI::Option* option : rules) line.configurable(command, option);
}

std::string node_name(const std::string& given) {
    if (!given.empty()) return given;
    if (std::string name = node_name_variable(); !name.empty()) return name;
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) return "";
    std::string name = host.data();
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return name;
}

std::string node_name_origin(const std::string& given) {
    if (!given.empty()) return "--node";
    return node_name_variable().empty() ? "the host name" : "$NODE_NAME";
}

void add_port_options(CommandLine& line, CLI::App& command, PortOptions& options) {
    command
        .add_option("--port", options.port,
                    "Destination port: a number, or a name that is resolved on the destination pod "
                    "(default: the ports that the destination pod declares)")
        ->check(not_empty)
        ->type_name("N|NAME")
        ->group(kFlow);
    auto* protocol = command.add_option("--protocol", options.protocol, "Protocol (default: TCP)")
                         ->type_name("P")
                         ->group(kFlow);
    line.choices(protocol, {"TCP", "UDP", "SCTP", "ICMP"});
    protocol->transform([](const std::string& text) { return upper(text); });
}

}  // namespace podfence::cmd
