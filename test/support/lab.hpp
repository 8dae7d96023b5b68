#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nft/addr.hpp"
#include "test/support/lab_netns.hpp"

/// The node lab: nodes as network namespaces, pods wired into them by the real CNI plugins (which
/// ignore policies), and an outside, so that policies can be judged by real packets.
///
///     outside  172.31.N.254 ---- 172.31.N.1  node N  10.244.N.1 ---- pods 10.244.N.x
///              192.0.2.10, lent addresses    172.30.0.N              (bridge or ptp)
///                                              |
///                                            every other node
///
/// Everything has an IPv6 address beside it. Nothing is ever put into the caller's own namespace.
namespace podfence::lab {

using nft::Address;
using nft::Family;

enum class Wiring : std::uint8_t { bridge, ptp };

struct NodeSpec {
    std::string name;
    Wiring wiring = Wiring::bridge;
};

struct PodSpec {
    std::string name;  ///< Unique in the lab; part of the namespace's name.
    std::size_t node = 0;
};

struct LabSpec {
    std::vector<NodeSpec> nodes;
    std::vector<PodSpec> pods;
    std::vector<Address> lent{};  ///< To the outside, which answers for them.
};

/// Two nodes wired by these plugins, with `pods` pods each, named "p0", "p1"... in turns.
LabSpec two_nodes(Wiring first, Wiring second, std::size_t pods_per_node);

/// Whatever has a network namespace of its own.
struct Host {
    enum class Kind : std::uint8_t { node, pod, outside };
    Kind kind = Kind::pod;
    std::string name;
    NetNs ns;
    std::size_t node = 0;  ///< Of a pod: where it runs; of a node: its number.
    /// The first of each family is the primary one; traffic is sent from it unless told otherwise.
    std::vector<Address> addresses{};

    Address primary(Family family) const;
};

/// The hosts of a lab and whose address is whose.
class Network {
  public:
    /// The lab that another process built and keeps, by the directory of its claim.
    static Network attach(const std::string& directory);

    const std::deque<Host>& hosts() const { return hosts_; }
    std::size_t node_count() const { return node_count_; }
    std::size_t pod_count() const { return hosts_.size() - node_count_ - 1; }
    const Host& node(std::size_t number) const { return hosts_.at(number); }
    const Host& outside() const { return hosts_.at(node_count_); }
    /// In the order of the spec.
    const Host& pod(std::size_t number) const { return hosts_.at(node_count_ + 1 + number); }
    const Host* find(std::string_view name) const;
    /// Whose address it is; nullptr: nobody's. Link-local ones are not known.
    const Host* owner_of(const Address& address) const;

  protected:
    Network() = default;
    void index_addresses();
    void save(const std::string& directory) const;

    std::size_t node_count_ = 0;
    std::deque<Host> hosts_;  ///< Nodes, the outside, pods.

  private:
    std::map<Address, std::size_t> by_address_;
};

class Lab : public Network {
  public:
    /// Builds everything, in about a second for thirty pods. Throws Failure.
    explicit Lab(LabSpec spec);

    const LabSpec& spec() const { return spec_; }
    const Claim& claim() const { return claim_; }

  private:
    Host& add_host(Host::Kind kind, const std::string& name, std::size_t node);
    void build_nodes();
    void link_nodes();
    void link_outside();
    void wire_pods();

    LabSpec spec_;
    Claim claim_;
};

/// What a CNI plugin is asked to do for one pod.
struct CniRequest {
    Wiring wiring = Wiring::bridge;
    std::size_t node = 0;
    std::string container_id;
    std::string data_dir;  ///< host-local's leases; one a node.
};
/// Runs the plugin in the node's namespace, as a container runtime does; gives the pod's addresses.
std::vector<Address> cni_add(const CniRequest& request, const NetNs& node, const NetNs& pod);
/// The same, as the plugin prints it, which is what the next one of a chain is told.
std::string cni_result(const CniRequest& request, const NetNs& node, const NetNs& pod);
std::vector<Address> cni_addresses(const std::string& result);

}  // namespace podfence::lab
