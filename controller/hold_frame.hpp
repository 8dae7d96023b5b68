#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "controller/compile.hpp"
#include "controller/families.hpp"

/// The part of a node's table that holds addresses of pods which nobody knows yet: an address of
/// CompileOptions::held_ranges is a known pod's, or it is denied everything in both directions, as
/// by a policy that selects it and allows nothing. Known are the pods of all nodes, so that ranges
/// which nodes share hold none of the others' pods.
///
/// Nothing here concerns what the node itself sends or receives: that is on no hook that asks
/// (nft/README.md), whatever address of a pod range the node's bridge has.
namespace podfence {

/// The set of the addresses in the held ranges that known pods have.
std::string known_name(nft::Family family, std::size_t elements);
nft::SetSpec known_spec(nft::Family family, std::size_t elements);

/// The chains of both directions, which look up in sets of known pods of these sizes, and the sets
/// of what is held; nothing where nothing is.
void write_hold(Compiled& out, const CompileOptions& options, const PerFamily<std::size_t>& known);
/// Sends what is held there. For base chains, in front of the dispatch of the direction: every
/// look-up asks for the present elements, and a packet may be between two of them when a pod
/// becomes known. This way round it is held, or meets the pod's policies; the other way round it
/// would have met neither (one in some thousand starts of pods, test/bench/leak.cpp).
void add_hold_rules(nft::Chain& chain, const CompileOptions& options, Direction direction);

}  // namespace podfence
