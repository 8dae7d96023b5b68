#include "test/bench/by_hand.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "test/support/netns.hpp"

namespace podfence::bench {
namespace {

constexpr std::size_t kElementsOfAMessage = 1000;  // An attribute ends at 64 KiB.
constexpr std::size_t kSpareElements = 64;
constexpr std::size_t kMessageBytesMax = 128UL * 1024;
constexpr std::uint32_t kFirstAddress = 0x0a000000;
constexpr int kBufferBytes = 16 << 20;

using Set = std::unique_ptr<nftnl_set, decltype(&nftnl_set_free)>;

Set elements(std::size_t first, std::size_t end) {
    Set set(nftnl_set_alloc(), nftnl_set_free);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, "byhand");
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, "addresses");
    for (std::size_t i = first; i < end; ++i) {
        const std::uint32_t address = htonl(kFirstAddress + static_cast<std::uint32_t>(i));
        auto* element = nftnl_set_elem_alloc();
        nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, &address, sizeof address);
        nftnl_set_elem_add(set.get(), element);
    }
    return set;
}

/// Messages between the two that make a transaction of them; the last one asks for an answer.
class Transaction {
  public:
    Transaction() : room_(kMessageBytesMax) { keep(nftnl_batch_begin(at(), 0)); }
    template <class Put>
    void add(std::uint16_t type, std::uint16_t flags, const Put& put,
             std::uint8_t family = NFPROTO_INET) {
        last_ = datagram_.size();
        auto* message = nftnl_nlmsg_build_hdr(at(), type, family, flags, 1);
        put(message);
        keep(message);
    }
    Datagram finish() && {
        nlmsghdr header{};
        std::memcpy(&header, datagram_.data() + last_, sizeof header);
        header.nlmsg_flags |= NLM_F_ACK;
        std::memcpy(datagram_.data() + last_, &header, sizeof header);
        keep(nftnl_batch_end(at(), 2));
        return std::move(datagram_);
    }

  private:
    char* at() { return reinterpret_cast<char*>(room_.data()); }
    void keep(const nlmsghdr* message) {
        datagram_.insert(datagram_.end(), room_.begin(), room_.begin() + message->nlmsg_len);
    }

    Datagram room_;
    Datagram datagram_{};
    std::size_t last_ = 0;
};

Datagram all_elements(std::uint16_t type, std::size_t count) {
    Transaction transaction;
    for (std::size_t first = 0; first < count; first += kElementsOfAMessage) {
        const std::size_t end = std::min(count, first + kElementsOfAMessage);
        transaction.add(type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0, [&](nlmsghdr* to) {
            nftnl_set_elems_nlmsg_build_payload(to, elements(first, end).get());
        });
    }
    return std::move(transaction).finish();
}

}  // namespace

ByHand::ByHand() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)) {
    if (!socket_) lab::fail_errno("netlink socket");
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes,
                     sizeof kBufferBytes) != 0)
        lab::fail_errno("SO_SNDBUFFORCE");
}

void ByHand::transact(std::span<const std::uint8_t> datagram) {
    if (::send(socket_.get(), datagram.data(), datagram.size(), 0) < 0)
        lab::fail_errno("send to nf_tables by hand");
    std::array<std::uint8_t, 8192> answer{};
    if (::recv(socket_.get(), answer.data(), answer.size(), 0) < 0)
        lab::fail_errno("receive from nf_tables by hand");
    nlmsghdr header{};
    nlmsgerr error{};
    std::memcpy(&header, answer.data(), sizeof header);
    std::memcpy(&error, answer.data() + sizeof header, sizeof error);
    if (header.nlmsg_type != NLMSG_ERROR || error.error != 0)
        lab::fail(std::string("a transaction by hand: ") + std::strerror(-error.error));
}

ElementsByHand::ElementsByHand(std::size_t count)
    : add_(all_elements(NFT_MSG_NEWSETELEM, count)),
      remove_(all_elements(NFT_MSG_DELSETELEM, count)) {
    test::nft_load("table inet byhand {\n set addresses {\n type ipv4_addr\n size " +
                   std::to_string(count + kSpareElements) + "\n }\n}\n");
}

Datagram sleep_or_wake(const std::vector<Sleeper>& tables) {
    Transaction transaction;
    for (const auto& [id, asleep] : tables) {
        const std::unique_ptr<nftnl_table, decltype(&nftnl_table_free)> table(nftnl_table_alloc(),
                                                                              nftnl_table_free);
        nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, id.name.c_str());
        nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS,
                            asleep ? std::uint32_t{NFT_TABLE_F_DORMANT} : 0);
        transaction.add(
            NFT_MSG_NEWTABLE, 0,
            [&](nlmsghdr* to) { nftnl_table_nlmsg_build_payload(to, table.get()); },
            id.family == nft::TableFamily::netdev ? NFPROTO_NETDEV : NFPROTO_INET);
    }
    return std::move(transaction).finish();
}

}  // namespace podfence::bench
