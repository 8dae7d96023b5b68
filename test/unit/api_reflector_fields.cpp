// Of pods only what matters is told.
#include <catch2/catch.hpp>

#include "controller/reflector.hpp"
#include "test/support/api_model.hpp"
#include "test/support/api_sink.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

struct Watch {
    Watch() {
        REQUIRE(std::holds_alternative<Reflector::Ask>(reflector.next(now)));
        reflector.respond(now, 200, {});
    }
    bool feed(const std::string& events) { return reflector.feed(now, events); }

    RecordingSink sink;
    Reflector reflector{Kind::pod, sink, {.seed = 7}};
    const Reflector::Time now{1000s};
};

}  // namespace

TEST_CASE("api reflector: of annotations one is told, and the others are not") {
    Watch watch;
    const auto annotated = [](int version, const std::string& annotations) {
        std::string pod = api_pod("a", version);
        return pod.insert(pod.find("\"name\""), "\"annotations\":{" + annotations + "},");
    };
    const std::string extra = R"("podfence.io/extra-addresses":")";
    REQUIRE(watch.feed(api_event("ADDED", annotated(3, R"("a":"b")"))));
    REQUIRE(watch.feed(api_bookmark(4, true)));
    watch.sink.take();
    REQUIRE(watch.feed(api_event("MODIFIED", annotated(5, R"("a":"c","d":{"e":1})"))));
    CHECK(watch.sink.take().empty());
    REQUIRE(watch.feed(api_event("MODIFIED", annotated(6, R"("a":"c",)" + extra + "10.1.2.3\""))));
    CHECK(watch.sink.take() == "put Pod shop/a");
    CHECK(watch.sink.get<Pod>(Kind::pod, {"shop", "a"}).extra_addresses.size() == 1);
    REQUIRE(watch.feed(api_event("MODIFIED", annotated(7, extra + "10.1.2.3\",\"a\":\"f\""))));
    CHECK(watch.sink.take().empty());
    REQUIRE(watch.feed(api_event("MODIFIED", api_pod("a", 8))));
    CHECK(watch.sink.take() == "put Pod shop/a");
    CHECK(watch.sink.get<Pod>(Kind::pod, {"shop", "a"}).extra_addresses.empty());
}

TEST_CASE("api reflector: what nobody reads of a pod is nothing to tell, but has to be JSON") {
    Watch watch;
    const auto with = [](int version, const std::string& of_status) {
        std::string pod = api_pod("a", version);
        return pod.insert(pod.find("\"phase\""), of_status);
    };
    REQUIRE(watch.feed(api_event("ADDED", with(3, R"("reason":"x",)"))));
    REQUIRE(watch.feed(api_bookmark(4, true)));
    CHECK(watch.sink.take() == "put Pod shop/a; listed Pod");
    REQUIRE(watch.feed(api_event("MODIFIED", with(5, R"("startTime":1,"new":{"phase":[{}]},)"))));
    CHECK(watch.sink.take().empty());
    CHECK(watch.reflector.status().resource_version == "5");
    REQUIRE(watch.feed(api_event("MODIFIED", with(6, R"("hostIP":"10.9.9.9",)"))));
    CHECK(watch.sink.take() == "put Pod shop/a");
    CHECK_FALSE(watch.feed(api_event("MODIFIED", with(7, R"("new":{"phase":[{]},)"))));
    CHECK(watch.reflector.status().resource_version == "6");
}
