#include "nft/ranges.hpp"

#include <algorithm>
#include <bit>

#include "nft/error.hpp"

namespace podfence::nft {

namespace {

/// True when no address lies between the ranges, `b` not starting before `a`. The last IPv4 address
/// has no successor, so families never touch (semantics N34).
bool touches(const Range& a, const Range& b) {
    if (a.first.family() != b.first.family()) return false;
    return b.first <= a.last || a.last.next() == b.first;
}

/// Joins what touches, in place; `ranges` is sorted.
void coalesce(std::vector<Range>& ranges) {
    if (ranges.empty()) return;
    auto out = ranges.begin();
    for (auto in = out + 1; in != ranges.end(); ++in) {
        if (touches(*out, *in)) {
            out->last = std::max(out->last, in->last);
        } else {
            *++out = *in;
        }
    }
    ranges.erase(out + 1, ranges.end());
}

unsigned common_bits(const Address& a, const Address& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto different = static_cast<std::uint8_t>(a.bytes()[i] ^ b.bytes()[i]);
        if (different != 0) return static_cast<unsigned>(i) * 8 + std::countl_zero(different);
    }
    return address_bits(a.family());
}

}  // namespace

Range to_range(const Prefix& prefix) {
    return {.first = prefix.first(), .last = prefix.last()};
}

std::string to_string(const Range& range) {
    if (range.first == range.last) return to_string(range.first);
    if (const auto prefix = as_prefix(range)) return to_string(*prefix);
    return to_string(range.first) + "-" + to_string(range.last);
}

std::optional<Prefix> as_prefix(const Range& range) {
    const auto block = Prefix::make(range.first, common_bits(range.first, range.last));
    PODFENCE_CHECK(block && range.first.family() == range.last.family());
    if (block->first() != range.first || block->last() != range.last) return std::nullopt;
    return block;
}

RangeSet RangeSet::of(std::vector<Range> ranges) {
    for (const Range& range : ranges) {
        PODFENCE_CHECK(range.first.family() == range.last.family() && range.first <= range.last);
    }
    std::ranges::sort(ranges);
    coalesce(ranges);
    RangeSet set;
    set.ranges_ = std::move(ranges);
    return set;
}

bool RangeSet::contains(const Address& address) const {
    const auto after = std::ranges::upper_bound(ranges_, address, {}, &Range::first);
    return after != ranges_.begin() && address <= std::prev(after)->last;
}

RangeSet operator|(const RangeSet& a, const RangeSet& b) {
    RangeSet result;
    result.ranges_.reserve(a.ranges_.size() + b.ranges_.size());
    std::ranges::merge(a.ranges_, b.ranges_, std::back_inserter(result.ranges_));
    coalesce(result.ranges_);
    return result;
}

RangeSet operator-(const RangeSet& a, const RangeSet& b) {
    RangeSet result;
    auto cut = b.ranges_.begin();
    for (Range rest : a.ranges_) {
        while (cut != b.ranges_.end() && cut->last < rest.first) ++cut;
        bool gone = false;
        while (!gone && cut != b.ranges_.end() && cut->first <= rest.last) {
            // What precedes a cut exists: the cut starts above the first address of the family.
            if (rest.first < cut->first) {
                result.ranges_.push_back({.first = rest.first, .last = *cut->first.previous()});
            }
            gone = rest.last <= cut->last;
            // A cut that reaches past `rest` may reach into the next range too: keep it.
            if (!gone) rest.first = *(cut++)->last.next();
        }
        if (!gone) result.ranges_.push_back(rest);
    }
    return result;
}

RangeSet operator&(const RangeSet& a, const RangeSet& b) {
    RangeSet result;
    auto left = a.ranges_.begin();
    auto right = b.ranges_.begin();
    while (left != a.ranges_.end() && right != b.ranges_.end()) {
        const Range both{.first = std::max(left->first, right->first),
                         .last = std::min(left->last, right->last)};
        // Pieces of disjoint, non-adjacent ranges are themselves disjoint and non-adjacent.
        if (both.first <= both.last) result.ranges_.push_back(both);
        if (left->last < right->last) {
            ++left;
        } else {
            ++right;
        }
    }
    return result;
}

}  // namespace podfence::nft
