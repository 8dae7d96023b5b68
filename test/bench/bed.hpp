#pragma once

#include <memory>

#include "nft/netlink_kernel.hpp"
#include "test/support/netns.hpp"

namespace podfence::bench {

/// The kernel of a namespace of its own, in which the calling thread is as long as the object
/// lives.
class Bed {
  public:
    Bed();

    /// As `podfence apply` and the agent do it: the plan, stage by stage. Throws lab::Failure.
    void change(const std::optional<nft::Table>& have, const nft::Table& want);
    /// Throws unless the kernel holds exactly this: what was timed did what it should.
    void expect(const nft::Table& table);

  private:
    test::PrivateNetns netns_;
    std::unique_ptr<nft::NetlinkKernel> kernel_;
};

}  // namespace podfence::bench
