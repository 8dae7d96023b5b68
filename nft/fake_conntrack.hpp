#pragma once

#include <map>
#include <utility>

#include "nft/conntrack.hpp"

namespace podfence::nft {

/// A connection tracking table in memory.
class FakeConntrack final : public Conntrack {
  public:
    /// There is none with its original direction.
    void add(const Connection& connection);
    void remove(const Connection& connection);

    /// The next so many lists end with Errc::interrupted, after telling of every other connection.
    int interrupted = 0;
    int lists = 0;  ///< How often the table was listed.

    Result<void> list(const ConnectionFilter& filter, const OnConnection& tell) override;
    Result<std::size_t> count() override { return connections_.size(); }
    Result<std::optional<Connection>> find(const Tuple& original, std::uint16_t zone) override;
    Result<std::size_t> set_mark(std::span<const Connection> connections, std::uint32_t mask,
                                 std::uint32_t mark) override;

  private:
    std::map<std::pair<std::uint16_t, Tuple>, Connection> connections_;
};

}  // namespace podfence::nft
