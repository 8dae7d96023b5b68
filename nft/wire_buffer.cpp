#include "nft/wire_buffer.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/error.hpp"

namespace podfence::nft::wire {

nlmsghdr* WireBuffer::begin(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                            std::uint32_t sequence, std::uint16_t resource) {
    reserve(size_ + kMessageBytesMax);
    nlmsghdr* const message = mnl_nlmsg_put_header(data_.get() + size_);
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    message->nlmsg_seq = sequence;
    auto* const extra =
        static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    extra->nfgen_family = family;
    extra->version = NFNETLINK_V0;
    extra->res_id = htons(resource);
    return message;
}

void WireBuffer::clear() {
    size_ = last_ = 0;
    if (capacity_ > kKeptBytesMax) {
        data_.reset();
        capacity_ = 0;
    }
}

void WireBuffer::end() {
    const auto* const message = reinterpret_cast<const nlmsghdr*>(data_.get() + size_);
    PODFENCE_CHECK(message->nlmsg_len <= kMessageBytesMax);
    last_ = size_;
    size_ += MNL_ALIGN(message->nlmsg_len);
}

nlmsghdr* WireBuffer::last() {
    PODFENCE_CHECK(size_ != 0);
    return reinterpret_cast<nlmsghdr*>(data_.get() + last_);
}

void WireBuffer::append(std::span<const std::uint8_t> messages) {
    reserve(size_ + messages.size());
    std::memcpy(data_.get() + size_, messages.data(), messages.size());
    last_ = size_;
    size_ += messages.size();
}

void WireBuffer::reserve(std::size_t bytes) {
    if (bytes <= capacity_) {
        return;
    }
    const std::size_t capacity = std::max(bytes, capacity_ * 2);
    auto data = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    if (size_ != 0) {
        std::memcpy(data.get(), data_.get(), size_);
    }
    data_ = std::move(data);
    capacity_ = capacity;
}

}  // namespace podfence::nft::wire
