#pragma once

#include "controller/doctor/facts.hpp"
#include "controller/doctor/finding.hpp"

/// Each judges one side of a node, from what was gathered and nothing else.
namespace podfence::doctor {

Findings check_features(const Facts& facts);
Findings check_privileges(const Facts& facts);

/// br_netfilter, and whether bridged traffic passes our hooks.
Findings check_bridges(const Facts& facts);
Findings check_forwarding(const Facts& facts);
Findings check_rp_filter(const Facts& facts);
Findings check_conntrack(const Facts& facts);

/// What others hang before and after us on the ways of pods' packets.
Findings check_hooks(const Facts& facts);
/// What lets packets pass by our hooks: flowtables, BPF programs, diverting rules.
Findings check_bypasses(const Facts& facts);
/// Rules of iptables-legacy, which nftables does not show.
Findings check_legacy(const Facts& facts);

/// Others who enforce policies, or plugins whose pods nobody on the host can judge.
Findings check_engines(const Facts& facts);
Findings check_plugins(const Facts& facts);
/// Our own plugin, by which policies hold from a pod's first packet.
Findings check_own_plugin(const Facts& facts);

Findings check_agent(const Facts& facts);
Findings check_table(const Facts& facts);
/// Pods that policies cannot judge.
Findings check_pods(const Facts& facts);
/// The proof of pods' source addresses at their interfaces.
Findings check_anti_spoof(const Facts& facts);
Findings check_clock(const Facts& facts);

/// All of them, in the order in which a person wants to read them.
Findings check_all(const Facts& facts);

}  // namespace podfence::doctor
