#include <unordered_set>

#include <catch2/catch.hpp>

#include "nft/addr.hpp"

namespace podfence::nft {
namespace {

Address address(std::string_view text) {
    const auto parsed = Address::parse(text);
    REQUIRE(parsed);
    return *parsed;
}

TEST_CASE("addresses parse strictly and print canonically") {
    CHECK(address("10.0.0.1") == Address::v4(0x0a000001));
    CHECK(to_string(address("2001:DB8:0:0::1")) == "2001:db8::1");  // corner case 21
    CHECK(to_string(address("0.0.0.0")) == "0.0.0.0");
    CHECK(to_string(address("::")) == "::");
    CHECK(to_string(address("fe80:0:0:1:0:0:0:1")) == "fe80:0:0:1::1");

    for (const char* bad :
         {"",           "10",         "10.0.0",       "10.0.0.0.0",       "10.0.0.256",
          "010.0.0.1",  "10.0.0.01",  "10.0.0.-1",    "+1.0.0.0",         "10.0.0.1 ",
          " 10.0.0.1",  "10.0.0.",    ".10.0.0",      "10..0.0",          "0x10.0.0.1",
          "10.0.0.1/8", "1000.0.0.0", "fe80::1%eth0", "fe80::1%1",        ":",
          ":::",        "1::2::3",    "12345::",      "::ffff:010.0.0.1", "1:2:3:4:5:6:7:8:9",
          "[::1]",      "::g"}) {
        INFO(bad);
        CHECK_FALSE(Address::parse(bad));
    }
    CHECK_FALSE(Address::parse(std::string_view("::1\0", 4)));
    CHECK_FALSE(Address::parse(std::string_view("1.2.3.4\0", 8)));
    CHECK_FALSE(Address::parse(std::string(1000, ':')));
}

TEST_CASE("an IPv4-mapped IPv6 address stays IPv6") {  // N34
    const Address mapped = address("::ffff:10.0.0.1");
    CHECK(mapped.family() == Family::ipv6);
    CHECK(mapped != address("10.0.0.1"));
    CHECK(to_string(mapped) == "::ffff:10.0.0.1");
}

TEST_CASE("addresses order by family, then as numbers, up to the last one") {
    CHECK(address("9.255.255.255") < address("10.0.0.0"));
    CHECK(address("255.255.255.255") < address("::"));
    CHECK(address("10.0.0.255").next() == address("10.0.1.0"));
    CHECK(address("10.0.1.0").previous() == address("10.0.0.255"));
    CHECK_FALSE(address("255.255.255.255").next());
    CHECK_FALSE(address("0.0.0.0").previous());
    CHECK(address("::ffff").next() == address("::1:0"));
    CHECK(address("1::").previous() == address("0:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    CHECK_FALSE(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").next());
    CHECK_FALSE(address("::").previous());
}

TEST_CASE("prefixes mask host bits and refuse what is not one") {
    CHECK(to_string(*Prefix::parse("10.0.0.5/24")) == "10.0.0.0/24");  // N36
    CHECK(to_string(*Prefix::parse("255.255.255.255/0")) == "0.0.0.0/0");
    CHECK(to_string(*Prefix::parse("2001:db8::ffff/127")) == "2001:db8::fffe/127");
    CHECK(to_string(*Prefix::parse("::1/128")) == "::1/128");
    for (const char* bad : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8",
                            "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "/8", "10.0.0.0/ 8", "::/0x8",
                            "10.0.0.0/4294967304", "fe80::%1/64"}) {
        INFO(bad);
        CHECK_FALSE(Prefix::parse(bad));
    }
}

TEST_CASE("a prefix contains exactly the addresses from first to last") {
    for (unsigned length = 0; length <= 32; ++length) {
        const Prefix prefix = *Prefix::make(address("172.31.255.77"), length);
        INFO(to_string(prefix));
        CHECK(prefix.contains(prefix.first()));
        CHECK(prefix.contains(prefix.last()));
        if (const auto before = prefix.first().previous()) CHECK_FALSE(prefix.contains(*before));
        if (const auto after = prefix.last().next()) CHECK_FALSE(prefix.contains(*after));
    }
    CHECK(Prefix::parse("::/0")->last() == address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    CHECK(Prefix::parse("10.0.0.0/8")->contains(*Prefix::parse("10.0.0.0/8")));
    CHECK(Prefix::parse("10.0.0.0/8")->contains(*Prefix::parse("10.9.0.0/16")));
    CHECK_FALSE(Prefix::parse("10.9.0.0/16")->contains(*Prefix::parse("10.0.0.0/8")));
    CHECK_FALSE(Prefix::parse("0.0.0.0/0")->contains(*Prefix::parse("::/0")));  // N34
    CHECK_FALSE(Prefix::parse("0.0.0.0/0")->contains(address("::1")));
}

TEST_CASE("hashes of neighbouring addresses differ") {
    std::unordered_set<std::size_t> seen;
    for (std::uint32_t i = 0; i < 65536; ++i) {
        seen.insert(std::hash<Address>{}(Address::v4(0x0a000000 + i)) & 0xfffff);
    }
    // Of 65536 random values in 2^20 about 63530 are distinct; far fewer would mean lost bits.
    CHECK(seen.size() > 63000);
}

}  // namespace
}  // namespace podfence::nft
