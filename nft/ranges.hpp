#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nft/addr.hpp"

namespace podfence::nft {

/// The addresses first..last of one family, both inclusive, first <= last.
struct Range {
    Address first;
    Address last;

    friend auto operator<=>(const Range&, const Range&) = default;
};

Range to_range(const Prefix& prefix);

/// "10.0.0.0/8" where the range is a block, "10.0.0.1" for one address, else "10.0.0.1-10.0.0.9":
/// exactly what nft prints.
std::string to_string(const Range& range);

/// The block that covers exactly this range, if there is one.
std::optional<Prefix> as_prefix(const Range& range);

/// A set of addresses of both families, always kept as the minimal list of disjoint, non-adjacent
/// ranges in ascending order (IPv4 before IPv6). Two sets with the same addresses compare equal.
/// This is what interval sets hold: never nft's auto-merge (semantics, corner cases 7 and 17).
class RangeSet {
  public:
    RangeSet() = default;
    /// From ranges in any order, overlapping or not.
    static RangeSet of(std::vector<Range> ranges);
    static RangeSet of(const Prefix& prefix) { return of({to_range(prefix)}); }

    std::span<const Range> ranges() const { return ranges_; }
    bool empty() const { return ranges_.empty(); }
    bool contains(const Address& address) const;

    friend RangeSet operator|(const RangeSet& a, const RangeSet& b);  ///< union
    friend RangeSet operator-(const RangeSet& a, const RangeSet& b);  ///< difference
    friend RangeSet operator&(const RangeSet& a, const RangeSet& b);  ///< intersection
    friend bool operator==(const RangeSet&, const RangeSet&) = default;

  private:
    std::vector<Range> ranges_;
};

}  // namespace podfence::nft
