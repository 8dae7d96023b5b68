// What the CNI plugin told of pods, joined with what the source tells of them.
#include "controller/attached_pods.hpp"

#include <catch2/catch.hpp>

#include "controller/unsure_pods.hpp"
#include "test/support/api_sink.hpp"
#include "test/support/builders.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

Attachment attachment(const std::string& container, std::string_view pod,
                      std::initializer_list<std::string_view> addresses,
                      const std::string& uid = "") {
    Attachment made{
        .key = {.network = "net", .container = container, .interface = std::string(kPodInterface)},
        .pod = name(pod),
        .uid = uid,
        .since_ms = 5'000};
    for (const auto address : addresses) made.addresses.push_back(ip(address));
    return made;
}

AttachmentKey key(const std::string& container) {
    return attachment(container, "a/p", {}).key;
}

struct Bench {
    std::vector<Address> told(std::string_view pod) const {
        return sink.get<Pod>(Kind::pod, name(pod)).addresses;
    }
    bool has(std::string_view pod) const { return sink.of(Kind::pod).contains(name(pod)); }

    RecordingSink sink{};
    AttachedPods pods{sink, "n1"};
};

using Addresses = std::vector<Address>;

}  // namespace

TEST_CASE("a pod without a status has its attachment's addresses at once", "[attached]") {
    Bench bench;
    bench.pods.put(Pod(pod("a/p").uid("u")), {});
    CHECK(bench.told("a/p").empty());
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1", "fd00::1"}, "u")));
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.1"), ip("fd00::1")});
    CHECK(bench.pods.state(key("c1")) == AttachedPods::State::known);

    // Told again it is nothing new, nor is the status that says the same.
    bench.sink.take();
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1", "fd00::1"}, "u")));
    CHECK(bench.sink.take().empty());
    bench.pods.put(Pod(pod("a/p", "10.0.0.1", "fd00::1").uid("u")), {});
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.1"), ip("fd00::1")});

    bench.pods.detach(key("c1"));
    bench.pods.detach(key("c1"));
    CHECK(bench.pods.state(key("c1")) == AttachedPods::State::none);
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.1"), ip("fd00::1")});  // By its status.
    CHECK(bench.sink.of(Kind::policy).empty());
}

TEST_CASE("an attachment of an unknown pod is an isolated pod of its own until it is known",
          "[attached]") {
    Bench bench;
    REQUIRE(bench.pods.attach(attachment("0123456789abcdef01", "a/p", {"10.0.0.1"}, "u")));
    CHECK(bench.sink.take() == "put NetworkPolicy a/(in error); put Pod a/p.0123456789abcdef");
    const Pod& stand_in = bench.sink.get<Pod>(Kind::pod, name("a/p.0123456789abcdef"));
    CHECK(is_unknown(stand_in));
    CHECK(stand_in.node == "n1");
    CHECK(stand_in.created_s == 5);
    CHECK(stand_in.addresses == Addresses{ip("10.0.0.1")});
    CHECK(bench.pods.state(key("0123456789abcdef01")) == AttachedPods::State::unknown);

    // At no moment does nobody hold the address.
    bench.pods.put(Pod(pod("a/p").uid("u")), {});
    CHECK(bench.sink.take() ==
          "put Pod a/p; remove Pod a/p.0123456789abcdef; remove NetworkPolicy a/(in error)");
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.1")});
    bench.pods.remove(Kind::pod, name("a/p"));
    CHECK(bench.sink.take() ==
          "put NetworkPolicy a/(in error); put Pod a/p.0123456789abcdef; remove Pod a/p");
    bench.pods.detach(key("0123456789abcdef01"));
    CHECK(bench.sink.take() ==
          "remove Pod a/p.0123456789abcdef; remove NetworkPolicy a/(in error)");
}

TEST_CASE("a pod of another node, or not scheduled yet, does not stand for an attachment",
          "[attached]") {
    Bench bench;
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1"}, "u")));
    bench.pods.put(Pod(pod("a/p").node("n2").uid("u")), {});
    CHECK(bench.has("a/p.c1"));
    bench.pods.put(Pod(pod("a/p").uid("u")), {});
    CHECK_FALSE(bench.has("a/p.c1"));
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.1")});
    bench.pods.put(Pod(pod("a/p", "10.0.9.9").node("n2").uid("u")), {});
    CHECK(bench.has("a/p.c1"));
    CHECK(bench.told("a/p") == Addresses{ip("10.0.9.9")});
}

TEST_CASE("a namesake has not the addresses of the pod before it", "[attached]") {
    Bench bench;
    bench.pods.put(Pod(pod("a/p", "10.0.0.1").uid("old")), {});
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1"}, "old")));
    bench.pods.put(Pod(pod("a/p").uid("new")), {});
    CHECK(bench.told("a/p").empty());
    CHECK(bench.told("a/p.c1") == Addresses{ip("10.0.0.1")});  // It may still run.
    REQUIRE(bench.pods.attach(attachment("c2", "a/p", {"10.0.0.2"}, "new")));
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.2")});
    bench.pods.detach(key("c1"));
    CHECK_FALSE(bench.has("a/p.c1"));
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.2")});
}

TEST_CASE("a static pod is known by its address, as its uid is another", "[attached]") {
    Bench bench;
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1"}, "hash-of-its-file")));
    bench.pods.put(Pod(pod("a/p").uid("mirror")), {});
    CHECK(bench.pods.state(key("c1")) == AttachedPods::State::unknown);
    CHECK(bench.has("a/p.c1"));
    bench.pods.put(Pod(pod("a/p", "10.0.0.1").uid("mirror")), {});
    CHECK(bench.pods.state(key("c1")) == AttachedPods::State::known);
    CHECK_FALSE(bench.has("a/p.c1"));
}

TEST_CASE("the interface that has an address now wins over what statuses say", "[attached]") {
    Bench bench;
    // After a restart of the node: the statuses are of before, and the newest pod would win.
    bench.pods.put(Pod(pod("a/p", "10.0.0.1").uid("p").created(1)), {});
    bench.pods.put(Pod(pod("a/q", "10.0.0.2", "fd00::2").uid("q").created(2)), {});
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.2"}, "p")));
    CHECK(bench.told("a/p") == Addresses{ip("10.0.0.2")});
    CHECK(bench.told("a/q") == Addresses{ip("fd00::2")});
    REQUIRE(bench.pods.attach(attachment("c2", "a/q", {"10.0.0.1"}, "q")));
    CHECK(bench.told("a/q") == Addresses{ip("10.0.0.1")});
    // An attachment of which we never heard that it is gone.
    REQUIRE(bench.pods.attach(attachment("c3", "b/r", {"10.0.0.1"}, "r")));
    CHECK(bench.told("b/r.c3") == Addresses{ip("10.0.0.1")});
    CHECK(bench.told("a/q") == Addresses{ip("fd00::2")});
    bench.pods.detach(key("c3"));
    CHECK_FALSE(bench.has("b/r.c3"));
}

TEST_CASE("one policy isolates what the source and what the plugin know little of", "[attached]") {
    Bench bench;
    const auto policy_put = [&] { return bench.sink.of(Kind::policy).size() == 1; };
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1"})));
    CHECK(policy_put());
    bench.pods.put(stand_in_policy("a", {}), {});
    bench.pods.detach(key("c1"));
    CHECK(policy_put());
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1"})));
    bench.pods.remove(Kind::policy, stand_in_policy("a", {}).name);
    CHECK(policy_put());
    REQUIRE(bench.pods.attach(attachment("c2", "a/p", {"10.0.0.2"})));
    bench.pods.detach(key("c1"));
    CHECK(policy_put());
    bench.pods.detach(key("c2"));
    CHECK(bench.sink.of(Kind::policy).empty());
}

TEST_CASE("garbage collection forgets the attachments of its network only", "[attached]") {
    Bench bench;
    auto other = attachment("c3", "a/r", {"10.0.0.3"});
    other.key.network = "other";
    REQUIRE(bench.pods.attach(attachment("c1", "a/p", {"10.0.0.1"})));
    REQUIRE(bench.pods.attach(attachment("c2", "a/q", {"10.0.0.2"})));
    REQUIRE(bench.pods.attach(other));
    bench.pods.keep_only("net", {key("c2"), key("never told")});
    CHECK(bench.pods.state(key("c1")) == AttachedPods::State::none);
    CHECK(bench.pods.state(key("c2")) == AttachedPods::State::unknown);
    CHECK(bench.pods.state(other.key) == AttachedPods::State::unknown);
    CHECK_FALSE(bench.has("a/p.c1"));
}

TEST_CASE("there is a limit to attachments", "[attached]") {
    Bench bench;
    for (std::size_t i = 0; i < AttachedPods::kAttachmentsMax; ++i) {
        const std::string text = std::to_string(i);
        REQUIRE(bench.pods.attach(attachment("c" + text, "a/p" + text, {})));
    }
    CHECK_FALSE(bench.pods.attach(attachment("one-more", "a/p", {})));
    CHECK(bench.pods.attach(attachment("c7", "a/p7", {"10.0.0.7"})));  // Of those that are.
    bench.pods.detach(key("c0"));
    CHECK(bench.pods.attach(attachment("one-more", "a/p", {})));
}
