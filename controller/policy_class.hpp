#pragma once

#include <compare>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/compile.hpp"
#include "controller/set_pool.hpp"

namespace podfence {

/// Numbers of named ports on the judged pod; a name it lacks is absent and matches nothing (N45).
using PortNumbers = std::map<std::pair<std::string, Protocol>, std::uint16_t>;

/// All pods of the node that the same policies isolate in one direction and on which these
/// policies' named ports mean the same: they share one chain.
struct PolicyClass {
    Direction direction = Direction::ingress;
    std::vector<const NetworkPolicy*> policies{};  ///< By name, ascending; owned by the cluster.
    PortNumbers named{};  ///< Only for ingress: on egress names are resolved on the peers.

    friend auto operator<=>(const PolicyClass&, const PolicyClass&) = default;
};

/// The class of a pod; `policies` are those that isolate it in this direction.
PolicyClass class_of(const Pod& pod, Direction direction,
                     std::vector<const NetworkPolicy*> policies);

/// Writes the chains of policy classes into the table. Inside a class one look-up decides by port
/// and at most four decide by peer, whatever the number of policies and rules.
class ClassCompiler {
  public:
    ClassCompiler(Compiled& out, SetPool& sets, bool counters)
        : out_(out), sets_(sets), counters_(counters) {}

    /// The name of the class's chain, which is made when first asked for.
    std::string chain_for(const PolicyClass& policy_class);

    /// The chain in which everything ends that the class does not allow.
    static std::string deny_chain(Direction direction);

  private:
    struct Group;
    struct Parts;

    static Parts collect(const PolicyClass& policy_class);
    void write_chain(const PolicyClass& policy_class, const std::string& name, std::string hash);
    bool add_port_map(const PolicyClass& policy_class, const Parts& parts, const std::string& hash,
                      nft::Chain& chain);
    void add_port_rules(const PolicyClass& policy_class, const Parts& parts, nft::Chain& chain);
    nft::Verdict verdict_for(Direction direction, PeerUnion peers,
                             std::vector<std::string> origins);
    void accept_peers(Direction direction, const PeerUnion& peers,
                      const std::vector<std::string>& origins, const nft::Rule& prefix,
                      nft::Chain& chain);
    void accept(nft::Rule rule, nft::Chain& chain) const;

    Compiled& out_;
    SetPool& sets_;
    bool counters_;
    std::map<PolicyClass, std::string> known_;
};

}  // namespace podfence
