#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "controller/unique_fd.hpp"
#include "nft/error.hpp"

namespace podfence {

/// As for socket(2).
struct SocketSpec {
    int domain = 0;
    int type = 0;
    int protocol = 0;
};

/// A network namespace that nothing but this object holds on to: it has no name, and it ends, with
/// every interface in it, when the object and its sockets do, be it by SIGKILL.
struct ThrowawayNetns {
    static constexpr std::size_t kSocketsMax = 200;  ///< SCM_MAX_FD less one is 252.

    UniqueFd ns{};                    ///< For IFLA_NET_NS_FD.
    std::vector<UniqueFd> sockets{};  ///< Opened in it, in the order asked for; not bound.

    /// Makes it and opens sockets in it. The calling thread's own namespace stays as it is. Without
    /// CAP_SYS_ADMIN a user namespace is made around it, where the kernel and the seccomp profile
    /// allow that. The process should have one thread only, since a child is forked for it. Errors:
    /// not_permitted, and what else the kernel has against it.
    static nft::Result<ThrowawayNetns> make(std::span<const SocketSpec> sockets);
};

}  // namespace podfence
