// Established connections under random events: who may have lost access is always looked at, and
// each connection is judged as the rules would judge its first packet.
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "controller/compile.hpp"
#include "controller/concern.hpp"
#include "controller/connection_judge.hpp"
#include "controller/revoker.hpp"
#include "test/support/builders.hpp"
#include "test/support/desired_watch.hpp"
#include "test/support/effort.hpp"
#include "test/support/judge.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const std::size_t kSeeds = effort(600);
constexpr std::size_t kEvents = 12;
constexpr std::size_t kFlows = 120;

struct Seen {
    std::size_t judged = 0, denied = 0, lost = 0;
};

/// As conntrack has it, at random through a Service or masqueraded: neither is judged.
nft::Connection connection_of(const Flow& flow, Random& random) {
    const bool icmp = flow.protocol == kIcmp || flow.protocol == kIcmpV6;
    const std::uint16_t own_port = icmp ? 0 : 40000;
    nft::Connection connection{.original = {.source = flow.source,
                                            .destination = flow.destination,
                                            .protocol = flow.protocol,
                                            .source_port = own_port,
                                            .destination_port = flow.port},
                               .reply = {.source = flow.destination,
                                         .destination = flow.source,
                                         .protocol = flow.protocol,
                                         .source_port = icmp ? std::uint16_t{7} : flow.port,
                                         .destination_port = own_port}};
    const bool ipv4 = flow.source.family() == nft::Family::ipv4;
    if (random.percent(40)) {
        connection.original.destination = ip(ipv4 ? "10.96.0.10" : "fd00:96::10");
        connection.original.destination_port = 4444;
    }
    if (random.percent(20)) connection.reply.destination = ip(ipv4 ? "192.168.0.1" : "fd01::1");
    return connection;
}

/// The second judge: the flow's first packet and the rules of the node.
bool walk_allows(const nft::Table& table, const Flow& flow, const std::set<Address>& host) {
    if (host.contains(flow.source)) return true;
    const auto hook = host.contains(flow.destination) ? nft::Hook::input : nft::Hook::forward;
    return nft::walk(table, hook, first_packet(flow)).accepted;
}

bool looked_for(const Concern& concern, const Desired& desired, const nft::Connection& one) {
    Walk walk{.sources = concern.sources, .answerers = concern.answerers};
    if (concern.everyone) {
        auto isolated = desired.isolated_addresses();
        walk.sources.merge(isolated[index(Direction::egress)]);
        walk.answerers.merge(isolated[index(Direction::ingress)]);
    }
    return walk.wants(one);
}

std::optional<std::string> run(std::uint64_t seed, Seen& seen) {
    Generator generator(seed);
    Random& random = generator.random();
    const CompileOptions options{.node = "n1", .pod_to_node_enforced = random.percent(30)};
    DesiredWatch watch(options);
    const Cluster first = generator.cluster();
    for (const auto& [name, ns] : first.namespaces()) watch.apply(ns);
    for (const auto& [name, pod] : first.pods()) watch.apply(pod);
    for (const auto& [name, policy] : first.policies()) watch.apply(policy);
    const auto own = node_addresses("n1");
    const std::set<Address> host(own.begin(), own.end());
    static_cast<void>(watch.desired().take_changes());
    nft::Table before = watch.desired().table();
    for (std::size_t i = 0; i < kEvents; ++i) {
        for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
            watch.apply(generator.event(watch.cluster()));
        }
        if (random.percent(10) && !watch.cluster().policies().empty()) {
            watch.refuse(watch.cluster().policies().begin()->first);
        }
        const auto ops = watch.desired().take_changes();
        const nft::Table now = watch.desired().table();
        const Concern concern = concern_of(ops, watch.desired());
        const ConnectionJudge judge(watch.desired(), host);
        const FlowGenerator flows(watch.cluster(), generator.options());
        for (std::size_t f = 0; f < kFlows; ++f) {
            const Flow flow = flows.next(random);
            const auto connection = connection_of(flow, random);
            const bool allowed = walk_allows(now, flow, host);
            const auto where = to_string(flow) + " after event " + std::to_string(i);
            ++seen.judged;
            if (!allowed) ++seen.denied;
            if (judge.allows(connection) != allowed) {
                return "the rules " + std::string(allowed ? "allow " : "deny ") + where;
            }
            if (allowed || !walk_allows(before, flow, host)) continue;
            ++seen.lost;
            if (!looked_for(concern, watch.desired(), connection)) {
                return "nobody looks for " + where;
            }
        }
        before = now;
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("Random events: who loses access is looked for, and judged as by the rules",
          "[property]") {
    Seen seen;
    const auto check = [&](std::uint64_t seed) {
        const auto wrong = run(seed, seen);
        INFO("PODFENCE_SEED=" << seed);
        if (wrong) FAIL(*wrong);
    };
    if (const char* seed = std::getenv("PODFENCE_SEED")) {
        check(std::strtoull(seed, nullptr, 10));
        return;
    }
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) check(seed);
    INFO(seen.judged << " judged, " << seen.denied << " denied, " << seen.lost << " lost access");
    CHECK(seen.denied * 20 > seen.judged);
    CHECK(seen.lost * 200 > seen.judged);
}
