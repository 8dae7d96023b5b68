#pragma once

#include <string>

#include "controller/cluster.hpp"

/// Objects as manifests that decode into equal objects: as the agent serves them
/// (controller/encode_objects.hpp), one YAML document a line, so that a failing random cluster can
/// be pasted into a file and asked about with `podfence explain -f`. `index` and `pos` are what the
/// reader makes them.
namespace podfence::test {

std::string to_manifest(const Pod& pod);
std::string to_manifest(const Namespace& ns);
std::string to_manifest(const NetworkPolicy& policy);
std::string to_manifest(const Cluster& cluster);

}  // namespace podfence::test
