#pragma once

#include <memory>

#include "nft/conntrack.hpp"
#include "nft/netlink_socket.hpp"
#include "nft/wire_buffer.hpp"

namespace podfence::nft {

/// The connection tracking table of the network namespace that the calling thread is in at open().
/// For one thread at a time.
class NetlinkConntrack final : public Conntrack {
  public:
    /// Errors: not_supported, io.
    static Result<std::unique_ptr<NetlinkConntrack>> open();

    Result<void> list(const ConnectionFilter& filter, const OnConnection& tell) override;
    Result<std::size_t> count() override;
    Result<std::optional<Connection>> find(const Tuple& original, std::uint16_t zone) override;
    Result<std::size_t> set_mark(std::span<const Connection> connections, std::uint32_t mask,
                                 std::uint32_t mark) override;

  private:
    explicit NetlinkConntrack(NetlinkSocket socket) : socket_(std::move(socket)) {}
    Result<void> ask(const char* doing, const std::function<void(const wire::Message&)>& hear);
    Result<std::size_t> refused();

    NetlinkSocket socket_;
    wire::WireBuffer buffer_;
};

}  // namespace podfence::nft
