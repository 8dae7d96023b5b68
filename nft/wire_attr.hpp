#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

/// Reading netlink without trusting a single length in it. libnftnl does not read for us: it ends
/// the process when an attribute has another size than it expects (abi_breakage() in its
/// include/utils.h), and what we read may have been written by anyone.
namespace podfence::nft::wire {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t aligned(std::size_t size) {
    return (size + NLMSG_ALIGNTO - 1) & ~std::size_t{NLMSG_ALIGNTO - 1};
}

template <class T>
T read_object(Bytes bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

/// One netlink message; `body` follows the netlink header.
struct Message {
    nlmsghdr header{};
    Bytes body;

    unsigned subsystem() const { return header.nlmsg_type >> 8U; }
    unsigned type() const { return header.nlmsg_type & 0xffU; }
};

/// Cuts one datagram into messages.
class MessageReader {
  public:
    explicit MessageReader(Bytes datagram) : rest_(datagram) {}

    std::optional<Message> next() {
        if (rest_.size() < sizeof(nlmsghdr)) {
            return std::nullopt;
        }
        const auto header = read_object<nlmsghdr>(rest_);
        if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > rest_.size()) {
            return std::nullopt;
        }
        const Message message{header,
                              rest_.subspan(sizeof(nlmsghdr), header.nlmsg_len - sizeof(nlmsghdr))};
        rest_ = rest_.subspan(std::min(aligned(header.nlmsg_len), rest_.size()));
        return message;
    }
    /// Whether something was left that is no message.
    bool malformed() const { return !rest_.empty(); }

  private:
    Bytes rest_;
};

struct Attr {
    std::uint16_t type = 0;  ///< Without the flags for nesting and byte order.
    Bytes value;
};

/// Cuts a message's or a nest's payload into attributes; ends where they stop making sense.
class AttrReader {
  public:
    explicit AttrReader(Bytes payload) : rest_(payload) {}

    std::optional<Attr> next() {
        if (rest_.size() < sizeof(nlattr)) {
            return std::nullopt;
        }
        const auto header = read_object<nlattr>(rest_);
        if (header.nla_len < sizeof(nlattr) || header.nla_len > rest_.size()) {
            return std::nullopt;
        }
        const Attr attr{static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                        rest_.subspan(sizeof(nlattr), header.nla_len - sizeof(nlattr))};
        rest_ = rest_.subspan(std::min(aligned(header.nla_len), rest_.size()));
        return attr;
    }

  private:
    Bytes rest_;
};

/// The attributes of one nest by type, 0..Max; those above are of newer kernels and left out.
template <unsigned Max>
class Attrs {
  public:
    explicit Attrs(Bytes payload) {
        AttrReader reader(payload);
        while (const std::optional<Attr> attr = reader.next()) {
            if (attr->type <= Max) {
                values_[attr->type] = attr->value;
            }
        }
    }

    bool has(unsigned type) const { return values_[type].has_value(); }
    /// Empty when there is none.
    Bytes bytes(unsigned type) const { return values_[type].value_or(Bytes{}); }
    /// nullopt when there is none or its size is another. Attributes of nf_tables are big-endian.
    std::optional<std::uint32_t> u32(unsigned type) const { return number<std::uint32_t>(type); }
    std::optional<std::uint64_t> u64(unsigned type) const { return number<std::uint64_t>(type); }
    std::optional<std::uint16_t> u16(unsigned type) const { return number<std::uint16_t>(type); }
    /// Up to its zero; empty when there is none.
    std::string string(unsigned type) const {
        const Bytes value = bytes(type);
        std::size_t size = 0;
        while (size < value.size() && value[size] != 0) {
            ++size;
        }
        return {reinterpret_cast<const char*>(value.data()), size};
    }

  private:
    template <class T>
    std::optional<T> number(unsigned type) const {
        const Bytes value = bytes(type);
        if (value.size() != sizeof(T)) {
            return std::nullopt;
        }
        T result = 0;
        for (const std::uint8_t byte : value) {
            result = static_cast<T>(result << 8U | byte);
        }
        return result;
    }

    std::array<std::optional<Bytes>, Max + 1> values_{};
};

/// The attributes behind the nfgenmsg of an nfnetlink message; empty when it is too short.
inline Bytes attributes_of(const Message& message) {
    return message.body.size() < sizeof(nfgenmsg) ? Bytes{}
                                                  : message.body.subspan(sizeof(nfgenmsg));
}

}  // namespace podfence::nft::wire
