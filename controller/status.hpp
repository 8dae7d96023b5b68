#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "controller/cluster.hpp"
#include "controller/compile.hpp"
#include "controller/problem.hpp"
#include "nft/table_counts.hpp"

/// How the agent stands, as a value: what `podfence status`, readiness and metrics are made from.
/// Every list in it is bounded and says what it left out.
namespace podfence {

using WallTime = std::chrono::system_clock::time_point;

/// The first of many, and how many there are beyond them.
template <class T>
struct Bounded {
    std::vector<T> list{};
    std::size_t more = 0;

    void add(T value, std::size_t max) {
        if (list.size() < max) {
            list.push_back(std::move(value));
        } else {
            ++more;
        }
    }
    std::size_t total() const { return list.size() + more; }
};

enum class AgentState : std::uint8_t {
    waiting,  ///< Not every kind has been listed: nothing was written yet, and what a previous run
              ///< left in the kernel goes on being enforced.
    synced,   ///< The kernel holds what the cluster wants.
    syncing,  ///< A change or a repair is on its way; the last one succeeded.
    failing,  ///< The kernel does not take it; what it held before goes on being enforced.
};
std::string_view to_string(AgentState state);  ///< "waiting", ...

/// The kernel's last refusal, while it lasts.
struct KernelFailure {
    std::string error{};
    WallTime since{};
    WallTime next_attempt{};
    std::size_t attempts = 0;
};

/// How well one kind of objects is followed.
struct SourceKind {
    std::string kind{};   ///< "pods", "namespaces", "networkpolicies"
    std::string state{};  ///< "watching", "listing", "waiting"...
    bool listed = false;  ///< All of it has been told at least once.
    bool connected = false;
    std::size_t objects = 0;
    std::optional<WallTime> heard{};  ///< When the source last said anything.
    std::uint64_t events = 0;
    std::uint64_t restarts = 0;       ///< Watches and lists that broke off.
    std::string error{};              ///< Why it is not followed now; empty: it is.
    std::string remedy{};             ///< What to do about that.
    std::optional<WallTime> retry{};  ///< When the next attempt is made.
};

/// A batch that the kernel took.
struct CommitRecord {
    WallTime at{};
    std::size_t operations = 0;
    std::chrono::microseconds latency{};  ///< Since the oldest change in it was received.
    std::chrono::microseconds took{};     ///< Of this, compiling and the kernel.
};

/// A comparison of the kernel with all that is wanted.
struct ResyncRecord {
    WallTime at{};
    std::string reason{};        ///< "start", "drift", "lost", "failure", "audit"
    std::size_t operations = 0;  ///< What had to be changed; 0: nothing was amiss.
    std::string repaired{};      ///< The same for a person: "2 elements added"; may be empty.
    std::string culprit{};       ///< The process that changed our table; empty: not known.
    std::uint32_t culprit_pid = 0;
    std::chrono::microseconds took{};

    /// Something was amiss. What the start brings in is no repair.
    bool is_repair() const { return operations > 0 && reason != "start"; }
};

/// A policy that is not enforced as written.
struct PolicyTrouble {
    ObjectName policy;
    /// The kernel refuses what it compiles to: its pods are denied what it would have allowed.
    bool refused_by_kernel = false;
    Bounded<Problem> problems{};  ///< Of its text; or what the kernel said, as one.
};

/// A pod of this node that policies cannot judge.
struct PodTrouble {
    ObjectName pod;
    std::string reason{};  ///< "hostNetwork", "no-address", "address-shared": for scripts.
    std::string text{};    ///< The same for a person.
};

struct PodSurvey {
    std::size_t local = 0;     ///< Of this node, not finished, on the pod network.
    std::size_t isolated = 0;  ///< Of these, by a policy in at least one direction.
    Bounded<PodTrouble> unenforced{};
};

/// A pod's interface of the node, and what it may not say.
struct PodLinkStatus {
    ObjectName pod;
    std::string interface {};
    std::uint32_t index = 0;
    std::string evidence{};  ///< "cni", "route", "peer", "learned": how it is known.
    std::vector<Address> addresses{};
    std::vector<Prefix> extra{};  ///< By the pod's annotation.
    std::uint64_t refused = 0;    ///< Packets dropped, or in an audit let through, so far.
};

/// How sources are proved (controller/spoof_guard.hpp).
struct AntiSpoofStatus {
    std::string mode{};  ///< "audit", "enforce"
    bool in_sync = false;
    Bounded<PodLinkStatus> interfaces{};
    Bounded<PodLinkStatus> held{};   ///< Of pods that nobody knows yet: without a pod.
    std::uint64_t refused = 0;       ///< Since the start, as far as somebody looked.
    Bounded<PodTrouble> unproved{};  ///< Pods whose sources cannot be proved, and why.
    std::uint64_t repairs = 0;       ///< Times that somebody else had changed the table.
    std::string error{};             ///< Why it is not in sync; empty: nothing is wrong.
};

/// What becomes of addresses of pods that no known pod has (controller/unknown_pods.hpp).
struct UnknownPodsStatus {
    bool hold = false;
    bool known = true;             ///< Which addresses; until then nothing is written.
    std::string known_by{};        ///< "--pod-cidr", "spec.podCIDRs"
    std::vector<Prefix> ranges{};  ///< What is held.
    std::string error{};           ///< Why it is not known; empty: it is, or was not asked yet.
    std::string remedy{};
};

/// Whether packets prove that what is in the kernel is also met by them (controller/canary.hpp).
enum class CanaryState : std::uint8_t {
    off,         ///< It was not asked for.
    pending,     ///< The first answer is awaited.
    enforced,    ///< What policies deny was dropped by our rules.
    bypassed,    ///< What policies deny arrived.
    unproven,    ///< Somebody else dropped it before our rules could.
    impossible,  ///< It could not be tried.
};
std::string_view to_string(CanaryState state);  ///< "off", ...

struct CanaryRecord {
    CanaryState state = CanaryState::off;
    std::string reason{};                   ///< Why it is not `enforced`.
    std::optional<WallTime> at{};           ///< Of the last answer.
    std::optional<WallTime> enforced_at{};  ///< When it was `enforced` last.
    std::uint64_t runs = 0;
    std::chrono::seconds period{};

    std::string summary() const;  ///< "packets pass by the rules: ..."
    /// Whether it says that this node must not count as ready. What could not be tried says
    /// nothing; it is for status and metrics to tell.
    bool forbids_ready() const {
        return state == CanaryState::pending || state == CanaryState::bypassed ||
               state == CanaryState::unproven;
    }
};

/// Things that happened since the start. The lists hold the last ones, newest last.
struct AgentHistory {
    static constexpr std::size_t kKept = 16;

    std::vector<CommitRecord> commits{};
    std::uint64_t commits_total = 0;
    std::vector<ResyncRecord> repairs{};  ///< Resyncs that found something to change.
    std::map<std::string, std::uint64_t> resyncs_total{};  ///< By reason.
    std::map<std::string, std::uint64_t> repairs_total{};  ///< By reason, but for the start.

    void add(CommitRecord record);
    void add(ResyncRecord record);
};

/// An option that was not left at its default, and what set it.
struct AgentSetting {
    std::string option{};  ///< "log-level"
    std::string value{};
    std::string origin{};  ///< "command line", "PODFENCE_LOG_LEVEL", "/etc/podfence/config.yaml:3".
};

struct AgentStatus {
    std::string version{};
    std::string node{};
    std::int64_t pid = 0;
    std::uint64_t netns = 0;  ///< Inode of the network namespace that is enforced in.
    WallTime now{};
    WallTime started{};

    AgentState state = AgentState::waiting;
    /// Since when `synced` holds without a break, short syncing at work not counted.
    std::optional<WallTime> in_sync_since{};
    bool ever_synced = false;
    std::optional<KernelFailure> failure{};

    std::string origin{};  ///< "https://10.96.0.1:443 (in-cluster)"
    std::vector<SourceKind> sources{};
    AgentHistory history{};
    Bounded<PolicyTrouble> policies{};
    Bounded<Problem>
        input{};  ///< What is wrong with the input as such: a file that cannot be read.
    PodSurvey pods{};
    std::optional<AntiSpoofStatus> anti_spoof{};  ///< nullopt: it is off.
    UnknownPodsStatus unknown_pods{};
    std::size_t pods_known = 0, namespaces_known = 0, policies_known = 0;
    CanaryRecord canary{};
    nft::TableCounts table{};  ///< Of the last ruleset that was wanted; nothing before the first.
    bool table_owned = false;  ///< Nobody else can change it.
    std::string table_shared_because{};  ///< Why others may; empty: they cannot, or not known yet.
    std::size_t rss_bytes = 0;
    std::vector<AgentSetting> settings{};
    CompileOptions rules{};  ///< What the operator chose; commands that ask the agent use the same.

    bool in_sync() const { return state == AgentState::synced || state == AgentState::syncing; }
    /// The line that stands first, without the node's name: "enforcing, in sync since ...".
    std::string summary() const;
};

/// Limits of the lists above.
inline constexpr std::size_t kPoliciesInTroubleMax = 100;
inline constexpr std::size_t kProblemsPerPolicyMax = 8;
inline constexpr std::size_t kInputProblemsMax = 20;
inline constexpr std::size_t kPodsInTroubleMax = 200;
inline constexpr std::size_t kPodLinksMax = 1000;

/// The JSON of /v1/status. Members are only ever added. Times are RFC 3339, durations are integers
/// whose unit ends the name.
boost::json::object to_json(const AgentStatus& status);

/// Of the node's pods, all of which are given: which policies isolate, which policies cannot judge.
PodSurvey survey_pods(const Cluster& cluster, const std::set<ObjectName>& pods);

/// A steady time as wall-clock time, by what both clocks say now.
WallTime wall_time(std::chrono::steady_clock::time_point time);
/// Of this process, from /proc; 0 where that cannot be read.
std::size_t resident_bytes();
/// Inode of the calling thread's network namespace; 0 where that cannot be read.
std::uint64_t network_namespace();

}  // namespace podfence
