#pragma once

#include <map>
#include <set>
#include <string>

#include "controller/compile.hpp"
#include "controller/explain.hpp"
#include "nft/walk.hpp"

namespace podfence::test {

/// The second judge: what is compiled for every node of a cluster, and the way of a flow's first
/// packet through it. Knows nothing of policies: of the cluster it only asks which addresses belong
/// to which node, to see on which hook a packet shows up there. Keep the cluster as long.
class RulesetJudge {
  public:
    explicit RulesetJudge(const Cluster& cluster, const ExplainOptions& options = {});

    /// Does the packet pass every node? A node that neither end lives on is asked, too: it may
    /// route for others and must touch nothing (N7).
    bool allowed(const Flow& flow) const;
    /// The same where nodes do not forward but send on by themselves, as IPVS does: what another
    /// node would see on its forward hook is on its output hook, with a source that is not its own.
    bool allowed_by_relays(const Flow& flow) const;

    /// The rules that the packet came by, node by node, for messages.
    std::string trace(const Flow& flow) const;

    /// The hook on which this node sees the first packet of the flow: input when the node itself is
    /// its destination, output when the node itself sends it, else forward.
    nft::Hook hook_at(const std::string& node, const Flow& flow) const;

    const std::map<std::string, Compiled>& nodes() const { return compiled_; }

  private:
    std::map<std::string, Compiled> compiled_;
    std::map<std::string, std::set<Address>> node_addresses_;
};

/// The flow's first packet: of ICMP an echo request.
nft::Packet first_packet(const Flow& flow);

}  // namespace podfence::test
