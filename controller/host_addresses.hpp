#pragma once

#include <set>

#include "nft/addr.hpp"

namespace podfence {

/// The addresses of all interfaces of the calling thread's network namespace; empty when the kernel
/// does not tell.
std::set<nft::Address> host_addresses();

}  // namespace podfence
