#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/class_parts.hpp"
#include "controller/compile.hpp"
#include "controller/sets.hpp"

namespace podfence {

/// Writes the chains of policy classes into the table. Inside a class one look-up decides by port
/// and at most four decide by peer, whatever the number of policies and rules.
class ClassCompiler {
  public:
    ClassCompiler(Compiled& out, Sets& sets, bool counters)
        : out_(out), sets_(sets), counters_(counters) {}

    /// The name of a class's chain: it says the policies, and the numbers of their named ports.
    static std::string name_of(const PolicyClass& policy_class);

    /// The same; the chain is written when first asked for.
    std::string chain_for(const PolicyClass& policy_class);

    /// What a packet that is allowed in a direction meets: for egress `return`, to the hook's
    /// chain, which then asks who isolates the destination (N5: both ends must allow); for ingress,
    /// which comes last, `accept`.
    static nft::Verdict allowed(Direction direction);

    /// The chain in which everything ends that the class does not allow.
    static std::string deny_chain(Direction direction);

  private:
    struct Piece;

    static nft::Field peer_field(Direction direction, nft::Family family);
    void write_chain(const PolicyClass& policy_class, const std::string& name,
                     const std::string& hash);
    void add_ports(const PolicyClass& policy_class, const ClassParts& parts,
                   const std::string& hash, nft::Chain& chain);
    void add_port_map(const PolicyClass& policy_class, const std::vector<Piece>& pieces,
                      const std::string& hash, nft::Chain& chain);
    bool add_flows(const PolicyClass& policy_class, const std::vector<Piece>& pieces,
                   const std::string& hash, nft::Chain& chain);
    void add_port_rules(const PolicyClass& policy_class, const ClassParts& parts,
                        nft::Chain& chain);
    nft::Verdict verdict_for(Direction direction, const RuleGroup& users);
    void allow_peers(Direction direction, const PeerUnion& peers,
                     const std::vector<std::string>& origins, const nft::Rule& prefix,
                     nft::Chain& chain);
    void allow(Direction direction, nft::Rule rule, nft::Chain& chain) const;

    Compiled& out_;
    Sets& sets_;
    bool counters_;
    std::map<PolicyClass, std::string> known_;
};

}  // namespace podfence
