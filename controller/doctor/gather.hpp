#pragma once

#include <string>
#include <vector>

#include "controller/doctor/facts.hpp"
#include "nft/addr.hpp"

namespace podfence::doctor {

struct GatherOptions {
    std::string cni_directory = "/etc/cni/net.d";
    std::string cni_programs = "/opt/cni/bin";
    /// Addresses of this node's pods, as far as known.
    std::vector<nft::Address> pods{};
};

/// Looks at the node from the calling thread's network namespace. What the agent knows, and our own
/// table, are left to the caller. Changes nothing that stays; the kernel loads modules that it has.
Facts gather(const GatherOptions& options);

/// Of that only interfaces, settings of the network, and the ruleset: how pods are connected, and
/// what may carry their packets past the rules.
Facts gather_network(const GatherOptions& options);

/// Only the interfaces. nullopt: rtnetlink does not answer.
std::optional<std::vector<Interface>> gather_interfaces(const std::vector<nft::Address>& pods);

/// What tc and its like attached to interfaces.
std::optional<std::vector<TcHook>> gather_tc(const std::vector<Interface>& interfaces);

/// Files that cannot be read or understood are left out.
std::vector<CniConfig> gather_cni(const std::string& directory);
/// Whether our own plugin's program is there. nullopt: there is no such directory.
std::optional<bool> find_own_plugin(const std::string& directory);

}  // namespace podfence::doctor
