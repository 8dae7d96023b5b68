#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/compile.hpp"
#include "nft/plan.hpp"
#include "test/bench/bed.hpp"
#include "test/bench/by_hand.hpp"
#include "test/bench/clock.hpp"
#include "test/bench/scenarios.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_fd.hpp"
#include "test/support/scale.hpp"

namespace podfence::bench {
namespace {

constexpr std::size_t kPeersOfAWorkload = 100;
const CompileOptions kNode{.node = test::kScaleNode};

/// Optional, as a dump gives them: a plan from a bare table would first copy it.
struct Switch {
    std::optional<nft::Table> one, other;
};

/// Plan, encode and commit, there and back; each in turns with the least change there is: one
/// element of another table, by hand.
struct Timed {
    std::vector<double> changes, by_hand;
};
Timed time_switch(const Switch& tables, std::size_t times) {
    Bed bed;
    bed.change(std::nullopt, *tables.one);
    ElementsByHand hand(1);
    Timed timed;
    constexpr std::size_t warm = 4;
    for (std::size_t i = 0; i < times + warm; ++i) {
        const bool there = i % 2 == 0;
        const auto& have = there ? tables.one : tables.other;
        const nft::Table& want = there ? *tables.other : *tables.one;
        const double change = microseconds([&] { bed.change(have, want); });
        const double least = microseconds([&] { there ? hand.add() : hand.remove(); });
        if (i < warm) {  // The first changes fill buffers and caches; and they are looked at.
            bed.expect(want);
            continue;
        }
        timed.changes.push_back(change);
        timed.by_hand.push_back(least);
    }
    return timed;
}

Figure figure_of(std::string name, Timed timed) {
    Figure figure{.name = std::move(name),
                  .unit = "us",
                  .samples = std::move(timed.changes),
                  .baseline = std::move(timed.by_hand)};
    figure.floor = quantile(figure.baseline, 0.5);
    return figure;
}

/// A workload that others may reach on its ports: the commonest policy. One of the others goes.
Switch one_peer_of_a_workload() {
    Pod db = test::pod("shop/db", "10.0.0.1").labels("app=db");
    db.node = kNode.node;
    Cluster cluster = test::cluster(test::ns("shop"), db,
                                    test::policy("shop/db").pods("app=db").ingress(
                                        test::rule().peer(test::pods("app=api")).port(5432)));
    for (std::size_t i = 0; i < kPeersOfAWorkload; ++i) {
        const std::string number = std::to_string(i);
        cluster.put(test::pod("shop/api-" + number, "10.0.1." + number).labels("app=api"));
    }
    Switch result{.one = compile_all(cluster, kNode).table, .other = {}};
    cluster.remove_pod({"shop", "api-50"});
    result.other = compile_all(cluster, kNode).table;
    return result;
}

/// A pod of another node goes, which policies of this node's pods choose as a peer.
Switch one_peer_at_scale(Cluster cluster) {
    Switch result{.one = compile_all(cluster, kNode).table, .other = {}};
    std::vector<Pod> others;
    for (const auto& [name, pod] : cluster.pods()) {
        if (pod.node != kNode.node) others.push_back(pod);
    }
    for (Pod& pod : others) {
        cluster.remove_pod(pod.name);
        result.other = compile_all(cluster, kNode).table;
        if (result.other != result.one) return result;
        cluster.put(std::move(pod));
    }
    lab::fail("no pod of another node is anyone's peer at this scale");
}

/// A policy under which all the node's pods come gets another port. A policy is of one namespace,
/// so the node's pods move into the first one.
Switch one_policy(const Cluster& from) {
    Cluster cluster = from;
    const std::string ns = from.namespaces().begin()->first;
    for (const auto& [name, pod] : from.pods()) {
        if (pod.node != kNode.node) continue;
        Pod moved = pod;
        cluster.remove_pod(name);
        moved.name.ns = ns;
        cluster.put(std::move(moved));
    }
    const auto allow = [&](std::uint16_t last_port) {
        const auto rule = test::rule().peer(test::pods("")).ports(8080, last_port);
        cluster.put(test::policy(ns + "/everyone").ingress(rule).egress(rule));
        return compile_all(cluster, kNode).table;
    };
    Switch result{.one = allow(8090), .other = {}};
    result.other = allow(8091);
    return result;
}

}  // namespace

void measure_changes(Report& report, const Options& options) {
    const std::size_t times = options.smoke ? 4 : 2000;
    const std::size_t times_at_scale = options.smoke ? 4 : 300;
    const test::Scale scale = options.smoke ? test::kSmallScale : test::Scale{};
    const std::string size = "/" + std::to_string(scale.pods) + "-pods";

    Figure figure =
        figure_of("change/peer-pod/100-peers", time_switch(one_peer_of_a_workload(), times));
    figure.demand = Demand{.of = Measure::p50, .bound = 50};
    figure.note = "plan + encode + commit; baseline: one element by hand";
    report.print(figure);

    Report::progress("compiling a large cluster");
    const Cluster cluster = test::scale_cluster(scale);
    const Switch peer = one_peer_at_scale(cluster);
    figure = figure_of("change/peer-pod" + size, time_switch(peer, times_at_scale));
    figure.note = "the same in a large table, all of which is compared";
    report.print(figure);
    figure = {.name = "change/peer-pod" + size + "/plan", .unit = "us"};
    for (std::size_t i = 0; i < times_at_scale; ++i) {
        figure.samples.push_back(
            microseconds([&] { static_cast<void>(nft::plan(peer.one, *peer.other)); }));
    }
    figure.note = "the plan's part";
    report.print(figure);

    figure = figure_of("change/policy/" + std::to_string(scale.local_pods) + "-local-pods",
                       time_switch(one_policy(cluster), times_at_scale));
    figure.demand = Demand{.of = Measure::p99, .bound = 10'000};
    figure.note = "plan + encode + commit of all stages";
    report.print(figure);
}

}  // namespace podfence::bench
