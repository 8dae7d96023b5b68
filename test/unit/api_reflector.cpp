#include <catch2/catch.hpp>

#include "controller/reflector.hpp"
#include "test/support/api_model.hpp"
#include "test/support/api_sink.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

/// A reflector and what it is told, with a clock of its own.
struct Rig {
    explicit Rig(bool watch_list = true)
        : reflector(Kind::pod, sink, {.seed = 7, .watch_list = watch_list}) {}

    /// The next question; waits as long as it says, and remembers how long that was.
    std::string ask() {
        waited = {};
        auto step = reflector.next(now);
        while (const auto* wait = std::get_if<Reflector::Wait>(&step)) {
            REQUIRE(wait->until > now);
            waited += std::chrono::duration_cast<std::chrono::milliseconds>(wait->until - now);
            now = wait->until;
            step = reflector.next(now);
        }
        return std::get<Reflector::Ask>(step).target;
    }
    /// A whole answer.
    void answer(unsigned code, const std::string& body,
                std::optional<std::chrono::seconds> retry_after = {}) {
        reflector.respond(now, code, retry_after);
        if (reflector.feed(now, body)) reflector.finish(now);
    }
    /// An answer that goes on.
    bool begin(const std::string& body) {
        reflector.respond(now, 200, {});
        return reflector.feed(now, body);
    }
    bool feed(const std::string& body) { return reflector.feed(now, body); }

    RecordingSink sink;
    Reflector reflector;
    Reflector::Time now{1000s};
    std::chrono::milliseconds waited{};
};

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

const Trouble kRefused{.cause = Trouble::Cause::unreachable, .message = "refused"};

}  // namespace

TEST_CASE("api reflector: one watch tells what there is and what changes") {
    Rig rig;
    const std::string target = rig.ask();
    CHECK(target.starts_with("/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds="));
    CHECK(contains(target,
                   "&resourceVersion=&sendInitialEvents=true&"
                   "resourceVersionMatch=NotOlderThan"));
    CHECK(rig.reflector.status().state == KindStatus::State::listing);
    REQUIRE(rig.begin(api_event("ADDED", api_pod("a", 5)) + api_event("ADDED", api_pod("b", 3))));
    CHECK(rig.sink.take() == "put Pod shop/a; put Pod shop/b");
    CHECK(rig.sink.get<Pod>(Kind::pod, {"shop", "a"}).node == "n1");
    CHECK(rig.sink.get<Pod>(Kind::pod, {"shop", "a"}).addresses.size() == 1);
    REQUIRE(rig.feed(api_bookmark(9, true)));
    CHECK(rig.sink.take() == "listed Pod");
    CHECK(rig.reflector.status().state == KindStatus::State::watching);
    REQUIRE(rig.feed(api_event("MODIFIED", api_pod("a", 10, "y")) +
                     api_event("DELETED", api_pod("b", 11)) +
                     api_event("DELETED", api_pod("b", 11)) + api_event("NEWS", api_pod("c", 12))));
    CHECK(rig.sink.take() == "put Pod shop/a; remove Pod shop/b");
    // Another version of the same, as far as it matters, is nothing to tell.
    REQUIRE(rig.feed(api_event("MODIFIED", api_pod("a", 13, "y"))));
    CHECK(rig.sink.take().empty());
    CHECK(rig.reflector.status().resource_version == "13");
    CHECK(rig.reflector.status().objects == 1);

    rig.reflector.finish(rig.now);
    CHECK(contains(rig.ask(), "&resourceVersion=13"));
    CHECK_FALSE(contains(rig.ask(), "sendInitialEvents"));
    CHECK(rig.waited == 0ms);
    CHECK(rig.sink.redundant == 0);
}

TEST_CASE("api reflector: bookmarks move the watch on") {
    Rig rig;
    rig.ask();
    REQUIRE(rig.begin(api_bookmark(9, true)));
    REQUIRE(rig.feed(api_bookmark(20)));
    rig.reflector.finish(rig.now);
    CHECK(contains(rig.ask(), "&resourceVersion=20"));
}

TEST_CASE("api reflector: without WatchList there are pages, then a watch") {
    Rig rig;
    rig.ask();
    const int code = GENERATE(400, 422, 500);
    rig.answer(static_cast<unsigned>(code), api_status(code, "Invalid"));
    CHECK(rig.ask() == "/api/v1/pods?limit=500");
    CHECK(rig.waited == 0ms);
    CHECK(rig.sink.troubles.empty());
    rig.answer(200, api_pod_list(7, {api_pod("a", 1), api_pod("b", 2)}, "t/k n"));
    CHECK(rig.sink.take() == "put Pod shop/a; put Pod shop/b");
    CHECK(rig.ask() == "/api/v1/pods?limit=500&continue=t%2Fk%20n");
    rig.answer(200, api_pod_list(8, {api_pod("c", 3)}));
    CHECK(rig.sink.take() == "put Pod shop/c; listed Pod");
    CHECK(contains(rig.ask(), "watch=true"));
    CHECK(rig.reflector.status().resource_version == "7");
    CHECK(rig.sink.redundant == 0);
}

TEST_CASE("api reflector: a server that overlooks sendInitialEvents is listed") {
    Rig rig;
    rig.ask();
    REQUIRE_FALSE(rig.begin(api_event("ADDED", api_pod("a", 5)) + api_bookmark(6)));
    CHECK(rig.ask() == "/api/v1/pods?limit=500");
    rig.answer(200, api_pod_list(7, {api_pod("a", 5)}));
    CHECK(rig.sink.take() == "put Pod shop/a; listed Pod");
    CHECK(rig.sink.redundant == 0);
}

TEST_CASE("api reflector: initial watches that never come to their end are given up for lists") {
    Rig rig;
    rig.ask();
    rig.answer(200, api_event("ADDED", api_pod("a", 5)));
    CHECK(contains(rig.ask(), "sendInitialEvents"));
    CHECK(rig.waited > 0ms);
    rig.answer(200, api_event("ADDED", api_pod("a", 5)));
    CHECK(rig.ask() == "/api/v1/pods?limit=500");
}

TEST_CASE("api reflector: an expired page leads to one list without pages") {
    Rig rig(false);
    rig.ask();
    rig.answer(200, api_pod_list(7, {api_pod("a", 1), api_pod("b", 2)}, "next"));
    rig.ask();
    rig.answer(410, api_status(410, "Expired"));
    CHECK(rig.ask() == "/api/v1/pods");
    CHECK(rig.sink.troubles.empty());
    rig.sink.take();
    rig.answer(200, api_pod_list(9, {api_pod("b", 8, "new"), api_pod("c", 9)}));
    CHECK(rig.sink.take() == "put Pod shop/b; put Pod shop/c; remove Pod shop/a; listed Pod");
    CHECK(contains(rig.ask(), "&resourceVersion=9"));
}

TEST_CASE("api reflector: a broken page is asked for again") {
    Rig rig(false);
    rig.ask();
    rig.answer(200, api_pod_list(7, {api_pod("a", 1)}, "next"));
    rig.ask();
    rig.reflector.fail(rig.now, kRefused);
    CHECK(rig.ask() == "/api/v1/pods?limit=500&continue=next");
    rig.answer(200, api_pod_list(7, {api_pod("b", 1)}));
    CHECK(rig.sink.of(Kind::pod).size() == 2);
    CHECK(rig.sink.redundant == 0);
}

TEST_CASE("api reflector: after a lost history the difference is told, and nothing else") {
    const bool by_event = GENERATE(true, false);
    Rig rig;
    rig.ask();
    REQUIRE(rig.begin(api_event("ADDED", api_pod("a", 1)) + api_event("ADDED", api_pod("b", 2)) +
                      api_event("ADDED", api_pod("c", 3)) + api_bookmark(9, true) +
                      api_bookmark(10)));
    rig.sink.take();
    if (by_event) {
        CHECK_FALSE(rig.feed(api_event("ERROR", api_status(410, "Expired"))));
    } else {
        rig.reflector.finish(rig.now);
        rig.ask();
        rig.answer(410, api_status(410, "Gone"));
    }
    const std::string target = rig.ask();
    CHECK(contains(target, "sendInitialEvents=true"));
    CHECK(contains(target, "&resourceVersion=10&"));  // never back in time
    CHECK(rig.waited <= 250ms);
    REQUIRE(rig.begin(api_event("ADDED", api_pod("c", 14, "z")) +
                      api_event("ADDED", api_pod("a", 1)) + api_event("ADDED", api_pod("d", 15)) +
                      api_bookmark(20, true)));
    CHECK(rig.sink.take() == "put Pod shop/c; put Pod shop/d; remove Pod shop/b; listed Pod");
    CHECK(rig.sink.troubles.empty());
    CHECK(rig.sink.redundant == 0);
}

TEST_CASE("api reflector: a server that is behind is asked for what it has") {
    Rig rig;
    rig.ask();
    REQUIRE(rig.begin(api_bookmark(900, true)));
    CHECK_FALSE(
        rig.feed(api_event("ERROR", api_status(504, "Timeout",
                                               R"(,"details":{"causes":[{"reason":)"
                                               R"("ResourceVersionTooLarge","message":"x"}],)"
                                               R"("retryAfterSeconds":1})"))));
    const std::string target = rig.ask();
    CHECK(contains(target, "&resourceVersion=&sendInitialEvents"));
    CHECK(rig.waited >= 1s);
}

TEST_CASE("api reflector: 429 and 503 wait as long as they are told to") {
    const auto [code, header, body] =
        GENERATE(table<unsigned, bool, int>({{429, true, 0}, {429, false, 13}, {503, true, 0}}));
    Rig rig;
    rig.ask();
    const std::string details = R"(,"details":{"retryAfterSeconds":)" + std::to_string(body) + "}";
    rig.answer(code, api_status(static_cast<int>(code), "TooManyRequests", body > 0 ? details : ""),
               header ? std::optional(17s) : std::nullopt);
    rig.ask();
    CHECK(rig.waited >= (header ? 17s : 13s));
    CHECK(rig.waited <= (header ? 22s : 17s));
    CHECK(rig.sink.take().starts_with("trouble Pod"));
}

TEST_CASE("api reflector: absurd waits are not believed") {
    Rig rig;
    rig.ask();
    rig.answer(503, "upstream connect error", 1'000'000s);
    rig.ask();
    CHECK(rig.waited <= 150s);
    CHECK(contains(rig.sink.troubles.at(Kind::pod).message, "upstream connect error"));
}

TEST_CASE("api reflector: attempts grow rarer up to a limit, and trouble is told once") {
    Rig rig;
    std::chrono::milliseconds longest{};
    std::chrono::milliseconds total{};
    for (int i = 0; i < 40; ++i) {
        rig.ask();
        if (i > 0) CHECK(rig.waited >= 125ms);
        longest = std::max(longest, rig.waited);
        total += rig.waited;
        rig.reflector.fail(rig.now, kRefused);
    }
    CHECK(longest <= 10s);
    CHECK(longest > 5s);
    CHECK(total > 120s);
    CHECK(rig.sink.take() == "trouble Pod unreachable");
    rig.ask();
    REQUIRE(rig.begin(api_bookmark(5, true)));
    CHECK(rig.sink.take() == "recovered Pod; listed Pod");
    CHECK(rig.reflector.status().failures == 40);
}

TEST_CASE("api reflector: one broken connection after a good watch is no trouble") {
    Rig rig;
    rig.ask();
    REQUIRE(rig.begin(api_event("ADDED", api_pod("a", 1)) + api_bookmark(5, true)));
    for (int i = 0; i < 5; ++i) {
        rig.now += 60s;
        rig.reflector.fail(rig.now, kRefused);
        rig.ask();
        CHECK(rig.waited <= 250ms);
        REQUIRE(rig.begin(""));
    }
    CHECK(rig.sink.take() == "put Pod shop/a; listed Pod");
    rig.reflector.fail(rig.now, kRefused);
    rig.ask();
    rig.reflector.fail(rig.now, kRefused);
    CHECK(rig.sink.take() == "trouble Pod unreachable");
    CHECK(rig.sink.of(Kind::pod).size() == 1);  // nothing is lost with the server
}

TEST_CASE("api reflector: a server that ends every watch, or forgets at once, is not hammered") {
    const bool forgets = GENERATE(false, true);
    Rig rig(false);
    std::chrono::milliseconds total{};
    int lists = 0;
    for (int i = 0; i < 30; ++i) {
        const std::string target = rig.ask();
        total += rig.waited;
        if (contains(target, "watch=true")) {
            if (forgets) {
                rig.answer(410, api_status(410, "Expired"));
            } else {
                rig.answer(200, "");
            }
        } else {
            ++lists;
            rig.answer(200, api_pod_list(7, {api_pod("a", 1)}));
        }
    }
    CHECK(lists == (forgets ? 15 : 1));
    CHECK(total > 120s);
    CHECK(rig.sink.of(Kind::pod).size() == 1);
    CHECK(rig.sink.redundant == 0);
    CHECK(contains(rig.sink.take(), "trouble Pod"));
}

TEST_CASE("api reflector: a missing permission names verb and resource, once") {
    RecordingSink sink;
    Reflector reflector(Kind::policy, sink, {.seed = 1});
    Reflector::Time now{};
    for (int i = 0; i < 3; ++i) {
        auto step = reflector.next(now);
        if (const auto* wait = std::get_if<Reflector::Wait>(&step)) {
            now = wait->until;
            step = reflector.next(now);
        }
        CHECK(std::get<Reflector::Ask>(step).target.starts_with(
            "/apis/networking.k8s.io/v1/networkpolicies?watch=true"));
        reflector.respond(now, 403, {});
        REQUIRE(reflector.feed(now, api_status(403, "Forbidden")));
        reflector.finish(now);
    }
    CHECK(sink.take() == "trouble NetworkPolicy forbidden");
    const Trouble& trouble = sink.troubles.at(Kind::policy);
    CHECK(contains(trouble.message, "may not watch networkpolicies (403: Forbidden happened)"));
    CHECK(contains(trouble.remedy, "networking.k8s.io"));
}

TEST_CASE("api reflector: refused credentials are named") {
    Rig rig;
    rig.ask();
    rig.answer(401, api_status(401, "Unauthorized"));
    CHECK(rig.sink.take() == "trouble Pod credentials");
}

TEST_CASE("api reflector: what is no list is never an empty cluster") {
    const std::string body =
        GENERATE(as<std::string>(), "{}", "", "null", "[]", "<html>log in</html>",
                 R"({"items":[]})", R"({"kind":"PodList","metadata":{"resourceVersion":"5"}})",
                 R"({"kind":"PodList","metadata":{},"items":[]})",
                 R"({"kind":"NamespaceList","metadata":{"resourceVersion":"5"},"items":[]})",
                 R"({"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[)",
                 R"({"kind":"PodList","metadata":{"resourceVersion":"5"},"items":[]} {})");
    CAPTURE(body);
    Rig rig(false);
    rig.ask();
    rig.answer(200, api_pod_list(3, {api_pod("a", 1)}));
    rig.ask();
    rig.answer(410, "");
    rig.ask();
    rig.sink.take();
    for (int i = 0; i < 2; ++i) {
        rig.answer(200, body);
        rig.ask();
    }
    CHECK(rig.sink.take().starts_with("trouble Pod "));
    CHECK(rig.sink.of(Kind::pod).size() == 1);
    rig.answer(200, api_pod_list(5, {}));
    CHECK(rig.sink.take() == "remove Pod shop/a; recovered Pod; listed Pod");
}

TEST_CASE("api reflector: a watch of garbage is asked for again, ever more rarely") {
    Rig rig;
    rig.ask();
    REQUIRE(rig.begin(api_event("ADDED", api_pod("a", 1)) + api_bookmark(5, true)));
    CHECK_FALSE(rig.feed("oops"));
    rig.ask();
    CHECK_FALSE(rig.begin(api_event("MODIFIED", api_pod("a", 6, "n")) + "}"));
    CHECK(contains(rig.ask(), "&resourceVersion=6"));
    CHECK_FALSE(rig.begin("}"));
    rig.ask();
    CHECK_FALSE(rig.begin("}"));
    rig.ask();
    CHECK(rig.waited >= 500ms);
    CHECK(rig.sink.troubles.at(Kind::pod).cause == Trouble::Cause::protocol);
    REQUIRE(rig.begin(""));
    CHECK(rig.sink.troubles.empty());
}

TEST_CASE("api reflector: namespaces have no namespace") {
    RecordingSink sink;
    Reflector reflector(Kind::ns, sink, {.seed = 1, .field_selector = "a!=b,c=d"});
    CHECK(contains(std::get<Reflector::Ask>(reflector.next({})).target,
                   "/api/v1/namespaces?watch=true"));
    CHECK(std::get<Reflector::Ask>(reflector.next({}))
              .target.ends_with("&fieldSelector=a%21%3Db%2Cc%3Dd"));
    reflector.respond({}, 200, {});
    REQUIRE(reflector.feed(
        {}, api_event("ADDED", R"({"metadata":{"name":"x","resourceVersion":"1"}})")));
    REQUIRE(reflector.feed({}, api_event("DELETED", R"({"metadata":{"name":"x"}})")));
    CHECK(sink.take() == "put Namespace x; remove Namespace x");
}
