#include <utility>

#include <catch2/catch.hpp>

#include "controller/cluster.hpp"
#include "controller/match_index.hpp"
#include "controller/selector.hpp"

using namespace podfence;

namespace {

Pod pod(const std::string& name, const std::string& address, Labels labels = {}) {
    Pod result{.name = {"ns", name}, .uid = Uid(name), .labels = std::move(labels), .node = "n"};
    result.phase = PodPhase::running;
    result.addresses = {*Address::parse(address)};
    return result;
}

const Address kAddress = *Address::parse("10.0.0.1");

std::string owner(const Cluster& cluster) {
    const auto* found = cluster.owner_of(kAddress);
    return found == nullptr ? "nobody" : found->name.name;
}

std::size_t count(MatchIndex& index, const PodPeer& peer, std::string_view ns) {
    std::size_t members = 0;
    for (const auto* identity : index.select(peer, ns)) members += identity->members.size();
    return members;
}

}  // namespace

TEST_CASE("a finished or hostNetwork pod holds no address (N52, N57)") {
    for (const auto phase : {PodPhase::succeeded, PodPhase::failed}) {
        Cluster cluster;
        auto done = pod("done", "10.0.0.1");
        done.phase = phase;
        cluster.put(done);
        CHECK(owner(cluster) == "nobody");
        done.phase = PodPhase::running;
        cluster.put(done);
        CHECK(owner(cluster) == "done");
        done.host_network = true;
        cluster.put(done);
        CHECK(owner(cluster) == "nobody");
    }
}

TEST_CASE("a uid is the text that was given, and UUIDs are ordered as their texts are (N56)") {
    const std::string text = "5a1c8a9e-3b0f-4a6e-9a39-0c7c2d8e1f10";
    CHECK(Uid(text).text() == text);
    CHECK(Uid(text) < Uid("fa1c8a9e-3b0f-4a6e-9a39-0c7c2d8e1f10"));
    CHECK(Uid(text) < Uid("5a1c8a9e-3b0f-4a6e-9a39-0c7c2d8e1f11"));
    for (const std::string other :
         {"", "u-1", "5A1C8A9E-3B0F-4A6E-9A39-0C7C2D8E1F10", "5a1c8a9e-3b0f-4a6e-9a39-0c7c2d8e1f1g",
          "5a1c8a9e03b0f-4a6e-9a39-0c7c2d8e1f10"}) {
        CHECK(Uid(other).text() == other);
        CHECK(Uid(other).empty() == other.empty());
        CHECK(Uid(other) != Uid(text));
        CHECK(Uid(other) == Uid(other));
    }
}

TEST_CASE("of two claims the one not terminating, then the newest, wins (N56)") {
    Cluster cluster;
    auto older = pod("older", "10.0.0.1");
    older.created_s = 10;
    auto newer = pod("newer", "10.0.0.1");
    newer.created_s = 20;
    cluster.put(newer);
    cluster.put(older);
    CHECK(owner(cluster) == "newer");
    newer.deleting = true;
    cluster.put(newer);
    CHECK(owner(cluster) == "older");
    cluster.remove_pod(older.name);
    CHECK(owner(cluster) == "newer");
    cluster.remove_pod(newer.name);
    CHECK(owner(cluster) == "nobody");
}

TEST_CASE("a copied or moved cluster judges by its own pods") {
    Cluster first;
    first.put(pod("a", "10.0.0.1"));
    Cluster copy = first;
    first.remove_pod({"ns", "a"});
    REQUIRE(owner(copy) == "a");
    CHECK(copy.owner_of(kAddress) == copy.find_pod({"ns", "a"}));
    const Cluster moved = std::move(copy);
    CHECK(moved.owner_of(kAddress) == moved.find_pod({"ns", "a"}));
}

TEST_CASE("of an unseen namespace only the name is known (N27, N29)") {
    Cluster cluster;
    const LabelSelector named{{{std::string(kNamespaceNameLabel), SelectorOp::in, {"x"}}}};
    const LabelSelector absent{{{"team", SelectorOp::does_not_exist, {}}}};
    const LabelSelector other{{{"team", SelectorOp::not_in, {"a"}}}};
    CHECK(cluster.namespace_matches({}, "x"));
    CHECK(cluster.namespace_matches(named, "x"));
    CHECK_FALSE(cluster.namespace_matches(named, "y"));
    CHECK_FALSE(cluster.namespace_matches(absent, "x"));
    CHECK_FALSE(cluster.namespace_matches(other, "x"));
    cluster.put(Namespace{.name = "x"});
    CHECK(cluster.namespace_matches(absent, "x"));
    CHECK(cluster.namespace_matches(other, "x"));
    CHECK(cluster.namespace_matches(named, "x"));
    cluster.put(Namespace{.name = "x", .labels = {{std::string(kNamespaceNameLabel), "lie"}}});
    CHECK(cluster.namespace_matches(named, "x"));
}

TEST_CASE("replicas share one identity and selectors find them (N17)") {
    Cluster cluster;
    for (int i = 1; i <= 9; ++i) {
        cluster.put(pod("web-" + std::to_string(i), "10.0.1." + std::to_string(i),
                        {{"app", "web"}, {"tier", i == 9 ? "b" : "a"}}));
    }
    auto elsewhere = pod("db", "10.0.2.1", {{"app", "db"}});
    elsewhere.name.ns = "other";
    cluster.put(elsewhere);
    MatchIndex index(cluster);
    CHECK(index.identities().size() == 3);
    const LabelSelector web{{{"app", SelectorOp::in, {"web"}}}};
    const LabelSelector not_a{{{"tier", SelectorOp::not_in, {"a"}}}};
    CHECK(count(index, {.pods = web}, "ns") == 9);
    CHECK(count(index, {.pods = web}, "other") == 0);
    CHECK(count(index, {.namespaces = LabelSelector{}, .pods = web}, "other") == 9);
    CHECK(count(index, {.pods = not_a}, "ns") == 1);
    CHECK(count(index, {.namespaces = LabelSelector{}, .pods = not_a}, "ns") == 2);
    CHECK(count(index, {.namespaces = LabelSelector{}}, "ns") == 10);
    CHECK(count(index, {.pods = LabelSelector{}}, "other") == 1);
    CHECK(count(index, {}, "ns") == 0);  // N16
    const LabelSelector either{{{"app", SelectorOp::in, {"db", "web"}}}};
    CHECK(count(index, {.namespaces = LabelSelector{}, .pods = either}, "ns") == 10);
}
