#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controller/cluster.hpp"
#include "controller/explain.hpp"
#include "test/support/random.hpp"

/// Random clusters with every feature of the API and every state of a pod, random flows near the
/// values that decide, and random events. One seed gives the same on every machine.
namespace podfence::test {

struct GeneratorOptions {
    /// When not empty exactly these pods exist, always; only their labels and container ports are
    /// random. For pods that are real network namespaces.
    std::vector<Pod> fixed_pods{};
    /// Namespaces of other pods, and names for namespaces in selectors. With fixed pods theirs are
    /// added.
    std::vector<std::string> namespaces{"a", "b", "c"};
    std::size_t nodes = 3;      ///< n1, n2..., at most 9; see node_addresses().
    std::size_t pods_max = 12;  ///< Unless pods are fixed.
    std::size_t policies_max = 6;
    /// Addresses of each family that a node's pods share; few, so that two often have the same.
    std::size_t addresses_per_node = 9;
    /// Addresses that no pod has: outside hosts. Blocks and flows are near them.
    std::vector<Address> outside = default_outside();
    /// Numbers of container ports and of policies' ports, and near them those of flows.
    std::vector<std::uint16_t> ports{53, 80, 81, 82, 443, 8080, 1, 65535};
    /// Objects in forms that only fail-closed decoding makes (D12): lists that match nothing.
    bool fail_closed = true;

    static std::vector<Address> default_outside();
};

struct PodGone {
    ObjectName name;
};
struct NamespaceGone {
    std::string name;
};
struct PolicyGone {
    ObjectName name;
};
/// Something that happens to a cluster.
using Event = std::variant<Pod, Namespace, NetworkPolicy, PodGone, NamespaceGone, PolicyGone>;
void apply(Cluster& cluster, const Event& event);
std::string to_string(const Event& event);  ///< One line: "pod a/p3 changed"

class Generator {
  public:
    explicit Generator(std::uint64_t seed, GeneratorOptions options = {});

    Cluster cluster();
    NetworkPolicy policy(const ObjectName& name);
    /// A pod relabelled, new, gone, or new with an address that another one had; a namespace or a
    /// policy changed or gone. Fixed pods are only relabelled.
    Event event(const Cluster& cluster);

    Random& random() { return random_; }
    const GeneratorOptions& options() const { return options_; }

  private:
    Pod random_pod(const ObjectName& name);
    Pod relabelled(Pod pod);
    /// The first more often, so that policies meet the pods they select.
    const std::string& some_namespace();
    Namespace random_namespace(const std::string& name);
    Labels random_labels();
    std::vector<ContainerPort> container_ports();
    Address pod_address(nft::Family family, std::size_t node);
    LabelSelector selector(bool for_namespaces);
    Requirement requirement(bool for_namespaces);
    Peer peer();
    PodPeer pod_peer();
    IpBlock block();
    Prefix prefix_inside(const Prefix& outer);
    std::vector<PolicyRule> rules();
    PolicyRule rule();
    void fill(PolicyPort& port);  // In place: GCC 12 warns wrongly of moved variants.
    PortRange port_range();

    Random random_;
    GeneratorOptions options_;
    /// Addresses worth being near to: of pods, of nodes, outside, and the ends of each family.
    std::vector<Address> landmarks_;
};

/// Flows near the values that decide in one cluster: pods' and nodes' addresses, first and last
/// addresses of blocks and excepts and their neighbours; ports of pods and policies, first and last
/// of ranges and their neighbours; protocols with and without ports.
class FlowGenerator {
  public:
    FlowGenerator(const Cluster& cluster, const GeneratorOptions& options);
    /// Only between these addresses.
    FlowGenerator(const Cluster& cluster, const GeneratorOptions& options,
                  std::vector<Address> sources, std::vector<Address> destinations);

    Flow next(Random& random) const;
    const std::vector<std::uint16_t>& ports() const { return ports_; }

  private:
    struct Ends {
        std::vector<Address> sources, destinations;
    };
    void add_ends(const std::vector<Address>& sources, const std::vector<Address>& destinations);

    Ends v4_, v6_;
    std::vector<Address> pods_;  ///< Chosen often, or most flows would have no pod at all.
    std::vector<std::uint16_t> ports_;
};

}  // namespace podfence::test
