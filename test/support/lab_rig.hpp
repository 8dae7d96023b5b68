#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/support/generator.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_poller.hpp"
#include "test/support/lab_prober.hpp"
#include "test/support/lab_servers.hpp"
#include "test/support/lab_witness.hpp"

namespace podfence::lab {

/// A lab with servers on every host, ready to probe and to enforce.
struct Rig {
    Rig(LabSpec spec, const std::vector<std::uint16_t>& ports);

    Lab lab;
    Poller poller;
    Servers servers;
    Witness witness;
    Prober prober;
    Enforcer enforcer;

    /// What random clusters for this lab are made of: exactly its pods, spread over namespaces.
    test::GeneratorOptions generator_options() const;
    /// Every address that a flow may come from or go to: pods', nodes' primary ones, the outside's.
    std::vector<Address> ends() const;
};

/// From the environment: PODFENCE_SEED, else a new one each run (the tests print it).
std::uint64_t seed_of_run();

}  // namespace podfence::lab
