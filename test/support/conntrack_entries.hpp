#pragma once

#include <span>

#include "nft/conntrack.hpp"

namespace podfence::test {

/// Puts connections into the connection tracking table of the calling thread's network namespace,
/// as if their packets had passed: established and answered. Throws std::runtime_error when the
/// kernel refuses one.
void add_connections(std::span<const nft::Connection> connections);

}  // namespace podfence::test
