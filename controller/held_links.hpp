#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "controller/pod_links.hpp"

namespace podfence {

/// Interfaces of pods that nobody knows yet (--unknown-pods=hold), so that what comes in there may
/// not pretend to be somebody else until its pod is known.
///
/// Such is a cable into another namespace that no known pod has, on the pods' network: a host route
/// into their ranges leads to it, or the node itself has an address in them there, as it has at a
/// bridge of pods. It may speak for what a plugin gave it, by a route or at its other end, that is
/// in the ranges and nobody's: rules by address hold that. Everything else is refused there.
///
/// Not polled: a plugin configures the other end and then brings it up, which this end is told.
class HeldLinks {
  public:
    using IsTaken = std::function<bool(const Address&)>;  ///< A known pod has it.

    /// Where addresses are pods'.
    void hold(std::vector<Prefix> ranges) { ranges_ = std::move(ranges); }
    bool holds_any() const { return !ranges_.empty(); }

    /// To be called when something happened. Holds nothing while known pods are without an
    /// interface of their own (`all_bound` is false): one of these may be theirs. Returns whether
    /// links() are others now.
    bool settle(const PodLinks& pods, bool all_bound, PeerLook& look, const IsTaken& is_taken);

    /// Without a pod.
    const std::map<LinkIndex, PodLink>& links() const { return held_; }

  private:
    struct Asked {
        Link link{};
        std::vector<Address> addresses{};  ///< Of its other end when it was so.
    };

    std::vector<Prefix> ranges_;
    std::map<LinkIndex, Asked> asked_;
    std::map<LinkIndex, PodLink> held_;
};

}  // namespace podfence
