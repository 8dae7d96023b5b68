#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/revoker.hpp"
#include "nft/fake_conntrack.hpp"
#include "test/support/builders.hpp"

/// The revoker with a connection tracking table, a clock and walks that a test is in charge of.
namespace podfence::test {

inline constexpr std::uint32_t kMark = 1U << kConnmarkBit;

inline nft::Connection connection(std::string_view from, std::string_view to, std::uint16_t port,
                                  std::uint8_t protocol = kTcp) {
    return {.original = {.source = ip(from),
                         .destination = ip(to),
                         .protocol = protocol,
                         .source_port = 40000,
                         .destination_port = port},
            .reply = {.source = ip(to),
                      .destination = ip(from),
                      .protocol = protocol,
                      .source_port = port,
                      .destination_port = 40000}};
}

/// A node, its table of connections, and a walk that takes as long as it is told to.
class RevokerScene final : public ConnectionWalker, public RevokerObserver {
  public:
    void start(Walk walk) override {
        CHECK_FALSE(walk_);
        walk_ = std::move(walk);
        ++walks;
    }
    void revoked(std::size_t cut, std::size_t restored, Clock::duration, Clock::duration) override {
        cut_total += cut;
        restored_total += restored;
    }
    void revoking_failed(const nft::Error&, Clock::duration) override { ++failures; }

    /// As after a commit.
    void commit() {
        revoker.enforced(desired.take_changes());
        revoker.step();
    }
    /// The walk under way goes through the table.
    void walk() {
        REQUIRE(walk_);
        const Walk walk = *std::exchange(walk_, std::nullopt);
        last = walk;
        nft::Result<void> result{};
        for (const auto& filter : walk.filters) {
            std::vector<nft::Connection> piece;
            result = conntrack.list(filter, [&](const nft::Connection& one) {
                if (walk.wants(one)) piece.push_back(one);
                return true;
            });
            revoker.met(piece);
            if (!result) break;
        }
        now += took;
        revoker.walked(result);
        revoker.step();
    }
    bool walking() const { return walk_.has_value(); }
    /// Lives until nothing is to be done any more.
    void settle() {
        for (int i = 0; i < 100; ++i) {
            if (walking()) {
                walk();
            } else if (const auto at = revoker.wake_at()) {
                now = std::max(now, *at);
                revoker.step();
            } else {
                return;
            }
        }
        FAIL("it never rests");
    }
    bool is_cut(const nft::Connection& one) {
        const auto found = conntrack.find(one.original, one.zone);
        REQUIRE((found && *found));
        return ((*found)->mark & kMark) != 0;
    }

    Clock::time_point now = Clock::time_point(std::chrono::hours(1));
    Clock::duration took = std::chrono::milliseconds(1);
    nft::FakeConntrack conntrack;
    Desired desired{{.node = "n1"}};
    std::set<Address> host{ip("10.0.0.254")};
    Revoker revoker{desired,
                    kMark,
                    {.conntrack = conntrack,
                     .walker = *this,
                     .now = [this] { return now; },
                     .host_addresses = [this] { return host; }},
                    *this,
                    Revoker::Limits{}};
    int walks = 0;
    int failures = 0;
    std::size_t cut_total = 0;
    std::size_t restored_total = 0;
    Walk last;

  private:
    std::optional<Walk> walk_;
};

/// Two pods here and one elsewhere, nothing isolated.
inline void populate(RevokerScene& scene) {
    scene.desired.put(ns("shop"));
    scene.desired.put(pod("shop/db", "10.0.0.1", "fd00::1").labels("app=db"));
    scene.desired.put(pod("shop/web", "10.0.0.2", "fd00::2").labels("app=web"));
    scene.desired.put(pod("shop/far", "10.0.1.3", "fd00::3").labels("app=web").node("n2"));
    scene.commit();
    scene.settle();
}

inline NetworkPolicy only_web() {
    return policy("shop/db").pods("app=db").ingress(rule().peer(pods("app=web")).port(80));
}

}  // namespace podfence::test
