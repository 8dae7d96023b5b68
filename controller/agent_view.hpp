#pragma once

#include <string>

#include "controller/cluster.hpp"
#include "controller/status.hpp"

namespace podfence {

/// What the local API may know of the agent: all it says is read through this, in the io_context's
/// thread, whenever somebody asks. Of changes it is told by LocalApi::changed().
class AgentView {
  public:
    AgentView() = default;
    AgentView(const AgentView&) = delete;
    AgentView& operator=(const AgentView&) = delete;
    virtual ~AgentView() = default;

    /// Made anew for each call.
    virtual AgentStatus status() const = 0;
    /// The same as status().in_sync(), without the work.
    virtual bool in_sync() const = 0;
    /// Why sources are not proved at the pods' interfaces though they should be: not all of the
    /// rules for that are in the kernel. Empty: they are, or it was not asked for.
    virtual std::string unguarded() const = 0;
    /// The same as status().canary, without the work.
    virtual CanaryRecord canary() const = 0;
    /// As it is at the moment; it may be another after every event.
    virtual const Cluster& cluster() const = 0;
};

}  // namespace podfence
