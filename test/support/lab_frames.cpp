#include "test/support/lab_frames.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace podfence::lab {
namespace {

constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpV6 = 58;
constexpr std::size_t kBurst = 256;

void put16(Bytes& out, std::uint16_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

void put(Bytes& out, std::span<const std::uint8_t> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

void put(Bytes& out, const Address& address) {
    put(out, std::span(address.bytes()).first(address.size()));
}

/// RFC 1071, over `bytes` and what `sum` has already.
std::uint16_t checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
    }
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

Bytes header(const Wire& wire, std::uint16_t type) {
    Bytes frame;
    put(frame, wire.destination);
    put(frame, wire.source);
    put16(frame, type);
    return frame;
}

/// The checksum of what a pseudo header protects (RFC 768, RFC 8200).
std::uint16_t transport_checksum(const Address& from, const Address& to, std::uint8_t protocol,
                                 const Bytes& segment) {
    Bytes all;
    put(all, from);
    put(all, to);
    put16(all, static_cast<std::uint16_t>(segment.size()));
    put16(all, protocol);
    put(all, segment);
    const std::uint16_t sum = checksum(all);
    return sum == 0 ? 0xffff : sum;
}

/// Puts the IP header before the segment. Neighbour discovery must have a hop limit of 255.
Bytes ip_frame(const Wire& wire, const Address& from, const Address& to, std::uint8_t protocol,
               std::uint8_t hops, const Bytes& segment) {
    const bool v4 = from.family() == nft::Family::ipv4;
    Bytes frame = header(wire, v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
    if (v4) {
        Bytes ip{0x45, 0};
        put16(ip, static_cast<std::uint16_t>(20 + segment.size()));
        put(ip, Bytes{0, 0, 0x40, 0, hops, protocol, 0, 0});
        put(ip, from);
        put(ip, to);
        const std::uint16_t sum = checksum(ip);
        ip[10] = static_cast<std::uint8_t>(sum >> 8);
        ip[11] = static_cast<std::uint8_t>(sum);
        put(frame, ip);
    } else {
        put(frame, Bytes{0x60, 0, 0, 0});
        put16(frame, static_cast<std::uint16_t>(segment.size()));
        put(frame, Bytes{protocol, hops});
        put(frame, from);
        put(frame, to);
    }
    put(frame, segment);
    return frame;
}

}  // namespace

Bytes udp_frame(const Wire& wire, const Address& from, const Address& to, std::uint16_t port,
                std::span<const std::uint8_t> payload) {
    Bytes segment;
    put16(segment, 40'000);
    put16(segment, port);
    put16(segment, static_cast<std::uint16_t>(8 + payload.size()));
    put16(segment, 0);
    put(segment, payload);
    const std::uint16_t sum = transport_checksum(from, to, kUdp, segment);
    segment[6] = static_cast<std::uint8_t>(sum >> 8);
    segment[7] = static_cast<std::uint8_t>(sum);
    return ip_frame(wire, from, to, kUdp, 64, segment);
}

Bytes arp_frame(const Wire& wire, std::uint16_t operation, const Address& sender,
                const Address& target) {
    Bytes frame = header(wire, ETHERTYPE_ARP);
    put16(frame, 1);
    put16(frame, ETHERTYPE_IP);
    put(frame, Bytes{6, 4});
    put16(frame, operation);
    put(frame, wire.source);
    put(frame, sender);
    put(frame, operation == 1 ? Mac{} : wire.destination);
    put(frame, target);
    return frame;
}

Bytes neighbour_frame(const Wire& wire, std::uint8_t type, const Address& from, const Address& to,
                      const Address& target) {
    // A solicited answer that overrides, with the sender's link-layer address.
    Bytes segment{type, 0, 0, 0, static_cast<std::uint8_t>(type == 136 ? 0x60 : 0), 0, 0, 0};
    put(segment, target);
    put(segment, Bytes{static_cast<std::uint8_t>(type == 136 ? 2 : 1), 1});
    put(segment, wire.source);
    const std::uint16_t sum = transport_checksum(from, to, kIcmpV6, segment);
    segment[2] = static_cast<std::uint8_t>(sum >> 8);
    segment[3] = static_cast<std::uint8_t>(sum);
    return ip_frame(wire, from, to, kIcmpV6, 255, segment);
}

Bytes tagged(const Bytes& frame, std::uint16_t vlan) {
    Bytes tag;
    put16(tag, ETHERTYPE_VLAN);
    put16(tag, vlan);
    Bytes result = frame;
    result.insert(result.begin() + 12, tag.begin(), tag.end());
    return result;
}

Mac mac_of(const std::string& interface) {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface.copy(static_cast<char*>(request.ifr_name), IFNAMSIZ - 1);
    if (!fd || ::ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0) fail_errno("the MAC address");
    Mac mac{};
    std::memcpy(mac.data(), static_cast<char*>(request.ifr_hwaddr.sa_data), mac.size());
    return mac;
}

Cable::Cable(const NetNs& ns) {
    const Stay stay = ns.enter();
    fd_ = UniqueFd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll own{};
    own.sll_family = AF_PACKET;
    own.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    if (!fd_ || ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
        fail_errno("a raw socket on eth0");
    }
    mac_ = mac_of("eth0");
}

void Cable::send(std::span<const Bytes> frames) {
    while (!frames.empty()) {
        const std::size_t count = std::min(frames.size(), kBurst);
        std::array<iovec, kBurst> parts{};
        std::array<mmsghdr, kBurst> messages{};
        for (std::size_t i = 0; i < count; ++i) {
            parts[i] = {.iov_base = const_cast<std::uint8_t*>(frames[i].data()),  // For sending.
                        .iov_len = frames[i].size()};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        const int sent = ::sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), 0);
        if (sent <= 0) fail_errno("sending raw frames");
        frames = frames.subspan(static_cast<std::size_t>(sent));
    }
}

}  // namespace podfence::lab
