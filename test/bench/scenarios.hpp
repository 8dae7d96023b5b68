#pragma once

#include "test/bench/figure.hpp"

/// Each scenario measures some figures and prints them as it goes. A figure's name starts with its
/// scenario's.
namespace podfence::bench {

struct Options {
    bool smoke = false;  ///< Tiny: does it work, not how fast is it.
};

/// New TCP connections a second through the rules, in turns with conntrack only.
void measure_connects(Report& report, const Options& options);
/// Throughput of an established connection, in turns with conntrack only.
void measure_streams(Report& report, const Options& options);
/// Changes to what the kernel holds: plan, encode, commit.
void measure_changes(Report& report, const Options& options);
/// Compiling a large cluster from objects, and committing the result to an empty kernel.
void measure_starts(Report& report, const Options& options);
/// Peak memory of the whole program on a large cluster.
void measure_memory(Report& report, const Options& options);
/// The agent's process in a large cluster: its start, its memory, and that it sleeps.
void measure_agent(Report& report, const Options& options);
/// From an event on the agent's socket to the kernel.
void measure_events(Report& report, const Options& options);
/// From the table's loss to its return.
void measure_repairs(Report& report, const Options& options);
/// From access taken away to the last byte of an established connection.
void measure_revokes(Report& report, const Options& options);

/// What the CNI plugin adds to the start of a pod.
void measure_attaching(Report& report, const Options& options);
/// Packets of pods that start, before what policies say of them is enforced.
void measure_leaks(Report& report, const Options& options);

}  // namespace podfence::bench
