#include "nft/wire_types.hpp"

#include <algorithm>
#include <cstring>

#include <linux/netfilter/nf_tables.h>

#include "nft/error.hpp"

namespace podfence::nft::wire {

namespace {

constexpr unsigned kTypeBits = 6;
constexpr std::uint32_t kTypeMask = (1U << kTypeBits) - 1;
constexpr unsigned kWordsOfWideRegister = 4;

struct TypeId {
    FieldType type;
    std::uint32_t id;
};
constexpr std::array<TypeId, 7> kTypeIds{{{FieldType::ipv4_addr, 7},
                                          {FieldType::ipv6_addr, 8},
                                          {FieldType::inet_proto, 12},
                                          {FieldType::inet_service, 13},
                                          {FieldType::icmpv6_type, 29},
                                          {FieldType::iface_index, 20},
                                          {FieldType::ether_type, 10}}};

}  // namespace

std::uint32_t register_of(unsigned word) {
    PODFENCE_CHECK(word < kRegisterWords);
    return word % kWordsOfWideRegister == 0 ? NFT_REG_1 + word / kWordsOfWideRegister
                                            : NFT_REG32_00 + word;
}

std::optional<unsigned> word_of(std::uint32_t reg) {
    if (reg >= NFT_REG_1 && reg <= NFT_REG_4) {
        return (reg - NFT_REG_1) * kWordsOfWideRegister;
    }
    if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15) {
        return reg - NFT_REG32_00;
    }
    return std::nullopt;
}

std::uint32_t type_id(std::span<const FieldType> key) {
    std::uint32_t id = 0;
    for (const FieldType type : key) {
        const auto* const entry = std::ranges::find(kTypeIds, type, &TypeId::type);
        PODFENCE_CHECK(entry != kTypeIds.end());
        id = id << kTypeBits | entry->id;
    }
    return id;
}

std::optional<std::vector<FieldType>> fields_of(std::uint32_t type_id) {
    std::vector<FieldType> fields;
    for (; type_id != 0; type_id >>= kTypeBits) {
        const auto* const entry = std::ranges::find(kTypeIds, type_id & kTypeMask, &TypeId::id);
        if (entry == kTypeIds.end()) {
            return std::nullopt;
        }
        fields.push_back(entry->type);
    }
    if (fields.empty() || key_size(fields) > Key::kBytesMax) {
        return std::nullopt;
    }
    std::ranges::reverse(fields);
    return fields;
}

std::size_t key_size(std::span<const FieldType> key) {
    if (key.size() == 1) {
        return size_of(key.front());
    }
    std::size_t size = 0;
    for (const FieldType type : key) {
        size += padded_size_of(type);
    }
    return size;
}

std::uint32_t set_flags(const SetSpec& spec, bool map) {
    std::uint32_t flags = map ? NFT_SET_MAP : 0;
    if (spec.interval) {
        flags |= NFT_SET_INTERVAL;
        if (spec.key.size() > 1) {
            flags |= NFT_SET_CONCAT;
        }
    }
    return flags;
}

void UdataWriter::put(Udata type, std::span<const std::uint8_t> value) {
    PODFENCE_CHECK(value.size() <= 255 && size_ + 2 + value.size() <= bytes_.size());
    bytes_[size_++] = static_cast<std::uint8_t>(type);
    bytes_[size_++] = static_cast<std::uint8_t>(value.size());
    std::ranges::copy(value, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += value.size();
}

void UdataWriter::put_u32(Udata type, std::uint32_t value) {
    std::array<std::uint8_t, sizeof value> bytes;
    std::memcpy(bytes.data(), &value, sizeof value);
    put(type, bytes);
}

void UdataWriter::put_string(Udata type, std::string_view text) {
    PODFENCE_CHECK(text.size() <= kCommentBytesMax && size_ + 3 + text.size() <= bytes_.size());
    bytes_[size_++] = static_cast<std::uint8_t>(type);
    bytes_[size_++] = static_cast<std::uint8_t>(text.size() + 1);
    std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
    bytes_[size_++] = 0;
}

std::string udata_string(std::span<const std::uint8_t> udata, Udata type) {
    while (udata.size() >= 2 && udata.size() >= std::size_t{2} + udata[1]) {
        const std::span value = udata.subspan(2, udata[1]);
        if (udata[0] == static_cast<std::uint8_t>(type)) {
            const auto end = std::ranges::find(value, std::uint8_t{0});
            return {value.begin(), end};
        }
        udata = udata.subspan(std::size_t{2} + udata[1]);
    }
    return {};
}

}  // namespace podfence::nft::wire
