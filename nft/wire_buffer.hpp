#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <linux/netlink.h>

namespace podfence::nft::wire {

/// Netlink messages back to back, as one sendmsg takes them. Keeps its memory between batches, but
/// for that of the rare ones that make a whole table: in steady state nothing is allocated.
class WireBuffer {
  public:
    /// Room that every new message has for its attributes: libmnl and libnftnl write without
    /// asking. The largest we build is one NFTA_SET_ELEM_LIST_ELEMENTS, whose length has 16 bits.
    static constexpr std::size_t kMessageBytesMax = std::size_t{80} * 1024;

    /// More is not kept between batches.
    static constexpr std::size_t kKeptBytesMax = std::size_t{256} * 1024;

    void clear();
    /// Opens a message: a netlink header and an nfgenmsg. It is valid until the next begin().
    nlmsghdr* begin(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                    std::uint32_t sequence, std::uint16_t resource = 0);
    /// Closes it with the length that libmnl kept in its header.
    void end();

    /// The message closed last, to add flags to; there must be one.
    nlmsghdr* last();

    std::span<const std::uint8_t> bytes() const { return {data_.get(), size_}; }
    /// Appends finished messages.
    void append(std::span<const std::uint8_t> messages);

  private:
    void reserve(std::size_t bytes);

    std::unique_ptr<std::uint8_t[]> data_;
    std::size_t size_ = 0;
    std::size_t last_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace podfence::nft::wire
