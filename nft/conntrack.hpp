#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "nft/addr.hpp"
#include "nft/error.hpp"

namespace podfence::nft {

/// One direction of a connection as conntrack names it.
struct Tuple {
    Address source;
    Address destination;                 ///< Of the same family.
    std::uint8_t protocol = 0;           ///< IANA number.
    std::uint16_t source_port = 0;       ///< Of ICMP the id, of GRE the key; else 0 without ports.
    std::uint16_t destination_port = 0;  ///< Of ICMP type * 256 + code.
    std::uint16_t zone = 0;              ///< Only where the directions have zones of their own.

    friend auto operator<=>(const Tuple&, const Tuple&) = default;
};
/// "10.0.0.1:40000 -> 10.0.0.2:80 (6)"
std::string to_string(const Tuple& tuple);

/// An entry of the connection tracking table.
struct Connection {
    Tuple original;  ///< As the first packet came, before Service addresses were rewritten.
    /// As answers come: from who really answers, to the address that a masquerade chose.
    Tuple reply;
    std::uint32_t mark = 0;
    std::uint16_t zone = 0;
    /// The original direction of the connection that announced this one (the data of FTP).
    std::optional<Tuple> announced_by{};

    friend bool operator==(const Connection&, const Connection&) = default;
};

/// Which connections are wanted; what is not given is not asked. The kernel sorts out the others,
/// at a fifth of what it costs to be told of them, but looks at all: some 10 ms for the empty
/// buckets of a table of the usual size.
struct ConnectionFilter {
    std::optional<Address> source{};    ///< Who opened it.
    std::optional<Address> answerer{};  ///< Who answers: the source of `reply`. Not with `source`.
    std::uint32_t mark_mask = 0;        ///< Only those with `mark` in these bits.
    std::uint32_t mark = 0;

    bool takes(const Connection& connection) const;
};

/// The kernel's connection tracking table, of one network namespace, as a port. Implemented by
/// NetlinkConntrack and FakeConntrack; one contract test set (test/contract) runs on both.
class Conntrack {
  public:
    /// Whether to be told of more.
    using OnConnection = std::function<bool(const Connection&)>;

    Conntrack() = default;
    Conntrack(const Conntrack&) = delete;
    Conntrack& operator=(const Conntrack&) = delete;
    Conntrack(Conntrack&&) = delete;
    Conntrack& operator=(Conntrack&&) = delete;
    virtual ~Conntrack() = default;

    /// Tells of every connection that is there from the beginning to the end of the call, and
    /// perhaps of others; of some twice. Errors: interrupted (the table changed so that some may
    /// have been missed: ask again), not_permitted, not_supported, overrun, malformed, io.
    virtual Result<void> list(const ConnectionFilter& filter, const OnConnection& tell) = 0;

    /// How many there are. Errors: as list.
    virtual Result<std::size_t> count() = 0;

    /// The connection with this original direction; nullopt: there is none. Errors: as list.
    virtual Result<std::optional<Connection>> find(const Tuple& original, std::uint16_t zone) = 0;

    /// Sets the bits `mask` of the connections' marks to `mark`. What is gone meanwhile is left
    /// out; gives the number of others. Errors: not_permitted, not_supported, overrun, io.
    virtual Result<std::size_t> set_mark(std::span<const Connection> connections,
                                         std::uint32_t mask, std::uint32_t mark) = 0;
};

}  // namespace podfence::nft
