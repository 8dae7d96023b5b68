// Pods, attachments and their ends in any order: what the sink has been told is what follows from
// what there is now, and every address of an attachment is held by its pod or behind a closed door.
#include "controller/attached_pods.hpp"

#include <catch2/catch.hpp>

#include "controller/unsure_pods.hpp"
#include "test/support/api_sink.hpp"
#include "test/support/builders.hpp"
#include "test/support/effort.hpp"
#include "test/support/random.hpp"

using namespace podfence;
using namespace podfence::test;

namespace {

/// What there is: the source's objects, and the attachments from the oldest on.
struct Now {
    std::map<ObjectName, Pod> pods{};
    std::set<std::string> unsure{};
    std::vector<Attachment> attachments{};
};

ObjectName random_name(Random& random) {
    return name(random.pick(std::vector{"a/p", "a/q", "b/p"}));
}

Address random_address(Random& random) {
    return ip(random.pick(std::vector{"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"}));
}

std::string random_uid(Random& random) {
    return random.pick(std::vector<std::string>{"", "u1", "u2"});
}

Pod random_pod(Random& random) {
    Pod made = pod(to_string(random_name(random)));
    if (random.percent(30)) made.node = std::string("n2");
    made.uid = Uid(random_uid(random));
    made.labels = labels(random.percent(50) ? "app=x" : "");
    if (random.percent(60)) made.addresses = {random_address(random)};
    return made;
}

Attachment random_attachment(Random& random, std::int64_t at) {
    const auto container = random.pick(std::vector<std::string>{"c1", "c2", "c3"});
    Attachment made{.key = {.network = container == "c3" ? "m" : "n",
                            .container = container,
                            .interface = "eth0"},
                    .pod = random_name(random),
                    .uid = random_uid(random),
                    .since_ms = at};
    for (std::size_t i = random.below(3); i > 0; --i) {
        made.addresses.push_back(random_address(random));
    }
    return made;
}

class Walk {
  public:
    explicit Walk(std::uint64_t seed) : random_(seed) {}

    void step(std::int64_t at) {
        const std::size_t kind = random_.below(7);
        if (kind < 2) {
            Pod made = random_pod(random_);
            now_.pods.insert_or_assign(made.name, made);
            pods_.put(std::move(made), {});
        } else if (kind == 2) {
            const auto gone = random_name(random_);
            if (now_.pods.erase(gone) != 0) pods_.remove(Kind::pod, gone);
        } else if (kind == 3) {
            const std::string ns = random_name(random_).ns;
            if (now_.unsure.insert(ns).second) {
                pods_.put(stand_in_policy(ns, {}), {});
            } else {
                now_.unsure.erase(ns);
                pods_.remove(Kind::policy, stand_in_policy(ns, {}).name);
            }
        } else if (kind < 6) {
            auto made = random_attachment(random_, at);
            forget(made.key);
            now_.attachments.push_back(made);
            REQUIRE(pods_.attach(std::move(made)));
        } else if (random_.percent(80)) {
            const auto gone = random_attachment(random_, 0).key;
            forget(gone);
            pods_.detach(gone);
        } else {
            std::erase_if(now_.attachments, [](const auto& one) { return one.key.network == "n"; });
            pods_.keep_only("n", {});
        }
    }

    void check() const {
        // Somebody who is told of the attachments that hold something, and then of the pods.
        RecordingSink fresh;
        AttachedPods rebuilt(fresh, "n1");
        for (const auto& attachment : now_.attachments) rebuilt.attach(attachment);
        for (const auto& ns : now_.unsure) rebuilt.put(stand_in_policy(ns, {}), {});
        for (const auto& [name, pod] : now_.pods) rebuilt.put(Pod(pod), {});
        for (const auto kind : kKinds) CHECK(sink_.of(kind) == fresh.of(kind));
        for (const auto& attachment : now_.attachments) check_door(attachment);
    }

  private:
    void forget(const AttachmentKey& key) {
        std::erase_if(now_.attachments, [&](const auto& one) { return one.key == key; });
    }

    /// Of several attachments with one address some had it before the others; it is somebody's.
    void check_door(const Attachment& attachment) const {
        for (const auto& address : attachment.addresses) {
            int holders = 0;
            for (const auto& [name, object] : sink_.of(Kind::pod)) {
                const Pod& pod = std::get<Pod>(object);
                if (pod.node != "n1") continue;
                const auto held = std::count(pod.addresses.begin(), pod.addresses.end(), address);
                holders += static_cast<int>(held);
                if (held != 0 && is_unknown(pod)) {
                    CHECK(sink_.of(Kind::policy).contains(stand_in_policy(name.ns, {}).name));
                }
            }
            CHECK(holders <= 1);
        }
    }

    Random random_;
    Now now_{};
    RecordingSink sink_{};
    AttachedPods pods_{sink_, "n1"};
};

}  // namespace

TEST_CASE("attachments and pods in any order give the same", "[attached]") {
    const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{1} + effort(300)));
    CAPTURE(seed);
    Walk walk(seed);
    for (std::int64_t at = 0; at < 60; ++at) {
        walk.step(at);
        walk.check();
    }
}
