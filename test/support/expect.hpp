#pragma once

#include "controller/cluster.hpp"
#include "controller/explain.hpp"

namespace podfence::test {

/// Both judges must give this verdict: the oracle on the objects, and a packet's walk through what
/// is compiled for every node it crosses. For use inside a Catch2 test case; on failure the
/// reasons of both are printed.
void expect(const Cluster& cluster, const Flow& flow, bool allowed,
            const ExplainOptions& options = {});

}  // namespace podfence::test
