#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/port_partition.hpp"

using namespace podfence;

namespace {

using Groups = std::vector<std::vector<PortSpan>>;
constexpr std::size_t kNoLimit = SIZE_MAX;

PortSpan tcp(std::uint16_t first, std::uint16_t last) {
    return {Protocol::tcp, {first, last}};
}

/// The groups of one port, straight from the question.
std::vector<std::uint32_t> groups_of(const Groups& groups, Protocol protocol, unsigned port) {
    std::vector<std::uint32_t> found;
    for (std::uint32_t group = 0; group < groups.size(); ++group) {
        for (const auto& span : groups[group]) {
            if (span.protocol == protocol && span.range.first <= port && port <= span.range.last) {
                found.push_back(group);
                break;
            }
        }
    }
    return found;
}

}  // namespace

TEST_CASE("ranges that overlap are cut where the groups change (N39, case 7)") {
    const Groups groups{{tcp(80, 90)}, {tcp(200, 300)}, {tcp(85, 210)}};
    const std::vector<PortPiece> want{{tcp(80, 84), {0}},
                                      {tcp(85, 90), {0, 2}},
                                      {tcp(91, 199), {2}},
                                      {tcp(200, 210), {1, 2}},
                                      {tcp(211, 300), {1}}};
    CHECK(partition(groups, kNoLimit) == want);
}

TEST_CASE("neighbours with the same groups are one piece") {
    const Groups groups{{tcp(1, 5), tcp(6, 9), tcp(3, 7)}};
    CHECK(partition(groups, kNoLimit) == std::vector<PortPiece>{{tcp(1, 9), {0}}});
}

TEST_CASE("pieces reach the last port and keep protocols apart") {
    const Groups groups{{tcp(0, 65535), {Protocol::udp, {65535, 65535}}}, {tcp(65535, 65535)}};
    const std::vector<PortPiece> want{
        {tcp(0, 65534), {0}}, {tcp(65535, 65535), {0, 1}}, {{Protocol::udp, {65535, 65535}}, {0}}};
    CHECK(partition(groups, kNoLimit) == want);
}

TEST_CASE("a partition that would explode is refused") {
    Groups nest;
    for (std::uint16_t i = 0; i < 200; ++i) {
        nest.push_back({tcp(i, static_cast<std::uint16_t>(1000 - i))});
    }
    CHECK(partition(nest, kNoLimit));
    CHECK_FALSE(partition(nest, 1000));
}

TEST_CASE("every port lies in the piece of its groups, for random spans") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(seed);
        const unsigned top = seed % 2 == 0 ? 40 : 65535;
        const auto port = [&](unsigned least) {
            return static_cast<std::uint16_t>(least + random() % (top - least + 1));
        };
        Groups groups(random() % 5);
        for (auto& group : groups) {
            for (auto spans = random() % 4; spans > 0; --spans) {
                const auto first = port(0);
                const auto protocol = random() % 2 == 0 ? Protocol::tcp : Protocol::sctp;
                group.push_back({protocol, {first, port(first)}});
            }
        }
        const auto pieces = partition(groups, kNoLimit);
        REQUIRE(pieces);
        for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
            for (unsigned p = 0; p <= top; p += top == 40 ? 1 : 97) {
                std::vector<std::uint32_t> got;
                int hits = 0;
                for (const auto& piece : *pieces) {
                    if (piece.span.protocol == protocol && piece.span.range.first <= p &&
                        p <= piece.span.range.last) {
                        got = piece.groups;
                        ++hits;
                    }
                }
                REQUIRE(hits <= 1);
                REQUIRE(got == groups_of(groups, protocol, p));
            }
        }
    }
}
