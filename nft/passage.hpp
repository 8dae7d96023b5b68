#pragma once

#include "nft/error.hpp"

namespace podfence::nft {

/// Returns when every packet has left its hook that was in one by the call, wherever it has been
/// held up: a processor of a virtual machine may rest for many ms in the middle of a packet. Until
/// then such a packet may go on to whatever was referred to when it came (nft/stages.hpp). Hooks
/// are run inside an RCU read-side section (nf_hook() in include/linux/netfilter.h), so this is a
/// grace period of RCU: some ms, in which the thread sleeps. Any thread may ask.
///
/// Errors: those of NetlinkKernel::open, where the kernel has no other way to tell.
Result<void> await_packets();

/// The same by a refused transaction, which the kernel takes back only after a grace period
/// (__nf_tables_abort() in net/netfilter/nf_tables_api.c). It holds the lock of nf_tables
/// meanwhile, so it is for where there is no other way.
Result<void> await_packets_by_refusal();

}  // namespace podfence::nft
