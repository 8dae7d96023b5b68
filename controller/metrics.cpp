#include "controller/metrics.hpp"

#include <cmath>
#include <initializer_list>
#include <map>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>

namespace podfence {

namespace {

using prometheus::Histogram;

/// From 10 us, where a hash set's element is, to 10 s, where something is badly wrong.
const Histogram::BucketBoundaries kSeconds{10e-6,  20e-6,  50e-6, 100e-6, 200e-6, 300e-6, 500e-6,
                                           1e-3,   2e-3,   5e-3,  10e-3,  20e-3,  50e-3,  100e-3,
                                           200e-3, 500e-3, 1,     2,      5,      10};
const Histogram::BucketBoundaries kOperations{1,   2,   5,    10,   20,   50,    100,
                                              200, 500, 1000, 2000, 5000, 10000, 100000};

double seconds(std::chrono::microseconds time) {
    return std::chrono::duration<double>(time).count();
}

double unix_seconds(WallTime time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// A family of counters with one label whose values are bounded. Those that are known from the
/// start are there from the start: a rate over a counter that appears with 1 misses the first.
class LabelledCounter {
  public:
    LabelledCounter(prometheus::Registry& registry, const char* name, const char* help,
                    const char* label, std::initializer_list<const char*> values)
        : family_(prometheus::BuildCounter().Name(name).Help(help).Register(registry)),
          label_(label) {
        for (const char* value : values) counter(value);
    }

    void increment(std::string_view value) { counter(value).Increment(); }

  private:
    prometheus::Counter& counter(std::string_view value) {
        auto found = counters_.find(value);
        if (found == counters_.end()) {
            const bool full = counters_.size() + 1 >= Metrics::kLabelValuesMax;
            const std::string name(full ? std::string_view("other") : value);
            found = counters_.try_emplace(name, nullptr).first;
            if (found->second == nullptr) found->second = &family_.Add({{label_, name}});
        }
        return *found->second;
    }

    prometheus::Family<prometheus::Counter>& family_;
    std::string label_;
    std::map<std::string, prometheus::Counter*, std::less<>> counters_{};
};

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return gauges(registry, name, help).Add({});
}

Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                     const Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

}  // namespace

struct Metrics::Families {
    explicit Families(const std::string& version) {
        gauges(registry, "podfence_build_info", "Always 1; the label says which build runs.")
            .Add({{"version", version}})
            .Set(1);
    }

    prometheus::Registry registry{};
    Histogram& latency = histogram(registry, "podfence_event_to_commit_seconds",
                                   "From receiving a change to the kernel enforcing it.", kSeconds);
    Histogram& took = histogram(registry, "podfence_commit_seconds",
                                "From compiling a batch to the kernel's answer.", kSeconds);
    Histogram& operations =
        histogram(registry, "podfence_commit_operations", "Operations in one batch.", kOperations);
    LabelledCounter drift{registry,
                          "podfence_drift_repaired_total",
                          "Times the kernel's table was not as left, and was repaired.",
                          "cause",
                          {"drift", "lost", "failure", "audit"}};
    LabelledCounter errors{
        registry,
        "podfence_errors_total",
        "Things that failed.",
        "kind",
        {"kernel", "refused", "policy", "input", "monitor", "events", "conntrack"}};
    prometheus::Family<prometheus::Counter>& revoked =
        prometheus::BuildCounter()
            .Name("podfence_connections_revoked_total")
            .Help(
                "Established connections cut because policies no longer allow them, and those "
                "restored because they do again.")
            .Register(registry);
    prometheus::Counter& cut = revoked.Add({{"what", "cut"}});
    prometheus::Counter& restored = revoked.Add({{"what", "restored"}});
    LabelledCounter restarts{registry,
                             "podfence_api_restarts_total",
                             "Lists and watches of the API server begun again.",
                             "kind",
                             {"pods", "namespaces", "networkpolicies"}};
    LabelledCounter resyncs{registry,
                            "podfence_resyncs_total",
                            "Comparisons of the kernel's whole table with what is wanted.",
                            "reason",
                            {"start", "drift", "lost", "failure", "audit"}};
    prometheus::Gauge& sets = gauge(registry, "podfence_sets", "Sets and maps in the table.");
    prometheus::Gauge& owned = gauge(registry, "podfence_table_owned",
                                     "1 while nobody else can change the table, else 0.");
    prometheus::Gauge& elements = gauge(registry, "podfence_elements", "Elements in these.");
    prometheus::Family<prometheus::Gauge>& objects =
        gauges(registry, "podfence_objects", "Objects that are known of the cluster.");
    prometheus::Gauge& pods_known = objects.Add({{"kind", "pods"}});
    prometheus::Gauge& namespaces_known = objects.Add({{"kind", "namespaces"}});
    prometheus::Gauge& policies_known = objects.Add({{"kind", "networkpolicies"}});
    prometheus::Family<prometheus::Gauge>& pods =
        gauges(registry, "podfence_pods", "Pods of this node, and of these the isolated ones.");
    prometheus::Gauge& pods_local = pods.Add({{"state", "local"}});
    prometheus::Gauge& pods_isolated = pods.Add({{"state", "isolated"}});
    prometheus::Gauge& in_trouble =
        gauge(registry, "podfence_policies_in_trouble", "Policies not enforced as written.");
    prometheus::Gauge& interfaces =
        gauge(registry, "podfence_proved_interfaces",
              "Interfaces of pods at which source addresses are proved.");
    prometheus::Gauge& held =
        gauge(registry, "podfence_held_interfaces",
              "Interfaces of pods that are not known yet, with --unknown-pods=hold.");
    prometheus::Gauge& unproved =
        gauge(registry, "podfence_unproved_pods", "Pods whose source addresses cannot be proved.");
    prometheus::Counter& refused = prometheus::BuildCounter()
                                       .Name("podfence_spoofed_packets_total")
                                       .Help("Packets that came from no address of their pod.")
                                       .Register(registry)
                                       .Add({});
    prometheus::Gauge& synced = gauge(
        registry, "podfence_synced", "1 while the kernel enforces what the cluster wants, else 0.");
    prometheus::Gauge& last_commit =
        gauge(registry, "podfence_last_commit_timestamp_seconds",
              "When the kernel last took a batch, since 1970; 0: never.");
    prometheus::Gauge& verified =
        gauge(registry, "podfence_enforcement_verified",
              "1 when packets proved last time that denied ones are dropped here, else 0; NaN "
              "without --canary.");
    prometheus::Gauge& verified_at =
        gauge(registry, "podfence_enforcement_verified_timestamp_seconds",
              "When packets last proved it, since 1970; 0: never.");
    prometheus::Gauge& resident =
        gauge(registry, "process_resident_memory_bytes", "Resident memory size in bytes.");
    /// Set to what the kernel counts, so a counter that is fed differences.
    prometheus::Counter& cpu = prometheus::BuildCounter()
                                   .Name("process_cpu_seconds_total")
                                   .Help("Total user and system CPU time spent in seconds.")
                                   .Register(registry)
                                   .Add({});
};

Metrics::Metrics(const std::string& version) : families_(std::make_unique<Families>(version)) {}
Metrics::~Metrics() = default;

void Metrics::committed(const CommitRecord& record) {
    families_->latency.Observe(seconds(record.latency));
    families_->took.Observe(seconds(record.took));
    families_->operations.Observe(static_cast<double>(record.operations));
    families_->last_commit.Set(unix_seconds(record.at));
}

void Metrics::resynced(const ResyncRecord& record) {
    families_->resyncs.increment(record.reason);
    if (record.is_repair()) families_->drift.increment(record.reason);
}

void Metrics::error(std::string_view kind) {
    families_->errors.increment(kind);
}

void Metrics::connections_revoked(std::size_t cut, std::size_t restored) {
    families_->cut.Increment(static_cast<double>(cut));
    families_->restored.Increment(static_cast<double>(restored));
}

void Metrics::api_restarted(std::string_view kind) {
    families_->restarts.increment(kind);
}

std::string Metrics::text(const AgentStatus& status) {
    Families& f = *families_;
    const auto set = [](prometheus::Gauge& gauge, std::size_t value) {
        gauge.Set(static_cast<double>(value));
    };
    set(f.sets, status.table.sets);
    set(f.elements, status.table.elements);
    f.owned.Set(status.table_owned ? 1 : 0);
    set(f.pods_known, status.pods_known);
    set(f.namespaces_known, status.namespaces_known);
    set(f.policies_known, status.policies_known);
    set(f.pods_local, status.pods.local);
    set(f.pods_isolated, status.pods.isolated);
    set(f.in_trouble, status.policies.total());
    set(f.resident, status.rss_bytes);
    const AntiSpoofStatus guard = status.anti_spoof.value_or(AntiSpoofStatus{});
    set(f.interfaces, guard.interfaces.total());
    set(f.held, guard.held.total());
    set(f.unproved, guard.unproved.total());
    const auto refused = static_cast<double>(guard.refused);
    if (refused > f.refused.Value()) f.refused.Increment(refused - f.refused.Value());
    f.synced.Set(status.in_sync() ? 1 : 0);
    const CanaryRecord& canary = status.canary;
    f.verified.Set(canary.state == CanaryState::off        ? std::nan("")
                   : canary.state == CanaryState::enforced ? 1
                                                           : 0);
    f.verified_at.Set(canary.enforced_at ? unix_seconds(*canary.enforced_at) : 0);
    const double cpu = cpu_seconds();
    if (cpu > f.cpu.Value()) f.cpu.Increment(cpu - f.cpu.Value());
    return prometheus::TextSerializer().Serialize(f.registry.Collect());
}

double cpu_seconds() {
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    const auto of = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace podfence
