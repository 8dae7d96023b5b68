#include "nft/passage.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nft/netlink_kernel.hpp"

namespace podfence::nft {

namespace {

/// Of a table that is nobody's, so that there is nothing to delete.
constexpr const char* kNoTable = "podfence-passage";

}  // namespace

Result<void> await_packets() {
    // membarrier(2) is refused where processors run without ticks (nohz_full) and by strict filters
    // of system calls, and does not wait where there is one processor only.
    const bool several = ::sysconf(_SC_NPROCESSORS_ONLN) > 1;
    if (several && ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return {};
    return await_packets_by_refusal();
}

Result<void> await_packets_by_refusal() {
    const auto kernel = NetlinkKernel::open();
    if (!kernel) return kernel.error();
    const Batch refused{.table = {.family = TableFamily::inet, .name = kNoTable},
                        .ops = {DeleteTable{}}};
    const auto done = (*kernel)->commit(refused, std::nullopt);
    if (done || done.error().code == Errc::not_found) return {};
    return done.error();
}

}  // namespace podfence::nft
