#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// The packets that sockets do not make for us, as bytes. Numbers in host byte order.
namespace podfence::lab {

using Bytes = std::vector<std::uint8_t>;

/// The part of an SCTP packet (RFC 9260) that a probe needs: its first chunk.
struct SctpPacket {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint32_t verification_tag = 0;
    std::uint8_t chunk_type = 0;
    std::uint32_t initiate_tag = 0;  ///< Of INIT and INIT ACK.
};
inline constexpr std::uint8_t kSctpInit = 1;
inline constexpr std::uint8_t kSctpInitAck = 2;
inline constexpr std::uint8_t kSctpAbort = 6;

/// INIT or INIT ACK with a correct CRC32c; conntrack calls any other invalid.
Bytes sctp_packet(const SctpPacket& packet);
std::optional<SctpPacket> parse_sctp(std::span<const std::uint8_t> bytes);

/// An echo request. The kernel fills in ICMPv6's checksum on raw sockets, ICMP's is ours.
Bytes echo_request(bool v6, std::uint16_t id, std::uint16_t sequence);
struct EchoReply {
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
};
/// nullopt for every other ICMP message.
std::optional<EchoReply> parse_echo_reply(bool v6, std::span<const std::uint8_t> bytes);

/// What follows the IPv4 header, which raw IPv4 sockets deliver and raw IPv6 sockets do not.
std::span<const std::uint8_t> skip_ipv4_header(std::span<const std::uint8_t> packet);

}  // namespace podfence::lab
