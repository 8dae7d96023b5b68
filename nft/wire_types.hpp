#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nft/ruleset.hpp"

/// Numbers that encoding and decoding share: what nf_tables stores for userspace without looking
/// at it (type ids, userdata) is defined by nft, and `nft list` prints our sets only if they match.
namespace podfence::nft::wire {

/// Registers as 32-bit words 0..15. nf_tables has two numberings of the same 64 bytes: NFT_REG_1..4
/// are 16 bytes wide, NFT_REG32_00..15 4 bytes.
inline constexpr unsigned kRegisterWords = 16;
/// The number nft and the kernel's dumps use: NFT_REG_1..4 at 16-byte borders, NFT_REG32_* else.
std::uint32_t register_of(unsigned word);
/// nullopt: no data register (e.g. NFT_REG_VERDICT).
std::optional<unsigned> word_of(std::uint32_t reg);

/// nft's data type id of a key: TYPE_* of include/datatype.h of nftables, concatenated by shifts of
/// 6 bits (TYPE_BITS).
std::uint32_t type_id(std::span<const FieldType> key);
/// nullopt: a type we never write.
std::optional<std::vector<FieldType>> fields_of(std::uint32_t type_id);

/// Bytes of a key of these fields: one field plain, more than one padded to 4 each.
std::size_t key_size(std::span<const FieldType> key);

/// NFT_TABLE_F_OWNER and NFT_TABLE_F_PERSIST of linux/netfilter/nf_tables.h, of which older headers
/// know less than the kernel.
inline constexpr std::uint32_t kTableOwner = 2;
inline constexpr std::uint32_t kTablePersist = 4;

/// NFT_SET_* of a set or map of ours.
std::uint32_t set_flags(const SetSpec& spec, bool map);

/// Types of the userdata records (libnftnl's udata.h names them; a record is type, length, value).
enum class Udata : std::uint8_t {
    table_comment = 0,
    chain_comment = 0,
    rule_comment = 0,
    element_comment = 0,
    element_flags = 1,
    set_key_byteorder = 0,
    set_data_byteorder = 1,
    set_comment = 7,
};
/// NFTNL_SET_ELEM_F_INTERVAL_OPEN: this start has no end, it reaches to the last address.
inline constexpr std::uint32_t kElementIntervalOpen = 1;

/// Userdata is limited to 256 bytes by the kernel (NFT_USERDATA_MAXLEN).
class UdataWriter {
  public:
    void put(Udata type, std::span<const std::uint8_t> value);
    /// In host byte order, as nft writes it.
    void put_u32(Udata type, std::uint32_t value);
    /// With its terminating zero. At most kCommentBytesMax bytes; checked by the caller.
    void put_string(Udata type, std::string_view text);
    std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }

  private:
    std::array<std::uint8_t, 256> bytes_;
    std::size_t size_ = 0;
};

/// The string of the first record of `type`, without its zero; empty when there is none.
std::string udata_string(std::span<const std::uint8_t> udata, Udata type);

}  // namespace podfence::nft::wire
