#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nft/features.hpp"
#include "nft/survey.hpp"

/// What there is to know of a node, gathered at once and judged afterwards: the checks are pure
/// functions of this, so that tests can describe any node. What could not be read is nullopt, never
/// a default.
namespace podfence::doctor {

struct Kernel {
    std::string release{};  ///< uname -r
    std::optional<std::vector<nft::ProbedFeature>> features{};
    std::string features_error{};  ///< Why they could not be tried.
};

struct Privileges {
    bool net_admin = false;
    /// Whether namespaces can be made, which only the self-test and the kernel probes need.
    bool may_make_namespaces = false;
    std::optional<bool> initial_netns{};
};

/// A network interface, of those in this network namespace.
struct Interface {
    std::uint32_t index = 0;
    std::string name{};
    std::string kind{};        ///< "veth", "bridge", "vxlan"...; empty: a physical one.
    std::uint32_t bridge = 0;  ///< Index of the bridge it is a port of; 0: none.
    bool up = false;
    bool xdp = false;  ///< A BPF program reads packets before everything else.
    /// Of a bridge: whether it calls the IP hooks whatever the sysctls say.
    bool calls_iptables = false;
    bool calls_ip6tables = false;
    bool spanning_tree = false;  ///< Of a bridge: a new port stays silent for half a minute.
    std::size_t pods = 0;        ///< Of this node, as far as known, whose address is routed here.
};

/// Something attached to an interface by tc, which sees packets before netfilter (ingress) or after
/// it (egress).
struct TcHook {
    std::string interface {};
    bool ingress = true;
    std::string kind{};  ///< "bpf", "flower", "tcx" (BPF programs without a queueing discipline)...
    std::string name{};  ///< Of the program, where it has one.
};

/// The type, and the program, of our own CNI plugin.
inline constexpr const char* kOwnCniPlugin = "podfence-cni";

/// A file that configures the container network.
struct CniConfig {
    std::string file{};
    std::vector<std::string> types{};  ///< Of its plugins, in order.
    std::string on_agent_missing{};    ///< As our own plugin has it there; empty: not said.
};

struct Clock {
    std::int64_t now_s = 0;  ///< Since 1970.
    std::optional<bool> synchronised{};
};

/// A pod of which the agent says that something cannot be done for it.
struct PodRemark {
    std::string pod{};     ///< "namespace/name"
    std::string reason{};  ///< "hostNetwork", "no-interface"... as in the agent's status.
    std::string text{};    ///< For a person.
};

/// How the agent proves pods' source addresses at their interfaces.
struct AntiSpoofFacts {
    std::string mode = "off";  ///< "off", "audit", "enforce"
    bool in_sync = false;
    std::string error{};  ///< Why it is not in sync.
    std::size_t interfaces = 0;
    std::uint64_t refused = 0;          ///< Packets.
    std::vector<PodRemark> unproved{};  ///< Some of them, if there are very many.
};

/// The agent on this node, if it could be asked.
struct AgentFacts {
    enum class Presence : std::uint8_t { absent, unreachable, elsewhere, running };
    Presence presence = Presence::absent;
    std::string message{};  ///< Why it is unreachable.
    bool in_sync = false;
    std::string summary{};
    std::size_t policies_in_trouble = 0;
    std::uint64_t repairs = 0;
    std::vector<std::string> lost_sources{};  ///< "pods: connection refused"
    std::size_t pods = 0;                     ///< Of this node.
    std::size_t pods_v6 = 0;                  ///< Of these with an IPv6 address.
    std::vector<PodRemark> unenforced{};      ///< Pods that policies cannot judge.
    std::string table_shared_because{};       ///< Why others may change it; empty: not known.
    bool cuts_established = true;             ///< --established=cut
    AntiSpoofFacts anti_spoof{};
};

/// Our own table.
struct OwnTable {
    bool present = false;
    bool dormant = false;
    bool owned = false;  ///< By a process, which alone can change it.
    /// Operations that lead from what the kernel holds to what the agent wants; nullopt: not
    /// compared.
    std::optional<std::size_t> differences{};
    std::string first_difference{};
};

struct Facts {
    Kernel kernel{};
    Privileges privileges{};
    std::optional<std::vector<Interface>> interfaces{};
    std::map<std::string, std::string> sysctls{};  ///< "net/ipv4/ip_forward" -> "1"; what exists.
    std::optional<nft::Survey> ruleset{};
    std::string ruleset_error{};
    std::vector<std::string> legacy_tables{};  ///< Of iptables-legacy: "ip filter", "ip6 nat"...
    std::optional<std::vector<TcHook>> tc{};
    std::vector<CniConfig> cni{};  ///< In the order in which runtimes read them.
    std::string cni_directory{};   ///< Where they were looked for.
    /// Whether the program of our own plugin is where the runtime looks for it; nullopt: that
    /// directory is not to be seen from here.
    std::optional<bool> cni_program{};
    Clock clock{};
    AgentFacts agent{};
    std::optional<OwnTable> table{};
    std::string table_error{};
    std::string table_name = "podfence";
    std::int32_t priority = -10;  ///< Of our base chains.
};

}  // namespace podfence::doctor
