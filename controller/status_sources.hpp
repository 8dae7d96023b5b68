#pragma once

#include "controller/source.hpp"
#include "controller/status.hpp"

namespace podfence {

/// How a source stands, as the agent's status tells it: fills `origin` and `sources`.
void tell_source(const SourceStatus& source, AgentStatus& status);

}  // namespace podfence
