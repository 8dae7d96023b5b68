#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nft/ruleset.hpp"
#include "test/support/lab_fd.hpp"

/// nf_tables by messages built with libnftnl, without planner, encoder or kernel port.
namespace podfence::bench {

using Datagram = std::vector<std::uint8_t>;

/// The nf_tables of the namespace in which it was opened.
class ByHand {
  public:
    ByHand();
    /// Sends a transaction and reads the kernel's confirmation. Throws lab::Failure when it
    /// refuses.
    void transact(std::span<const std::uint8_t> datagram);

  private:
    lab::UniqueFd socket_;
};

/// Elements of a set that come and go: what nf_tables and netlink themselves cost here, the floor
/// of any change.
class ElementsByHand {
  public:
    /// Makes a table of its own in the calling thread's namespace, with one hash set for `count`
    /// IPv4 addresses, and the messages that add all of them and that delete them.
    explicit ElementsByHand(std::size_t count);

    void add() { kernel_.transact(add_); }
    void remove() { kernel_.transact(remove_); }

  private:
    ByHand kernel_;
    Datagram add_, remove_;
};

/// A table, and whether it sleeps, so that packets pass its chains by.
struct Sleeper {
    nft::TableId table;
    bool asleep = false;
};
/// The transaction that makes them so.
Datagram sleep_or_wake(const std::vector<Sleeper>& tables);

}  // namespace podfence::bench
