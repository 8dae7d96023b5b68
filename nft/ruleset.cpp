#include "nft/ruleset.hpp"

#include <algorithm>
#include <cstring>

#include "nft/error.hpp"

namespace podfence::nft {

namespace {

/// A register of nf_tables holds 4 bytes; every field of a concatenation starts at one
/// (NFT_REG32_SIZE in include/uapi/linux/netfilter/nf_tables.h).
constexpr std::size_t kRegisterBytes = 4;

constexpr std::size_t padded(std::size_t size) {
    return (size + kRegisterBytes - 1) / kRegisterBytes * kRegisterBytes;
}

void append_value(Key& key, FieldType type, const FieldValue& value, bool pad) {
    switch (type) {
        case FieldType::ipv4_addr:
        case FieldType::ipv6_addr: {
            const auto* address = std::get_if<Address>(&value);
            PODFENCE_CHECK(address != nullptr && address->size() == size_of(type));
            key.append(std::span(address->bytes()).first(address->size()), pad);
            return;
        }
        case FieldType::inet_service:
        case FieldType::ether_type: {
            const auto* port = std::get_if<std::uint16_t>(&value);
            PODFENCE_CHECK(port != nullptr);
            const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(*port >> 8),
                                                    static_cast<std::uint8_t>(*port)};
            key.append(bytes, pad);
            return;
        }
        case FieldType::iface_index: {
            const auto* number = std::get_if<std::uint32_t>(&value);
            PODFENCE_CHECK(number != nullptr);
            std::array<std::uint8_t, sizeof *number> bytes{};
            std::memcpy(bytes.data(), number, sizeof *number);
            key.append(bytes, pad);
            return;
        }
        case FieldType::inet_proto:
        case FieldType::icmpv6_type: {
            const auto* number = std::get_if<std::uint8_t>(&value);
            PODFENCE_CHECK(number != nullptr);
            key.append({number, 1}, pad);
            return;
        }
    }
    PODFENCE_CHECK(!"a field type without a case");
}

FieldValue read_value(FieldType type, std::span<const std::uint8_t> bytes) {
    switch (type) {
        case FieldType::ipv4_addr:
            return Address::v4(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                               std::uint32_t{bytes[2]} << 8 | bytes[3]);
        case FieldType::ipv6_addr: {
            std::array<std::uint8_t, 16> address{};
            std::ranges::copy(bytes, address.begin());
            return Address::v6(address);
        }
        case FieldType::inet_service:
        case FieldType::ether_type:
            return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
        case FieldType::iface_index: {
            std::uint32_t index = 0;
            std::memcpy(&index, bytes.data(), sizeof index);
            return index;
        }
        case FieldType::inet_proto:
        case FieldType::icmpv6_type:
            return bytes[0];
    }
    PODFENCE_CHECK(!"a field type without a case");
    return std::uint8_t{0};
}

}  // namespace

FieldType type_of(Field field) {
    switch (field) {
        case Field::ip_saddr:
        case Field::ip_daddr:
        case Field::arp_saddr_ip:
        case Field::arp_daddr_ip:
            return FieldType::ipv4_addr;
        case Field::ip6_saddr:
        case Field::ip6_daddr:
        case Field::nd_target:
            return FieldType::ipv6_addr;
        case Field::l4proto:
            return FieldType::inet_proto;
        case Field::th_dport:
        case Field::th_sport:
            return FieldType::inet_service;
        case Field::iif:
            return FieldType::iface_index;
        case Field::ether_type:
            return FieldType::ether_type;
        case Field::icmpv6_type:
            return FieldType::icmpv6_type;
    }
    PODFENCE_CHECK(!"a field without a case");
    return FieldType::inet_proto;
}

std::size_t size_of(FieldType type) {
    switch (type) {
        case FieldType::ipv4_addr:
        case FieldType::iface_index:
            return 4;
        case FieldType::ipv6_addr:
            return 16;
        case FieldType::inet_service:
        case FieldType::ether_type:
            return 2;
        case FieldType::inet_proto:
        case FieldType::icmpv6_type:
            return 1;
    }
    PODFENCE_CHECK(!"a field type without a case");
    return 0;
}

std::size_t padded_size_of(FieldType type) {
    return padded(size_of(type));
}

Key& Key::append(std::span<const std::uint8_t> bytes, bool pad) {
    const std::size_t size = pad ? nft::padded(bytes.size()) : bytes.size();
    PODFENCE_CHECK(size_ + size <= kBytesMax);
    // What lies beyond size_ is always zero, so the padding is there already.
    std::ranges::copy(bytes, bytes_.begin() + size_);
    size_ = static_cast<std::uint8_t>(size_ + size);
    return *this;
}

Key make_key(std::span<const FieldType> types, std::span<const FieldValue> values) {
    PODFENCE_CHECK(types.size() == values.size());
    const bool pad = types.size() > 1;
    Key key;
    for (std::size_t i = 0; i < types.size(); ++i) append_value(key, types[i], values[i], pad);
    return key;
}

std::vector<FieldValue> split_key(std::span<const FieldType> types, const Key& key) {
    const bool pad = types.size() > 1;
    std::vector<FieldValue> values;
    values.reserve(types.size());
    std::span<const std::uint8_t> rest = key.bytes();
    for (const FieldType type : types) {
        const std::size_t size = pad ? padded_size_of(type) : size_of(type);
        PODFENCE_CHECK(rest.size() >= size);
        values.push_back(read_value(type, rest.first(size_of(type))));
        rest = rest.subspan(size);
    }
    PODFENCE_CHECK(rest.empty());
    return values;
}

}  // namespace podfence::nft
