// Addresses that the node does not use.
#include <array>
#include <cerrno>
#include <random>
#include <utility>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "controller/self_test/pods.hpp"

namespace podfence::self_test {

namespace {

constexpr std::size_t kAttemptsMax = 32;

std::uint8_t family_of(const Address& address) {
    return address.family() == nft::Family::ipv4 ? AF_INET : AF_INET6;
}

/// Whether a packet there would take a default route, or none.
nft::Result<bool> is_free(RouteOrders& socket, const Address& address) {
    RouteMessage message(RTM_GETROUTE, 0);
    auto& header = message.header<rtmsg>();
    header.rtm_family = family_of(address);
    header.rtm_dst_len = static_cast<std::uint8_t>(nft::address_bits(address.family()));
    header.rtm_flags = RTM_F_FIB_MATCH;
    message.put(RTA_DST, address);
    unsigned prefix = 0;
    const auto asked = socket.ask(message, "ask for a route", [&](const RouteAnswer& answer) {
        if (const auto route = answer.header<rtmsg>()) prefix = route->rtm_dst_len;
    });
    if (asked) return prefix == 0;
    // No route at all; or one that refuses, which is somebody's purpose.
    if (asked.error().os_error == ENETUNREACH) return true;
    if (asked.error().os_error == EHOSTUNREACH || asked.error().os_error == EACCES) return false;
    return asked.error();
}

/// Neighbours, the lower one even.
std::pair<Address, Address> candidates(nft::Family family, std::uint32_t number) {
    if (family == nft::Family::ipv4) {
        constexpr std::uint32_t kFirst = 0xc6120000;  // 198.18.0.0/15
        const std::uint32_t at = kFirst + (number % 0x10000U) * 2;
        return {Address::v4(at), Address::v4(at + 1)};
    }
    std::array<std::uint8_t, 16> bytes{0xfd, 'p', 'o', 'd', 'f', 'e'};
    bytes[6] = static_cast<std::uint8_t>(number >> 8U);
    bytes[7] = static_cast<std::uint8_t>(number);
    bytes[15] = 2;
    auto next = bytes;
    next[15] = 3;
    return {Address::v6(bytes), Address::v6(next)};
}

}  // namespace

nft::Result<PodAddresses> free_addresses(const std::vector<nft::Family>& families) {
    auto socket = RouteOrders::open();
    if (!socket) return socket.error();
    std::random_device random;
    PodAddresses addresses;
    for (const auto family : families) {
        bool found = false;
        for (std::size_t i = 0; i < kAttemptsMax && !found; ++i) {
            const auto [first, second] = candidates(family, random());
            const auto first_free = is_free(*socket, first);
            const auto second_free = is_free(*socket, second);
            if (!first_free) return first_free.error();
            if (!second_free) return second_free.error();
            found = *first_free && *second_free;
            if (!found) continue;
            addresses.first.push_back(first);
            addresses.second.push_back(second);
        }
        if (!found) {
            return nft::Error{.code = nft::Errc::rejected,
                              .os_error = EADDRINUSE,
                              .doing = "find addresses for the self-test's pods"};
        }
    }
    return addresses;
}

}  // namespace podfence::self_test
