// What leads from one state to the next: the plan's batch makes the wanted ruleset of the one that
// is there, in one step, and nothing but the state itself shows in what is compiled.
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "nft/fake_kernel.hpp"
#include "nft/netlink_split.hpp"
#include "nft/plan.hpp"
#include "nft/text.hpp"
#include "test/support/effort.hpp"
#include "test/support/generator.hpp"
#include "test/support/judge.hpp"
#include "test/support/manifest.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

nft::Table compiled(const Cluster& cluster, const std::string& node) {
    return compile_all(cluster, {.node = node}).table;
}

/// The kernel's table after the batch from what it holds to `want`.
nft::Table committed(nft::FakeKernel& kernel, const nft::Table& want) {
    const auto have = kernel.dump(want.id);
    REQUIRE(have.has_value());
    const nft::Batch batch = nft::plan(have->table, want);
    INFO(to_text(batch));
    const auto done =
        batch.empty() ? nft::Result<std::size_t>{0U} : kernel.commit(batch, have->generation);
    if (done.has_error()) FAIL(nft::to_string(done.error()));
    const auto now = kernel.dump(want.id);
    REQUIRE(now.has_value());
    REQUIRE(now->table.has_value());
    return *now->table;
}

std::size_t element_operations(const nft::Batch& batch) {
    const auto summary = nft::summarize(batch);
    return summary.elements_added + summary.elements_deleted;
}

}  // namespace

TEST_CASE("A plan between the states of any two clusters leads there", "[property]") {
    for (std::uint64_t seed = 1; seed <= effort(1500); ++seed) {
        Generator generator(seed);
        nft::FakeKernel kernel;
        for (int state = 0; state < 3; ++state) {
            const Cluster cluster = generator.cluster();
            const nft::Table want = compiled(cluster, "n1");
            INFO("seed " << seed << " state " << state << "\n" << to_manifest(cluster));
            REQUIRE(committed(kernel, want) == want);
            REQUIRE(nft::plan(want, want).empty());
        }
    }
}

TEST_CASE("After any events the kernel is one batch from the new state", "[property]") {
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        Generator generator(seed);
        nft::FakeKernel kernel;
        Cluster cluster = generator.cluster();
        std::string history;
        for (int step = 0; step < 20; ++step) {
            const nft::Table want = compiled(cluster, "n1");
            INFO("seed " << seed << history << "\n" << to_manifest(cluster));
            REQUIRE(committed(kernel, want) == want);
            const Event event = generator.event(cluster);
            test::apply(cluster, event);
            history += "\n" + to_string(event);
        }
    }
}

TEST_CASE("A peer pod that comes or goes costs only elements", "[property]") {
    std::size_t changes = 0;
    for (std::uint64_t seed = 1; seed <= effort(1000); ++seed) {
        Generator generator(seed);
        const Cluster before = generator.cluster();
        const std::string node = "n1";
        // A pod of another node, so that on this one it can only be a peer.
        const auto peer =
            std::find_if(before.pods().begin(), before.pods().end(), [&](const auto& entry) {
                return entry.second.node != node && can_hold_addresses(entry.second) &&
                       std::all_of(entry.second.addresses.begin(), entry.second.addresses.end(),
                                   [&](const Address& address) {
                                       return before.holds(entry.second, address);
                                   });
            });
        if (peer == before.pods().end()) continue;
        Cluster after = before;
        after.remove_pod(peer->first);
        // Another pod that waited for the address would become a local pod: another matter.
        const bool heir =
            std::any_of(peer->second.addresses.begin(), peer->second.addresses.end(),
                        [&](const Address& address) { return after.owner_of(address) != nullptr; });
        if (heir) continue;
        const nft::Table with = compiled(before, node);
        const nft::Table without = compiled(after, node);
        for (const auto& [have, want] : {std::pair(&with, &without), std::pair(&without, &with)}) {
            const nft::Batch batch = nft::plan(*have, *want);
            INFO("seed " << seed << "\n" << to_text(batch) << to_manifest(before));
            auto summary = nft::summarize(batch);
            summary.elements_added = summary.elements_deleted = 0;
            REQUIRE(summary == nft::BatchSummary{});
            changes += element_operations(batch) > 0 ? 1 : 0;
        }
    }
    CHECK(changes > effort(200));
}

TEST_CASE("The order in which objects arrive never shows", "[property]") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        Generator generator(seed);
        const Cluster cluster = generator.cluster();
        std::vector<Event> events;
        for (const auto& [name, ns] : cluster.namespaces()) events.emplace_back(ns);
        for (const auto& [name, pod] : cluster.pods()) events.emplace_back(pod);
        for (const auto& [name, policy] : cluster.policies()) events.emplace_back(policy);
        const nft::Table want = compiled(cluster, "n1");
        for (int round = 0; round < 3; ++round) {
            for (std::size_t i = events.size(); i > 1; --i) {
                std::swap(events[i - 1], events[generator.random().below(i)]);
            }
            Cluster shuffled;
            for (const Event& event : events) {
                test::apply(shuffled, event);
                if (generator.random().percent(20)) test::apply(shuffled, event);  // Told twice.
            }
            INFO("seed " << seed << "\n" << to_manifest(cluster));
            REQUIRE(shuffled == cluster);
            REQUIRE(compiled(shuffled, "n1") == want);
        }
    }
}

TEST_CASE("What came and went leaves no trace", "[property]") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Generator generator(seed);
        Cluster cluster = generator.cluster();
        for (int step = 0; step < 15; ++step) test::apply(cluster, generator.event(cluster));
        Cluster fresh;
        for (const auto& [name, policy] : cluster.policies()) fresh.put(policy);
        for (const auto& [name, pod] : cluster.pods()) fresh.put(pod);
        for (const auto& [name, ns] : cluster.namespaces()) fresh.put(ns);
        INFO("seed " << seed << "\n" << to_manifest(cluster));
        REQUIRE(compiled(cluster, "n2") == compiled(fresh, "n2"));
    }
}

namespace {

/// A switch from one ruleset to another, and packets that show in which state the kernel is.
struct Switch {
    nft::Table have, want;
    std::vector<nft::Packet> packets;
};

Switch random_switch(std::uint64_t seed) {
    Generator generator(seed);
    const Cluster before = generator.cluster();
    Cluster after = before;
    for (int i = 0; i < 5; ++i) test::apply(after, generator.event(after));
    Switch made{.have = compiled(before, "n1"), .want = compiled(after, "n1"), .packets = {}};
    const FlowGenerator flows(after, generator.options());
    for (int i = 0; i < 30; ++i) {
        made.packets.push_back(first_packet(flows.next(generator.random())));
    }
    return made;
}

void commit(nft::FakeKernel& kernel, const nft::Batch& batch) {
    if (batch.empty()) return;
    const auto done = kernel.commit(batch, std::nullopt);
    INFO(to_text(batch));
    if (done.has_error()) FAIL(nft::to_string(done.error()));
}

nft::Table held(nft::FakeKernel& kernel, const nft::TableId& id) {
    const auto snapshot = kernel.dump(id);
    REQUIRE(snapshot.has_value());
    REQUIRE(snapshot->table.has_value());
    return *snapshot->table;
}

std::vector<bool> verdicts(const nft::Table& table, const std::vector<nft::Packet>& packets) {
    std::vector<bool> found;
    for (const auto& packet : packets) {
        found.push_back(walk(table, nft::Hook::forward, packet).accepted);
    }
    return found;
}

}  // namespace

// A batch takes effect in one instant, so packets meet the state before it or the one after. Long
// batches send ahead what nothing refers to yet: packets must not notice, at any point of it.
TEST_CASE("Switching: packets meet the old state, then the new one, and nothing between",
          "[property]") {
    std::size_t early_count = 0;
    for (std::uint64_t seed = 1; seed <= effort(400); ++seed) {
        const Switch change = random_switch(seed);
        INFO("seed " << seed);
        nft::FakeKernel kernel;
        commit(kernel, nft::plan(std::nullopt, change.have));
        const auto old_verdicts = verdicts(change.have, change.packets);
        const nft::Batch batch = nft::plan(change.have, change.want);
        const auto early = nft::early_operations(batch);
        nft::Batch last{.table = batch.table};
        for (std::size_t i = 0; i < batch.ops.size(); ++i) {
            if (!std::binary_search(early.begin(), early.end(), i)) {
                last.ops.push_back(batch.ops[i]);
                continue;
            }
            commit(kernel, {.table = batch.table, .ops = {batch.ops[i]}});
            REQUIRE(verdicts(held(kernel, change.want.id), change.packets) == old_verdicts);
            ++early_count;
        }
        commit(kernel, last);
        REQUIRE(held(kernel, change.want.id) == change.want);
    }
    CHECK(early_count > effort(1000));
}

TEST_CASE("Switching: what was sent ahead can be taken back without a trace", "[property]") {
    for (std::uint64_t seed = 1; seed <= effort(400); ++seed) {
        const Switch change = random_switch(seed);
        INFO("seed " << seed);
        nft::FakeKernel kernel;
        commit(kernel, nft::plan(std::nullopt, change.have));
        const nft::Batch batch = nft::plan(change.have, change.want);
        const auto early = nft::early_operations(batch);
        nft::Batch ahead{.table = batch.table};
        for (const std::size_t i : early) ahead.ops.push_back(batch.ops[i]);
        commit(kernel, ahead);
        commit(kernel, nft::undo_of(batch, early));
        REQUIRE(held(kernel, change.have.id) == change.have);
    }
}
