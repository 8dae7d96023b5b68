#pragma once

#include <string>
#include <vector>

#include "controller/compile.hpp"
#include "controller/doctor/facts.hpp"

namespace podfence::cmd {

/// What the agent of this node tells a doctor.
struct AgentReport {
    doctor::AgentFacts facts{};
    std::string node{};                ///< Its name; empty: nobody told.
    std::vector<nft::Address> pods{};  ///< Addresses of the node's pods.
    std::optional<Compiled> wanted{};  ///< What the kernel should hold, by the agent's objects.
    CompileOptions rules{};            ///< Its choices, or the defaults.
};

AgentReport ask_agent_report(const std::string& socket);

/// What the kernel holds of our table, against what is wanted. nullopt: the kernel cannot be asked;
/// `error` then says why.
std::optional<doctor::OwnTable> examine_table(const AgentReport& report, nft::Error& error);

}  // namespace podfence::cmd
