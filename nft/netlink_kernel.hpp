#pragma once

#include <memory>

#include "nft/kernel.hpp"

namespace podfence::nft {

/// nf_tables of the network namespace the calling thread was in when `open` was called.
class NetlinkKernel final : public Kernel {
  public:
    /// Opens the netlink socket. Errors: not_permitted, not_supported, io.
    static Result<std::unique_ptr<NetlinkKernel>> open();
    ~NetlinkKernel() override;

    /// The netlink port that commits come from, see nft/monitor.hpp.
    std::uint32_t port() const;

    Result<Snapshot> dump(const TableId& table) override;
    Result<std::size_t> commit(const Batch& batch,
                               std::optional<std::uint32_t> generation) override;

  private:
    class Socket;
    explicit NetlinkKernel(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

}  // namespace podfence::nft
