#pragma once

#include <vector>

#include "controller/compile.hpp"
#include "controller/doctor/facts.hpp"
#include "controller/self_test/pods.hpp"
#include "controller/self_test/verdict.hpp"

namespace podfence::self_test {

struct Options {
    std::vector<Connection> connections{};
    std::vector<nft::Family> families{};
    /// As the agent has it, for the priority and for whether connections are cut.
    CompileOptions rules{};
};

/// Makes the pods, their table, tries the flows, and takes all of it away again, in well under a
/// second where nothing is lost. One at a time in a network namespace; what a killed one left is
/// removed first. Signals that end the process wait until it is through.
Outcome run(const Options& options);

/// How this node's pods are connected, as far as known; where nothing is known, every way.
std::vector<Connection> connections_of(const doctor::Facts& facts);

/// The families that this node has pods of, or could have.
std::vector<nft::Family> families_of(const doctor::Facts& facts,
                                     const std::vector<Connection>& connections);

}  // namespace podfence::self_test
