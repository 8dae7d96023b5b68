// The agent's figures as Prometheus reads them.
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>

#include "controller/metrics.hpp"
#include "test/support/http.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/paths.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using namespace std::chrono_literals;

namespace {

/// The value behind a series; "" when it is not there.
std::string value_of(const std::string& text, const std::string& series) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(series + " ")) return line.substr(series.size() + 1);
    }
    return "";
}

std::size_t series_of(const std::string& text, const std::string& family) {
    std::istringstream lines(text);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) count += line.starts_with(family) ? 1 : 0;
    return count;
}

/// nullopt: promtool is there. Else why not, for PODFENCE_SKIP.
std::optional<std::string> promtool_missing() {
    if (lab::run_program({"sh", "-c", "command -v promtool"}).status == 0) return std::nullopt;
    return "promtool (Debian package prometheus) is not there to check what Prometheus reads";
}

}  // namespace

TEST_CASE("commits, repairs and failures are counted", "[metrics]") {
    Metrics metrics("1.2.3");
    AgentStatus status;
    CHECK(value_of(metrics.text(status), "podfence_event_to_commit_seconds_count") == "0");
    metrics.committed({.at = WallTime(2s), .operations = 3, .latency = 212us, .took = 15us});
    metrics.committed({.at = WallTime(3s), .operations = 4000, .latency = 3ms, .took = 2ms});
    metrics.resynced({.reason = "start", .operations = 100});
    metrics.resynced({.reason = "audit"});
    metrics.resynced({.reason = "drift", .operations = 2});
    metrics.error("kernel-rejected");
    metrics.error("kernel-rejected");
    metrics.api_restarted("pods");
    metrics.connections_revoked(3, 1);
    const std::string text = metrics.text(status);
    CAPTURE(text);
    const auto value = [&](const std::string& series) { return value_of(text, series); };
    CHECK(value("podfence_event_to_commit_seconds_bucket{le=\"0.0002\"}") == "0");
    CHECK(value("podfence_event_to_commit_seconds_bucket{le=\"0.0003\"}") == "1");
    CHECK(value("podfence_event_to_commit_seconds_bucket{le=\"+Inf\"}") == "2");
    CHECK(value("podfence_commit_seconds_bucket{le=\"2e-05\"}") == "1");
    CHECK(value("podfence_commit_operations_bucket{le=\"5\"}") == "1");
    CHECK(value("podfence_commit_operations_bucket{le=\"5000\"}") == "2");
    CHECK(value("podfence_last_commit_timestamp_seconds") == "3");
    CHECK(value("podfence_resyncs_total{reason=\"start\"}") == "1");
    CHECK(value("podfence_drift_repaired_total{cause=\"drift\"}") == "1");
    CHECK(value("podfence_drift_repaired_total{cause=\"audit\"}") == "0");
    CHECK(value("podfence_errors_total{kind=\"kernel-rejected\"}") == "2");
    CHECK(value("podfence_api_restarts_total{kind=\"pods\"}") == "1");
    CHECK(value("podfence_connections_revoked_total{what=\"cut\"}") == "3");
    CHECK(value("podfence_connections_revoked_total{what=\"restored\"}") == "1");
    CHECK(value("podfence_build_info{version=\"1.2.3\"}") == "1");
    CHECK(std::stod(value("process_cpu_seconds_total")) > 0);
}

TEST_CASE("gauges are as the status says", "[metrics]") {
    Metrics metrics("x");
    AgentStatus status;
    status.pods_known = 10'000;
    status.policies_known = 1'000;
    status.table = {.chains = 7, .sets = 130, .elements = 9'876};
    status.pods = {.local = 110, .isolated = 97};
    status.policies.more = 2;
    status.rss_bytes = 11'000'000;
    std::string text = metrics.text(status);
    CHECK(value_of(text, "podfence_objects{kind=\"pods\"}") == "10000");
    CHECK(value_of(text, "podfence_objects{kind=\"networkpolicies\"}") == "1000");
    CHECK(value_of(text, "podfence_sets") == "130");
    CHECK(value_of(text, "podfence_elements") == "9876");
    CHECK(value_of(text, "podfence_pods{state=\"local\"}") == "110");
    CHECK(value_of(text, "podfence_pods{state=\"isolated\"}") == "97");
    CHECK(value_of(text, "podfence_policies_in_trouble") == "2");
    CHECK(value_of(text, "process_resident_memory_bytes") == "11000000");
    CHECK(value_of(text, "podfence_synced") == "0");
    status.state = AgentState::synced;
    text = metrics.text(status);
    CHECK(value_of(text, "podfence_synced") == "1");
}

TEST_CASE("no label can grow without bounds", "[metrics]") {
    Metrics metrics("x");
    for (int i = 0; i < 1000; ++i) metrics.error("kind-" + std::to_string(i));
    const std::string text = metrics.text({});
    CHECK(series_of(text, "podfence_errors_total{") == Metrics::kLabelValuesMax);
    // Some kinds are there from the start, and "other" has a place of its own.
    constexpr int kKnown = 7;
    constexpr int kNamed = static_cast<int>(Metrics::kLabelValuesMax) - 1 - kKnown;
    CHECK(std::stoi(value_of(text, "podfence_errors_total{kind=\"other\"}")) == 1000 - kNamed);
    CHECK(text.size() < 20'000);
}

TEST_CASE("every family is described", "[metrics]") {
    Metrics metrics("x");
    metrics.error("a");
    metrics.resynced({.reason = "drift", .operations = 1});
    metrics.api_restarted("pods");
    const std::string text = metrics.text({});
    for (const char* family :
         {"podfence_event_to_commit_seconds", "podfence_commit_seconds",
          "podfence_commit_operations", "podfence_objects", "podfence_sets", "podfence_elements",
          "podfence_table_owned", "podfence_pods", "podfence_drift_repaired_total",
          "podfence_errors_total", "podfence_api_restarts_total", "podfence_resyncs_total",
          "podfence_connections_revoked_total", "podfence_policies_in_trouble", "podfence_synced",
          "podfence_last_commit_timestamp_seconds", "process_resident_memory_bytes",
          "process_cpu_seconds_total", "podfence_build_info"}) {
        CAPTURE(family);
        CHECK(text.find(std::string("# HELP ") + family + " ") != std::string::npos);
        CHECK(text.find(std::string("# TYPE ") + family + " ") != std::string::npos);
    }
}

TEST_CASE("Prometheus' own tool finds nothing wrong with the figures", "[metrics]") {
    if (const auto missing = promtool_missing()) PODFENCE_SKIP(*missing);
    Metrics metrics("1.2.3");
    metrics.committed({.at = WallTime(2s), .operations = 3, .latency = 212us, .took = 15us});
    metrics.resynced({.reason = "drift", .operations = 2});
    metrics.error("kernel-rejected");
    const auto run = lab::run_program({"promtool", "check", "metrics"}, metrics.text({}));
    CAPTURE(run.out, run.err);
    CHECK(run.status == 0);
    CHECK(run.err.empty());
}

TEST_CASE("what packets prove is 1 or 0, and nothing without a canary", "[metrics]") {
    Metrics metrics("1.2.3");
    AgentStatus status;
    const auto verified = [&] {
        return value_of(metrics.text(status), "podfence_enforcement_verified");
    };
    CHECK((verified() == "NaN" || verified() == "Nan"));
    status.canary = {.state = CanaryState::enforced, .enforced_at = WallTime(5s)};
    CHECK(verified() == "1");
    CHECK(value_of(metrics.text(status), "podfence_enforcement_verified_timestamp_seconds") == "5");
    for (const auto state : {CanaryState::pending, CanaryState::bypassed, CanaryState::unproven,
                             CanaryState::impossible}) {
        status.canary.state = state;
        CHECK(verified() == "0");
    }
}

TEST_CASE("Prometheus' own tool finds nothing wrong with the alert rules", "[metrics]") {
    if (const auto missing = promtool_missing()) PODFENCE_SKIP(*missing);
    std::ifstream file(test::in_source_tree("manifests/overlays/monitoring/alerts.yaml"));
    // What the operator gives Prometheus: the spec.
    std::string rules;
    bool inside = false;
    for (std::string line; std::getline(file, line); inside = inside || line == "spec:") {
        if (inside) rules += (line.starts_with("  ") ? line.substr(2) : line) + "\n";
    }
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/rules.yaml";
    test::write_file(path, rules);
    const auto run = lab::run_program({"promtool", "check", "rules", path});
    CAPTURE(run.out, run.err);
    CHECK(run.status == 0);
    CHECK(run.out.find(" rules found") != std::string::npos);
}

TEST_CASE("the alert rules ask for figures that there are", "[metrics]") {
    std::ifstream file(test::in_source_tree("manifests/overlays/monitoring/alerts.yaml"));
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const std::string figures = Metrics("1.2.3").text({});
    std::size_t found = 0;
    for (std::size_t at = text.find("podfence_"); at != std::string::npos;
         at = text.find("podfence_", at + 1), ++found) {
        const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
        const std::string name = text.substr(at, end - at);
        CAPTURE(name);
        CHECK(figures.find("\n" + name) != std::string::npos);
    }
    CHECK(found > 3);
}
