// What the agent knows, for `podfence doctor`.
#include "cmd/doctor_agent.hpp"

#include <cstdio>
#include <memory>

#include <boost/json.hpp>

#include "cmd/agent_client.hpp"
#include "cmd/batch_report.hpp"
#include "cmd/input.hpp"
#include "controller/local_pod.hpp"
#include "controller/status.hpp"
#include "nft/converge.hpp"
#include "nft/netlink_kernel.hpp"

namespace podfence::cmd {

namespace {

namespace json = boost::json;

const json::value* member(const json::value* value, std::string_view name) {
    const auto* object = value == nullptr ? nullptr : value->if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
}

std::string text(const json::value* value) {
    const auto* string = value == nullptr ? nullptr : value->if_string();
    return string == nullptr ? "" : std::string(*string);
}

std::uint64_t number(const json::value* value) {
    boost::system::error_code error;
    const auto result = value == nullptr ? 0 : value->to_number<std::uint64_t>(error);
    return error ? 0 : result;
}

bool truth(const json::value* value) {
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::vector<doctor::PodRemark> read_pods(const json::value* list) {
    std::vector<doctor::PodRemark> pods;
    if (list == nullptr || !list->is_array()) return pods;
    for (const auto& pod : list->get_array()) {
        pods.push_back({.pod = text(member(&pod, "namespace")) + "/" + text(member(&pod, "name")),
                        .reason = text(member(&pod, "reason")),
                        .text = text(member(&pod, "text"))});
    }
    return pods;
}

void read_anti_spoof(const json::value* status, doctor::AntiSpoofFacts& facts) {
    facts.mode = text(member(status, "mode"));
    facts.in_sync = truth(member(status, "in_sync"));
    facts.error = text(member(status, "error"));
    facts.refused = number(member(status, "refused_packets"));
    facts.unproved = read_pods(member(status, "unproved"));
    const auto* interfaces = member(status, "interfaces");
    if (interfaces != nullptr && interfaces->is_array()) {
        facts.interfaces =
            interfaces->get_array().size() + number(member(status, "interfaces_left_out"));
    }
}

void read_status(const json::value& status, doctor::AgentFacts& facts) {
    using Presence = doctor::AgentFacts::Presence;
    const bool here = number(member(&status, "netns")) == network_namespace();
    facts.presence = here ? Presence::running : Presence::elsewhere;
    facts.in_sync = truth(member(&status, "in_sync"));
    facts.unenforced = read_pods(member(member(&status, "pods"), "unenforced"));
    facts.table_shared_because = text(member(member(&status, "table"), "shared_because"));
    facts.cuts_established = text(member(member(&status, "rules"), "established")) != "keep";
    read_anti_spoof(member(&status, "anti_spoof"), facts.anti_spoof);
    facts.summary = text(member(&status, "summary"));
    facts.repairs = number(member(member(&status, "drift"), "repaired_total"));
    const auto* troubles = member(&status, "policies_in_trouble");
    if (troubles != nullptr && troubles->is_array()) {
        facts.policies_in_trouble =
            troubles->get_array().size() + number(member(&status, "policies_in_trouble_left_out"));
    }
    const auto* sources = member(&status, "sources");
    if (sources == nullptr || !sources->is_array()) return;
    for (const auto& source : sources->get_array()) {
        const std::string error = text(member(&source, "error"));
        if (!error.empty())
            facts.lost_sources.push_back(text(member(&source, "kind")) + ": " + error);
    }
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

/// The agent's objects and choices, without the remarks that other commands make about them.
void read_objects(const std::string& socket, AgentReport& report) {
    const std::unique_ptr<std::FILE, CloseFile> nowhere(std::fopen("/dev/null", "we"));
    if (!nowhere) return;
    Terminal quiet{.out = Output(nowhere.get()), .err = Output(nowhere.get())};
    const auto input = read_input(quiet, {.may_ask_agent = true, .socket = socket});
    if (!input) return;
    report.rules = compile_options({}, *input);
    report.node = report.rules.node;
    for (const auto& [name, pod] : input->cluster().pods()) {
        if (!is_local(pod, report.node)) continue;
        ++report.facts.pods;
        for (const Address& address : pod.addresses) {
            report.pods.push_back(address);
            if (address.family() == nft::Family::ipv6) ++report.facts.pods_v6;
        }
    }
    report.wanted = compile_all(input->cluster(), report.rules);
}

}  // namespace

AgentReport ask_agent_report(const std::string& socket) {
    using Presence = doctor::AgentFacts::Presence;
    AgentReport report;
    const auto status = ask_agent_json(socket, "/v1/status");
    if (!status) {
        const bool absent = status.error().kind == AgentError::Kind::absent;
        report.facts.presence = absent ? Presence::absent : Presence::unreachable;
        report.facts.message = status.error().message;
        return report;
    }
    read_status(*status, report.facts);
    if (report.facts.presence == Presence::running && report.facts.in_sync) {
        read_objects(socket, report);
    }
    return report;
}

std::optional<doctor::OwnTable> examine_table(const AgentReport& report, nft::Error& error) {
    auto kernel = nft::NetlinkKernel::open();
    if (!kernel) {
        error = kernel.error();
        return std::nullopt;
    }
    const auto snapshot = (*kernel)->dump(report.rules.table);
    if (!snapshot) {
        error = snapshot.error();
        return std::nullopt;
    }
    doctor::OwnTable table{.present = snapshot->table.has_value()};
    if (!snapshot->table) return table;
    constexpr std::uint32_t kDormant = 1;  // NFT_TABLE_F_DORMANT
    table.dormant = (snapshot->table->flags & kDormant) != 0;
    table.owned = snapshot->hold == nft::Hold::others;
    if (!report.wanted) return table;
    const auto batch = nft::difference(**kernel, report.wanted->table);
    if (!batch) {
        error = batch.error();
        return std::nullopt;
    }
    table.differences = batch->ops.size();
    if (const auto lines = diff_lines(*batch); !lines.empty()) {
        table.first_difference = std::string(1, lines.front().sign) + " " + lines.front().text;
    }
    return table;
}

}  // namespace podfence::cmd
