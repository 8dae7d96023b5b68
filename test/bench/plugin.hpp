#pragma once

#include <chrono>
#include <string>

#include <boost/json/object.hpp>

#include "controller/objects.hpp"

namespace podfence::bench {

/// podfence-cni, as a runtime runs it at the end of a chain of plugins.
struct PluginCall {
    std::string socket{};            ///< Of the agent.
    std::string container{};         ///< The sandbox's ID.
    std::string netns{};             ///< Its path.
    boost::json::object previous{};  ///< What the plugins before have made of it.
};

/// Runs it, and gives how long it took. Throws Failure unless it succeeds.
std::chrono::steady_clock::duration run_plugin(const std::string& command, const Pod& pod,
                                               const PluginCall& call);

}  // namespace podfence::bench
