#pragma once

#include <functional>
#include <map>
#include <set>
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
/// A known pod of this node whose interface was not found keeps its addresses wherever they are.
/// Not polled: a plugin that configures the other end first and then brings it up is heard at once,
/// any other with whatever happens next on the node's links.
class HeldLinks {
  public:
    /// What is known of addresses.
    struct Known {
        std::function<bool(const Address&)> is_taken{};  ///< A known pod has it.
        std::set<Address> loose{};  ///< Of this node's known pods without an interface.
        bool any_local = true;      ///< A pod of this node is known at all.
    };

    /// Where addresses are pods'.
    void hold(std::vector<Prefix> ranges) { ranges_ = std::move(ranges); }
    bool holds_any() const { return !ranges_.empty(); }

    /// To be called when something happened. Returns whether links() are others now.
    bool settle(const PodLinks& pods, PeerLook& look, const Known& known);

    /// Without a pod.
    const std::map<LinkIndex, PodLink>& links() const { return held_; }

  private:
    struct Asked {
        Link link{};
        std::vector<Address> addresses{};  ///< Of its other end when it was so.
    };

    const std::vector<Address>& end_of(const Link& link, PeerLook& look);

    std::vector<Prefix> ranges_;
    std::map<LinkIndex, Asked> asked_;
    std::map<LinkIndex, PodLink> held_;
};

}  // namespace podfence
