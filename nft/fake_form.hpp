#pragma once

#include "nft/batch.hpp"

namespace podfence::nft {

/// Whether messages can be made of the operation: names, comments and keys that fit. NetlinkKernel
/// refuses a batch with any other operation before it reaches the kernel, and FakeKernel with it.
bool is_well_formed(const TableId& table, const Op& op);

/// Bytes of a key of the set, padding included.
std::size_t key_bytes(const SetSpec& spec);

}  // namespace podfence::nft
