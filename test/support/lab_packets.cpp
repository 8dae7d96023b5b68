#include "test/support/lab_packets.hpp"

namespace podfence::lab {
namespace {

void put16(Bytes& bytes, std::uint16_t value) {
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& bytes, std::uint32_t value) {
    put16(bytes, static_cast<std::uint16_t>(value >> 16));
    put16(bytes, static_cast<std::uint16_t>(value));
}

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::uint32_t get32(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

std::uint32_t crc32c(std::span<const std::uint8_t> bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const auto byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0x82f63b78 & (0 - (crc & 1)));
    }
    return ~crc;
}

/// RFC 1071.
std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += get16(bytes, i);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace

Bytes sctp_packet(const SctpPacket& packet) {
    constexpr std::size_t kChecksumAt = 8;
    Bytes bytes;
    put16(bytes, packet.source_port);
    put16(bytes, packet.destination_port);
    put32(bytes, packet.verification_tag);
    put32(bytes, 0);  // checksum
    const bool ack = packet.chunk_type == kSctpInitAck;
    bytes.push_back(packet.chunk_type);
    bytes.push_back(0);
    put16(bytes, ack ? 28 : 20);  // chunk length
    put32(bytes, packet.initiate_tag);
    put32(bytes, 65536);  // advertised receiver window
    put16(bytes, 1);      // streams out
    put16(bytes, 1);      // streams in
    put32(bytes, 1);      // initial TSN
    if (ack) {
        put16(bytes, 7);  // parameter: state cookie
        put16(bytes, 8);
        put32(bytes, 0);
    }
    const std::uint32_t crc = crc32c(bytes);
    for (std::size_t i = 0; i < 4; ++i)  // the only little-endian field
        bytes[kChecksumAt + i] = static_cast<std::uint8_t>(crc >> 8 * i);
    return bytes;
}

std::optional<SctpPacket> parse_sctp(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < 16) return std::nullopt;
    SctpPacket packet{.source_port = get16(bytes, 0),
                      .destination_port = get16(bytes, 2),
                      .verification_tag = get32(bytes, 4),
                      .chunk_type = bytes[12]};
    const bool has_tag = packet.chunk_type == kSctpInit || packet.chunk_type == kSctpInitAck;
    if (has_tag && bytes.size() < 20) return std::nullopt;
    if (has_tag) packet.initiate_tag = get32(bytes, 16);
    return packet;
}

Bytes echo_request(bool v6, std::uint16_t id, std::uint16_t sequence) {
    Bytes bytes{static_cast<std::uint8_t>(v6 ? 128 : 8), 0};
    put16(bytes, 0);
    put16(bytes, id);
    put16(bytes, sequence);
    if (!v6) {
        const std::uint16_t sum = internet_checksum(bytes);
        bytes[2] = static_cast<std::uint8_t>(sum >> 8);
        bytes[3] = static_cast<std::uint8_t>(sum);
    }
    return bytes;
}

std::optional<EchoReply> parse_echo_reply(bool v6, std::span<const std::uint8_t> bytes) {
    if (bytes.size() < 8 || bytes[0] != (v6 ? 129 : 0)) return std::nullopt;
    return EchoReply{.id = get16(bytes, 4), .sequence = get16(bytes, 6)};
}

std::span<const std::uint8_t> skip_ipv4_header(std::span<const std::uint8_t> packet) {
    if (packet.empty()) return packet;
    const std::size_t header = std::size_t{4} * (packet[0] & 0x0fU);
    return header > packet.size() ? std::span<const std::uint8_t>{} : packet.subspan(header);
}

}  // namespace podfence::lab
