#pragma once

#include <memory>
#include <vector>

#include "controller/compile.hpp"
#include "controller/explain.hpp"
#include "nft/converge.hpp"
#include "nft/netlink_kernel.hpp"
#include "nft/walk.hpp"
#include "test/support/lab.hpp"

namespace podfence::lab {

/// podfence without its command line, on every node of a lab.
class Enforcer {
  public:
    /// `options.node` is set for each node.
    explicit Enforcer(const Network& network, CompileOptions options = {});

    /// Compiles and commits for every node; gives what each commit took. Throws Failure.
    std::vector<nft::Converged> apply(const Cluster& cluster);
    /// Only compiles, for `apply_compiled`: what is to be timed or switched to.
    std::vector<Compiled> compile(const Cluster& cluster) const;
    std::vector<nft::Converged> apply_compiled(const std::vector<Compiled>& compiled);
    /// Takes the tables away again.
    void remove();

    nft::Kernel& kernel(std::size_t node) { return *kernels_.at(node); }
    const CompileOptions& options() const { return options_; }

  private:
    const Network& network_;
    CompileOptions options_;
    std::vector<std::unique_ptr<nft::NetlinkKernel>> kernels_;
};

/// A hook of a node that a flow's packets pass.
struct Hop {
    std::size_t node = 0;
    nft::Hook hook = nft::Hook::forward;
    friend bool operator==(const Hop&, const Hop&) = default;
};
/// All hops in order, from how the lab is wired; not from what podfence thinks of it.
std::vector<Hop> path_of(const Network& network, const Flow& flow);

/// The second judge: would the flow's first packet pass all tables on its path? (The oracle is the
/// first, the packet itself the third.)
bool walk_allows(const Network& network, const std::vector<Compiled>& nodes, const Flow& flow);

/// Gives a pod object the addresses and the node of a lab's pod. All of the node's addresses are
/// told, gateways included: what comes from the node itself is always allowed, whatever address it
/// chose (D1).
void place(Pod& pod, const Network& network, const Host& host);

std::string describe(const Network& network, const Flow& flow);

}  // namespace podfence::lab
