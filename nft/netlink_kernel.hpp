#pragma once

#include <memory>

#include "nft/kernel.hpp"

namespace podfence::nft {

/// nf_tables of the network namespace the calling thread was in when `open` was called. All goes
/// through one socket as long as the object lives: it is the owner of tables, and closing it gives
/// them up.
class NetlinkKernel final : public Kernel {
  public:
    /// Opens the netlink socket. Errors: not_permitted, not_supported, io.
    static Result<std::unique_ptr<NetlinkKernel>> open(Ownership ownership = Ownership::shared);
    ~NetlinkKernel() override;

    /// The netlink port that commits come from, see nft/monitor.hpp.
    std::uint32_t port() const;

    Result<Snapshot> dump(const TableId& table) override;
    Result<std::size_t> commit(const Batch& batch,
                               std::optional<std::uint32_t> generation) override;
    Result<std::size_t> claim(const TableId& table,
                              std::optional<std::uint32_t> generation) override;
    void await_packets() override;
    Hold makes() const override;

  private:
    class Socket;
    explicit NetlinkKernel(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

}  // namespace podfence::nft
