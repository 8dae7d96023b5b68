#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nft/error.hpp"
#include "nft/netlink_socket.hpp"
#include "nft/ruleset.hpp"

namespace podfence::nft {

/// A commit of somebody else that touched a table of ours.
struct ForeignCommit {
    std::uint32_t pid = 0;  ///< In the first pid namespace; 0: the kernel did not tell.
    std::string process{};  ///< Its name as the kernel has it (comm); may hold any bytes.
};

/// What there was to read.
struct Notices {
    std::vector<ForeignCommit> foreign{};
    /// Some such commit begins here; who it was comes at its end, maybe thousands of notices later.
    bool stirred = false;
    bool lost = false;  ///< Notifications were dropped: anything may have happened.
    bool more = false;  ///< There may be more to read: after `stirred`, or at one reading's limit.
};

/// Watches who changes a table, by nf_tables' notifications. Every commit in the network namespace
/// is looked at, as the kernel has no filter for them, but only as far as the table's name.
class Monitor {
  public:
    /// Watches the network namespace that the calling thread is in. `own_port` is the netlink port
    /// that the table's owner commits from (NetlinkKernel::port); its commits are not told.
    /// Errors: not_permitted, not_supported, io.
    static Result<Monitor> open(TableId table, std::uint32_t own_port);

    /// Readable when there is something to read. Owned by the monitor.
    int fd() const { return socket_.fd(); }

    /// What has come since, without waiting; at the first sign of somebody else's commit no
    /// further. Errors: io.
    Result<Notices> read();

  private:
    Monitor(NetlinkSocket socket, TableId table, std::uint32_t own_port)
        : socket_(std::move(socket)), table_(std::move(table)), own_port_(own_port) {}
    void take(wire::Bytes datagram, Notices& notices);

    NetlinkSocket socket_;
    TableId table_;
    std::uint32_t own_port_;
    bool touched_ = false;  ///< By the commit whose end has not been read yet.
};

}  // namespace podfence::nft
