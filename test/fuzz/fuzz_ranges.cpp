// The interval algebra against a bitmap: 2^12 addresses at one end of a family.
//
// Input: one byte for family and end, then steps of 4 bytes: operation (2 bits), then start and
// length (12 bits each) of a range; the operation's right side gathers ranges until a step says to
// apply it.

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nft/error.hpp"
#include "nft/ranges.hpp"

namespace podfence::nft {
namespace {

constexpr unsigned kBits = 12;
constexpr std::size_t kAddresses = std::size_t{1} << kBits;
using Bitmap = std::bitset<kAddresses>;

/// Addresses by index; index 0 is the lowest.
class Domain {
  public:
    explicit Domain(std::uint8_t choice) : ipv6_((choice & 1U) != 0), end_((choice & 2U) != 0) {}

    Address at(std::size_t index) const {
        const auto low = static_cast<std::uint16_t>(index | (end_ ? 0xf000U : 0U));
        const std::uint8_t fill = end_ ? 0xff : 0;
        if (!ipv6_) return Address::v4((end_ ? 0xffff0000U : 0U) | low);
        std::array<std::uint8_t, 16> bytes{};
        bytes.fill(fill);
        bytes[14] = static_cast<std::uint8_t>(low >> 8);
        bytes[15] = static_cast<std::uint8_t>(low);
        return Address::v6(bytes);
    }

    /// The index of an address made by `at`.
    static std::size_t index_of(const Address& address) {
        const std::size_t size = address.size();
        return (address.bytes()[size - 2] << 8 | address.bytes()[size - 1]) & (kAddresses - 1);
    }

  private:
    bool ipv6_;
    bool end_;
};

Bitmap bits_from_to(std::size_t first, std::size_t last) {
    return Bitmap().set() >> (kAddresses - 1 - (last - first)) << first;
}

/// The set holds exactly the bitmap's addresses, in ranges that leave gaps between them.
void check_same(const Domain& domain, const RangeSet& set, const Bitmap& bits) {
    Bitmap seen;
    std::size_t free_from = 0;
    for (const Range& range : set.ranges()) {
        const std::size_t first = Domain::index_of(range.first);
        const std::size_t last = Domain::index_of(range.last);
        PODFENCE_CHECK(range.first == domain.at(first) && range.last == domain.at(last));
        PODFENCE_CHECK(free_from <= first && first <= last);
        free_from = last + 2;
        seen |= bits_from_to(first, last);
        const auto prefix = as_prefix(range);
        const std::size_t size = last - first + 1;
        PODFENCE_CHECK(prefix.has_value() == ((size & (size - 1)) == 0 && first % size == 0));
        if (prefix) PODFENCE_CHECK(to_range(*prefix) == range);
    }
    PODFENCE_CHECK(seen == bits);
}

void run(std::span<const std::uint8_t> input) {
    if (input.empty()) return;
    const Domain domain(input[0]);
    RangeSet set;
    Bitmap bits;
    std::vector<Range> right;
    Bitmap right_bits;
    for (input = input.subspan(1); input.size() >= 4; input = input.subspan(4)) {
        const std::size_t start = input[1] | (input[0] & 0xfU) << 8;
        const std::size_t wanted = input[2] | (input[3] & 0xfU) << 8;
        const std::size_t last = std::min(start + wanted, kAddresses - 1);
        right.push_back({.first = domain.at(start), .last = domain.at(last)});
        right_bits |= bits_from_to(start, last);

        const unsigned operation = input[0] >> 6;
        if (operation == 3) continue;
        const RangeSet operand = RangeSet::of(std::move(right));
        check_same(domain, operand, right_bits);
        set = operation == 0 ? set | operand : operation == 1 ? set - operand : set & operand;
        bits = operation == 0   ? bits | right_bits
               : operation == 1 ? bits & ~right_bits
                                : bits & right_bits;
        check_same(domain, set, bits);
        PODFENCE_CHECK(set.contains(domain.at(start)) == bits[start]);
        PODFENCE_CHECK(set.contains(domain.at(last)) == bits[last]);
        right.clear();
        right_bits.reset();
    }
}

}  // namespace
}  // namespace podfence::nft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    podfence::nft::run({data, size});
    return 0;
}
