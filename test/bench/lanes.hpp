#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "test/bench/road.hpp"

namespace podfence::bench {

/// A road whose node has rules to be measured and, as the other side, conntrack only. One of them
/// sleeps: both sides share sockets, routes, memory and everything else but the rules.
struct Lane {
    std::string name;
    std::unique_ptr<Road> road;
    std::function<void()> use_rules, use_conntrack_only;
    std::vector<double> rules{}, conntrack_only{};  ///< What was measured in turns.
};

/// Conntrack only on both sides: how far two equal sides are apart.
Lane equal_lane(std::string name);
/// `rules` of a pod's policies, as podfence enforces them.
Lane podfence_lane(std::string name, std::size_t rules);
/// The same in one chain, rule by rule.
Lane naive_linear_lane(std::string name, std::size_t rules);
/// The same as kube-router lays it out. Its conntrack-only side still has iptables' empty hooks, in
/// its favour.
Lane kube_router_lane(std::string name, std::size_t rules);

/// Conntrack only on both sides, and on one of them who pods are is proved at their interfaces.
Lane anti_spoof_lane(std::string name);
/// The least that proves a pod's IPv4 address there, by hand: one rule without any look-up.
Lane one_rule_at_doors_lane(std::string name);

/// Measures both sides of each lane, `rounds` times. Which goes first alternates, so that warm
/// caches and whatever else the machine does fall on both.
void take_turns(std::vector<Lane>& lanes, std::size_t rounds,
                const std::function<double(Road&)>& measure);

}  // namespace podfence::bench
