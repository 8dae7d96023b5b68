#include <algorithm>

#include <catch2/catch.hpp>

#include "nft/ranges.hpp"

namespace podfence::nft {
namespace {

Range range(std::string_view first, std::string_view last) {
    return {.first = Address::parse(first).value(), .last = Address::parse(last).value()};
}

RangeSet blocks(std::initializer_list<std::string_view> prefixes) {
    std::vector<Range> ranges;
    for (const auto prefix : prefixes) ranges.push_back(to_range(Prefix::parse(prefix).value()));
    return RangeSet::of(std::move(ranges));
}

std::string text(const RangeSet& set) {
    std::string result;
    for (const Range& r : set.ranges()) result += (result.empty() ? "" : " ") + to_string(r);
    return result;
}

TEST_CASE("ranges print as nft does") {
    CHECK(to_string(range("10.0.0.0", "10.255.255.255")) == "10.0.0.0/8");
    CHECK(to_string(range("10.0.0.1", "10.0.0.1")) == "10.0.0.1");
    CHECK(to_string(range("10.0.0.1", "10.0.0.9")) == "10.0.0.1-10.0.0.9");
    CHECK(to_string(range("10.0.0.1", "10.0.0.2")) == "10.0.0.1-10.0.0.2");
    CHECK(to_string(range("0.0.0.0", "255.255.255.255")) == "0.0.0.0/0");
    CHECK(to_string(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")) == "::/0");
    CHECK(to_string(range("2001:db8::", "2001:db8::ff")) == "2001:db8::/120");
}

TEST_CASE("every prefix length of both families becomes a range and comes back") {
    for (const char* address : {"172.31.255.77", "2001:db8:aaaa:5555::7"}) {
        const Address a = Address::parse(address).value();
        for (unsigned length = 0; length <= address_bits(a.family()); ++length) {
            const Prefix prefix = *Prefix::make(a, length);
            CHECK(as_prefix(to_range(prefix)) == prefix);
        }
    }
}

TEST_CASE("except takes addresses out of a block") {  // N30, corner case 12
    CHECK(text(blocks({"10.0.0.0/8"}) - blocks({"10.1.0.0/16"})) ==
          "10.0.0.0/16 10.2.0.0-10.255.255.255");
    CHECK(text(blocks({"0.0.0.0/0"}) - blocks({"255.255.255.255/32", "0.0.0.0/32"})) ==
          "0.0.0.1-255.255.255.254");
    CHECK(text(blocks({"::/0"}) - blocks({"8000::/1"})) == "::/1");
    CHECK((blocks({"10.0.0.0/8"}) - blocks({"0.0.0.0/0"})).empty());
    CHECK(blocks({"10.0.0.0/8"}) - blocks({"::/0"}) == blocks({"10.0.0.0/8"}));  // N34
}

TEST_CASE("nested, equal and adjacent blocks join") {  // corner case 17
    CHECK(text(blocks({"10.0.0.0/9", "10.128.0.0/9", "10.3.0.0/16", "10.0.0.0/9"})) ==
          "10.0.0.0/8");
    CHECK(text(blocks({"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"})) == "0.0.0.0/0 ::/0");
    CHECK(text(blocks({"255.255.255.255/32", "::/128"})) == "255.255.255.255 ::");
}

/// Eight neighbouring addresses; bit i of a subset stands for the address at index i.
constexpr unsigned kDomain = 8;
using Domain = std::vector<Address>;

Domain domain_from(Address first) {
    Domain domain{first};
    while (domain.size() < kDomain) domain.push_back(domain.back().next().value());
    return domain;
}

Domain domain_up_to(Address last) {
    Domain domain{last};
    while (domain.size() < kDomain) {
        domain.insert(domain.begin(), domain.front().previous().value());
    }
    return domain;
}

/// The border between the families: four last IPv4 addresses, then four first IPv6 addresses.
Domain domain_across() {
    Domain domain = domain_up_to(Address::v4(0xffffffff));
    domain.erase(domain.begin(), domain.begin() + kDomain / 2);
    const Domain v6 = domain_from(Address::v6({}));
    domain.insert(domain.end(), v6.begin(), v6.begin() + kDomain / 2);
    return domain;
}

/// The canonical form by definition: maximal runs of set bits within one family.
std::vector<Range> runs(const Domain& domain, unsigned subset) {
    std::vector<Range> result;
    for (unsigned i = 0; i < kDomain; ++i) {
        if ((subset >> i & 1U) == 0) continue;
        const bool joins =
            i > 0 && (subset >> (i - 1) & 1U) != 0 && domain[i].family() == domain[i - 1].family();
        if (joins) {
            result.back().last = domain[i];
        } else {
            result.push_back({.first = domain[i], .last = domain[i]});
        }
    }
    return result;
}

RangeSet from_addresses(const Domain& domain, unsigned subset) {
    std::vector<Range> ranges;
    for (unsigned i = kDomain; i-- > 0;) {
        if ((subset >> i & 1U) != 0) ranges.push_back({.first = domain[i], .last = domain[i]});
    }
    return RangeSet::of(std::move(ranges));
}

bool holds(const RangeSet& set, const std::vector<Range>& expected) {
    return std::ranges::equal(set.ranges(), expected);
}

TEST_CASE("all pairs of subsets of eight addresses at every end of the families") {
    std::array<std::uint8_t, 16> ones{};
    ones.fill(255);
    const std::vector<Domain> domains{
        domain_from(Address::v4(0)), domain_up_to(Address::v4(0xffffffff)),
        domain_from(Address::v6({})), domain_up_to(Address::v6(ones)), domain_across()};
    for (const Domain& domain : domains) {
        INFO("domain from " << to_string(domain.front()));
        std::vector<RangeSet> sets;
        std::vector<std::vector<Range>> expected;
        for (unsigned subset = 0; subset < 1U << kDomain; ++subset) {
            sets.push_back(from_addresses(domain, subset));
            expected.push_back(runs(domain, subset));
            REQUIRE(holds(sets.back(), expected.back()));
            for (unsigned i = 0; i < kDomain; ++i) {
                REQUIRE(sets.back().contains(domain[i]) == ((subset >> i & 1U) != 0));
            }
        }
        std::size_t wrong = 0;
        for (unsigned a = 0; a < sets.size(); ++a) {
            for (unsigned b = 0; b < sets.size(); ++b) {
                wrong += holds(sets[a] | sets[b], expected[a | b]) ? 0 : 1;
                wrong += holds(sets[a] - sets[b], expected[a & ~b]) ? 0 : 1;
                wrong += holds(sets[a] & sets[b], expected[a & b]) ? 0 : 1;
            }
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("a range is a block exactly when some prefix has its ends") {
    for (const Domain& domain : {domain_from(Address::v4(0)), domain_up_to(Address::v4(~0U))}) {
        for (unsigned i = 0; i < kDomain; ++i) {
            for (unsigned j = i; j < kDomain; ++j) {
                const unsigned size = j - i + 1;
                const bool block = (size & (size - 1)) == 0 && i % size == 0;
                const Range r{.first = domain[i], .last = domain[j]};
                CHECK(as_prefix(r).has_value() == block);
                if (block) CHECK(to_range(*as_prefix(r)) == r);
            }
        }
    }
}

}  // namespace
}  // namespace podfence::nft
