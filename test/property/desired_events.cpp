// The incremental path equals the one-shot compiler, which is its specification: after any events
// the tables are equal, and the changes that were taken, committed in stages, have led the kernel
// from one to the next.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/desired_watch.hpp"
#include "test/support/effort.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

const CompileOptions kNode{.node = "n1"};
/// And every address that no known pod has is held.
const CompileOptions kHolding{
    .node = "n1",
    .held_ranges = {*Prefix::parse("0.0.0.0/1"), *Prefix::parse("10.0.0.0/8"),
                    *Prefix::parse("fd00::/8")}};

struct Plan {
    GeneratorOptions options{};
    std::size_t seeds = 0;
    std::size_t events = 0;
    bool narrow = false;     ///< Rules for all peers or all ports are left out.
    std::string must_see{};  ///< In the name of some set, or the plan does not do what it is for.
};

struct Seen {
    std::size_t ops = 0;
    std::size_t tables = 0;  ///< With a set of that name.
};

bool has_set(const nft::Table& table, const std::string& part) {
    return std::ranges::any_of(
        table.sets, [&](const auto& set) { return set.first.find(part) != std::string::npos; });
}

/// All objects of a cluster, as events.
std::vector<Event> events_of(const Cluster& cluster) {
    std::vector<Event> events;
    for (const auto& [name, ns] : cluster.namespaces()) events.emplace_back(ns);
    for (const auto& [name, pod] : cluster.pods()) events.emplace_back(pod);
    for (const auto& [name, policy] : cluster.policies()) events.emplace_back(policy);
    return events;
}

void shuffle(std::vector<Event>& events, Random& random) {
    for (std::size_t i = events.size(); i > 1; --i) {
        std::swap(events[i - 1], events[random.below(i)]);
    }
}

/// One rule for all would leave a class nothing else to say.
Event narrowed(Event event) {
    if (auto* policy = std::get_if<NetworkPolicy>(&event)) {
        for (auto* rules : {&policy->ingress_rules, &policy->egress_rules}) {
            std::erase_if(*rules, [](const auto& rule) { return rule.any_peer || rule.any_port; });
        }
    }
    return event;
}

/// Random events, the table and the changes looked at after some of them. What is wrong.
std::optional<std::string> run(std::uint64_t seed, const Plan& plan, Seen& seen) {
    Generator generator(seed, plan.options);
    Random& random = generator.random();
    DesiredWatch watch(seed % 2 == 0 ? kNode : kHolding);
    auto first = events_of(generator.cluster());
    shuffle(first, random);
    const unsigned patience = random.percent(50) ? 100 : 30;
    const auto apply = [&](const Event& event) {
        watch.apply(plan.narrow ? narrowed(event) : event);
    };
    for (const auto& event : first) apply(event);
    for (std::size_t i = 0; i < plan.events; ++i) {
        if (random.percent(50)) {
            if (auto wrong = watch.check_table()) return wrong;
        }
        if (random.percent(patience)) {
            if (auto wrong = watch.check_changes()) return wrong;
            if (has_set(*watch.taken(), plan.must_see)) ++seen.tables;
        }
        if (random.percent(4) && !watch.cluster().policies().empty()) {
            watch.refuse(watch.cluster().policies().begin()->first);
            continue;
        }
        apply(generator.event(watch.cluster()));
    }
    if (auto wrong = watch.check_table()) return wrong;
    if (auto wrong = watch.check_changes()) return wrong;
    seen.ops += watch.ops();
    return std::nullopt;
}

void run_all(const Plan& plan) {
    std::uint64_t first = 1;
    std::size_t seeds = plan.seeds;
    if (const char* seed = std::getenv("PODFENCE_SEED")) {
        first = std::strtoull(seed, nullptr, 10);
        seeds = 1;
    }
    Seen seen;
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        if (const auto wrong = run(seed, plan, seen)) {
            INFO("PODFENCE_SEED=" << seed);
            FAIL(*wrong);
        }
    }
    INFO(seen.ops << " operations, " << seen.tables << " tables of the kind meant");
    CHECK(seen.ops > plan.events * seeds / 2);  // Events that change nothing would prove nothing.
    CHECK(seen.tables > plan.events * seeds / 20);
}

/// From one state over others to the last.
struct Journey {
    std::vector<Event> events{};
    Cluster last{};
    nft::Table table{};
};

template <class Travel>
void for_journeys(Travel travel) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        INFO("seed " << seed);
        Generator generator(seed);
        Journey journey{.events = events_of(generator.cluster())};
        for (const auto& event : journey.events) test::apply(journey.last, event);
        for (std::size_t i = 0; i < 40; ++i) {
            journey.events.push_back(generator.event(journey.last));
            test::apply(journey.last, journey.events.back());
        }
        journey.table = compile_all(journey.last, kNode).table;
        travel(journey, generator.random());
    }
}

void expect_end(Desired& desired, const Journey& journey) {
    REQUIRE(desired.cluster() == journey.last);
    REQUIRE(desired.table() == journey.table);
}

void arrive(const Journey& journey, const std::vector<Event>& events) {
    Desired at_once(kNode);
    for (const auto& event : events) test::apply(at_once, event);
    expect_end(at_once, journey);
    Desired watched(kNode);
    for (const auto& event : events) {
        test::apply(watched, event);
        watched.take_changes();
    }
    expect_end(watched, journey);
}

}  // namespace

TEST_CASE("Random events: the incremental table is compile_all's", "[property]") {
    run_all({.seeds = effort(400), .events = 60});
}

TEST_CASE("Random events with sets that outgrow their capacity", "[property]") {
    GeneratorOptions options;
    options.pods_max = 400;
    options.addresses_per_node = 250;
    options.policies_max = 8;
    run_all({.options = std::move(options), .seeds = 8, .events = 150, .must_see = "-x1024"});
}

TEST_CASE("Random events with classes too rich for chains of peers", "[property]") {
    GeneratorOptions options;
    options.namespaces = {"a"};
    options.policies_max = 300;
    options.ports.clear();
    for (std::uint16_t port = 1000; port < 1300; ++port) options.ports.push_back(port);
    run_all({.options = std::move(options),
             .seeds = 6,
             .events = 40,
             .narrow = true,
             .must_see = "flows-"});
}

TEST_CASE("Of a way to a state only the state shows", "[property]") {
    for_journeys([](const Journey& journey, Random&) { arrive(journey, journey.events); });
}

TEST_CASE("A state squashed into one event an object, in any order, is that state", "[property]") {
    for_journeys([](const Journey& journey, Random& random) {
        auto events = events_of(journey.last);
        arrive(journey, events);
        std::reverse(events.begin(), events.end());
        arrive(journey, events);
        shuffle(events, random);
        arrive(journey, events);
    });
}

TEST_CASE("An event that is told again changes nothing", "[property]") {
    for_journeys([](const Journey& journey, Random&) {
        Desired desired(kNode);
        for (const auto& event : journey.events) {
            test::apply(desired, event);
            test::apply(desired, event);
            desired.take_changes();
            test::apply(desired, event);
            REQUIRE(desired.take_changes().empty());
        }
        expect_end(desired, journey);
    });
}

TEST_CASE("What came and went between two looks is no change", "[property]") {
    for_journeys([](const Journey& journey, Random& random) {
        Desired desired(kNode);
        for (const auto& event : events_of(journey.last)) test::apply(desired, event);
        desired.take_changes();
        // Elsewhere, and back.
        for (const auto& event : journey.events) {
            test::apply(desired, event);
            if (random.percent(10)) static_cast<void>(desired.table());
        }
        expect_end(desired, journey);
        REQUIRE(desired.take_changes().empty());
    });
}

TEST_CASE("What is taken away leaves nothing behind", "[property]") {
    for_journeys([](const Journey& journey, Random& random) {
        Desired desired(kNode);
        auto events = events_of(journey.last);
        for (const auto& event : events) test::apply(desired, event);
        desired.take_changes();
        shuffle(events, random);
        for (const auto& event : events) {
            if (const auto* pod = std::get_if<Pod>(&event)) desired.remove_pod(pod->name);
            if (const auto* ns = std::get_if<Namespace>(&event)) desired.remove_namespace(ns->name);
            if (const auto* policy = std::get_if<NetworkPolicy>(&event)) {
                desired.remove_policy(policy->name);
            }
            desired.take_changes();
        }
        REQUIRE(desired.table() == compile_all(Cluster(), kNode).table);
    });
}

TEST_CASE("Whose policies a part of the table comes from is the same after any way", "[property]") {
    std::size_t known = 0;
    for_journeys([&](const Journey& journey, Random&) {
        Desired at_once(kNode);
        for (const auto& event : events_of(journey.last)) test::apply(at_once, event);
        static_cast<void>(at_once.table());
        Desired watched(kNode);
        for (const auto& event : journey.events) {
            test::apply(watched, event);
            watched.take_changes();
        }
        const auto compare = [&](const std::string& part) {
            const auto policies = watched.policies_behind(part);
            REQUIRE(policies == at_once.policies_behind(part));
            REQUIRE(watched.addresses_behind(part) == at_once.addresses_behind(part));
            if (!policies.empty()) ++known;
        };
        for (const auto& [name, chain] : journey.table.chains) compare(name);
        for (const auto& [name, map] : journey.table.maps) compare(name);
        for (const auto& [name, set] : journey.table.sets) {
            compare(name);
            // Sets of pods' addresses are there for policies, and only where they are needed.
            if (name.starts_with("pods-")) REQUIRE_FALSE(watched.policies_behind(name).empty());
        }
    });
    CHECK(known > 500);
}
