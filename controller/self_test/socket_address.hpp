#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "controller/self_test/flows.hpp"

namespace podfence::self_test {

/// An address and port as socket calls take them.
class SocketAddress {
  public:
    SocketAddress(const Address& address, std::uint16_t port) {
        if (address.family() == nft::Family::ipv4) {
            sockaddr_in v4{};
            v4.sin_family = AF_INET;
            v4.sin_port = htons(port);
            std::memcpy(&v4.sin_addr, address.bytes().data(), sizeof v4.sin_addr);
            std::memcpy(&storage_, &v4, sizeof v4);
            size_ = sizeof v4;
        } else {
            sockaddr_in6 v6{};
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(port);
            std::memcpy(&v6.sin6_addr, address.bytes().data(), sizeof v6.sin6_addr);
            std::memcpy(&storage_, &v6, sizeof v6);
            size_ = sizeof v6;
        }
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size() const { return size_; }

  private:
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

/// Where a flow to the pod with these addresses goes; one of them must be of its family.
inline SocketAddress address_of(const std::vector<Address>& pod, const Flow& flow) {
    const auto found = std::ranges::find(pod, flow.family, &Address::family);
    PODFENCE_CHECK(found != pod.end());
    return {*found, port_of(flow.expected)};
}

}  // namespace podfence::self_test
