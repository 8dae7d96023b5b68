#pragma once

#include "cmd/cni/invocation.hpp"

namespace podfence::cni {

// What the runtime asks for. Each gives what is printed on standard output; null: nothing. What a
// person should know besides goes to standard error, which runtimes log.

/// The result of the plugins before us, once the pod's rules are in force. Fails when there is
/// nothing before us, or when `onAgentMissing` says so.
Result<boost::json::value> add(const Invocation& invocation);
/// Never fails for want of an agent.
Result<boost::json::value> del(const Invocation& invocation);
/// Fails when the agent says that it does not enforce the pod's rules.
Result<boost::json::value> check(const Invocation& invocation);
Result<boost::json::value> gc(const Invocation& invocation);
/// Fails when ADD would: the node is not ready for pods then.
Result<boost::json::value> status(const Invocation& invocation);
/// {"cniVersion", "supportedVersions"}
boost::json::value version(const boost::json::value& input);

}  // namespace podfence::cni
