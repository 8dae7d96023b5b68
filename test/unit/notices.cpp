// Policies that are not enforced as written are told by Events at the API server: once, by
// whichever node comes first, and without an end to it when the server does not want them.
#include <atomic>
#include <mutex>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "controller/notice_poster.hpp"
#include "test/support/api_model.hpp"
#include "test/support/api_sink.hpp"
#include "test/support/builders.hpp"
#include "test/support/http.hpp"
#include "test/support/tls_server.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

using Time = NoticeQueue::Time;
constexpr Time kStart{std::chrono::hours(1)};

Notice notice(std::string_view policy, const std::string& text = "spec.ingress: is bad",
              const std::string& uid = "u-1") {
    return {.policy = name(policy), .uid = uid, .key = text, .text = text};
}

NoticeQueue::Options at_once() {
    return {
        .node = "n1", .seed = 7, .spread = 0ms, .backoff = {.first = 1'000ms, .max = 300'000ms}};
}

/// The policies that are told of, in order; every Event is made.
std::string all_told(NoticeQueue& queue) {
    std::string names;
    while (queue.due()) {
        const auto body = boost::json::parse(queue.next({}).body);
        names += names.empty() ? "" : " ";
        names += body.at("involvedObject").at("name").as_string();
        CHECK_FALSE(queue.answered(kStart, 201, {}));
    }
    return names;
}

}  // namespace

TEST_CASE("notices: an Event says what kubectl shows below the policy") {
    NoticeQueue queue(at_once());
    CHECK_FALSE(queue.due());
    queue.add(kStart, notice("shop/db", "spec.ingress[0]: \xff is \"bad\""));
    REQUIRE(queue.due() == kStart);
    const auto post = queue.next(NoticeQueue::Wall(1'772'600'767'891ms));
    CHECK(post.target == "/api/v1/namespaces/shop/events");
    const auto event = boost::json::parse(post.body);
    CHECK(event.at("apiVersion") == "v1");
    CHECK(event.at("kind") == "Event");
    CHECK(event.at("metadata").at("namespace") == "shop");
    CHECK(event.at("involvedObject") == boost::json::value{{"apiVersion", "networking.k8s.io/v1"},
                                                           {"kind", "NetworkPolicy"},
                                                           {"namespace", "shop"},
                                                           {"name", "db"},
                                                           {"uid", "u-1"}});
    CHECK(event.at("type") == "Warning");
    CHECK(event.at("reason") == "NotEnforced");
    CHECK(event.at("message") == "spec.ingress[0]: \xef\xbf\xbd is \"bad\"");
    CHECK(event.at("lastTimestamp") == "2026-03-04T05:06:07Z");
    CHECK(event.at("source").at("component") == "podfence");
    CHECK(event.at("reportingComponent") == "podfence");
    CHECK(event.at("reportingInstance") == "n1");
}

TEST_CASE("notices: the name is the same on every node, and another for anything else") {
    const auto of = [](const Notice& notice) { return event_name(notice); };
    const std::string first = of(notice("shop/db"));
    CHECK(first.starts_with("db."));
    CHECK(first.size() == 3 + 16);
    CHECK(first == of(notice("shop/db")));
    CHECK(first != of(notice("shop/db", "something else")));
    CHECK(first != of(notice("shop/db", "spec.ingress: is bad", "u-2")));
    Notice by_kernel = notice("shop/db");
    by_kernel.text = "in other words";
    CHECK(first == of(by_kernel));  // What makes it the same is its key.
    const std::string longest = of(notice("shop/" + std::string(199, 'a') + std::string(54, '.')));
    CHECK(longest.starts_with(std::string(199, 'a') + "."));
    CHECK(longest.size() == 199 + 1 + 16);
}

TEST_CASE("notices: nothing is said twice while it stays as it is") {
    NoticeQueue queue(at_once());
    queue.add(kStart, notice("a/p"));
    queue.add(kStart, notice("a/p"));
    queue.add(kStart, notice("a/q"));
    queue.add(kStart, notice("a/anonymous", "bad", ""));
    CHECK(all_told(queue) == "p q");
    queue.add(kStart, notice("a/p"));
    CHECK_FALSE(queue.due());
    queue.add(kStart, notice("a/p", "bad in another way"));
    CHECK(all_told(queue) == "p");
    queue.add(kStart, notice("a/p"));
    queue.withdraw(name("a/p"));  // Mended before anybody was told.
    CHECK_FALSE(queue.due());
    queue.add(kStart, notice("a/q", "bad once more"));
    queue.add(kStart, notice("a/q"));  // Only the last counts.
    CHECK(all_told(queue) == "q");
}

TEST_CASE("notices: what is withdrawn while it is under way is not tried again") {
    NoticeQueue queue(at_once());
    queue.add(kStart, notice("a/p"));
    queue.add(kStart, notice("a/q"));
    queue.next({});
    queue.withdraw(name("a/p"));
    queue.failed(kStart);
    CHECK(all_told(queue) == "q");
    queue.add(kStart, notice("a/q", "bad in another way"));
    queue.next({});
    queue.add(kStart, notice("a/q", "bad in a third way"));
    queue.failed(kStart);
    REQUIRE(queue.due());
    CHECK(queue.next({}).body.find("third") != std::string::npos);
}

TEST_CASE("notices: that another node was first, or the namespace ends, is as good") {
    NoticeQueue queue(at_once());
    for (const auto& [code, message] :
         {std::pair{409U, "already exists"}, std::pair{404U, "namespaces \"a\" not found"},
          std::pair{403U,
                    "forbidden: unable to create new content in namespace a because it is "
                    "being terminated"}}) {
        queue.add(kStart, notice("a/p"));
        REQUIRE(queue.due() == kStart);
        queue.next({});
        CHECK_FALSE(queue.answered(kStart, code, {.code = code, .message = message}));
        CHECK_FALSE(queue.due());
        queue.add(kStart, notice("a/p"));
        CHECK_FALSE(queue.due());
        queue.withdraw(name("a/p"));
    }
}

TEST_CASE("notices: a server that is away or busy is asked again, ever more rarely") {
    NoticeQueue queue(at_once());
    queue.add(kStart, notice("a/p"));
    Time now = kStart;
    Time::duration wait{};
    for (int i = 0; i < 12; ++i) {
        queue.next({});
        if (i % 2 == 0) queue.failed(now);
        if (i % 2 == 1) CHECK_FALSE(queue.answered(now, 503, {}));
        REQUIRE(queue.due());
        wait = *queue.due() - now;
        CHECK(wait >= 500ms);
        CHECK(wait <= 300s);
        now = *queue.due();
        queue.add(now, notice("a/q"));  // New ones wait as well.
        CHECK(*queue.due() == now);
    }
    CHECK(wait >= 150s);
    queue.next({});
    CHECK_FALSE(queue.answered(now, 429, {.retry_after = 400s}));
    CHECK(*queue.due() - now >= 400s);
    CHECK(all_told(queue) == "p q");
}

TEST_CASE("notices: without the permission it is said once, and that is all") {
    NoticeQueue queue(at_once());
    queue.add(kStart, notice("a/p"));
    queue.add(kStart, notice("a/q"));
    queue.next({});
    const auto trouble = queue.answered(kStart, 403, {.message = "cannot create events"});
    REQUIRE(trouble);
    CHECK(trouble->cause == Trouble::Cause::forbidden);
    CHECK(trouble->message == "may not create events (403: cannot create events)");
    CHECK(trouble->remedy.find("grant create on resource \"events\"") == 0);
    CHECK_FALSE(queue.due());
    queue.add(kStart, notice("a/r"));
    CHECK_FALSE(queue.due());
}

TEST_CASE("notices: however many policies are bad, few wait, and the nodes spread") {
    auto options = at_once();
    options.spread = 5'000ms;
    NoticeQueue queue(options);
    for (int i = 0; i < 1'000; ++i) queue.add(kStart, notice("a/p" + std::to_string(i)));
    CHECK(*queue.due() > kStart);
    CHECK(*queue.due() <= kStart + 5s);
    std::size_t told = 0;
    for (; queue.due(); ++told) {
        queue.next({});
        CHECK_FALSE(queue.answered(kStart, 201, {}));
    }
    CHECK(told == NoticeQueue::kWaitingMax);
    queue.add(kStart, notice("a/p999"));  // Its turn, should it be told of again.
    CHECK(queue.due());
}

TEST_CASE("notices: they are posted over HTTPS, through failures, on one connection") {
    const TestCa ca("ca");
    const TestCertificate certificate = ca.issue("api", "IP:127.0.0.1");
    std::mutex mutex;
    std::vector<std::string> posted;
    std::atomic<int> asked = 0;
    const auto script = [&](TlsServer::Peer& peer) {
        for (std::string head = peer.read_request(); !head.empty(); head = peer.read_request()) {
            const std::string length = "Content-Length: ";
            const std::string body =
                peer.read(std::stoul(head.substr(head.find(length) + length.size())));
            switch (++asked) {
                case 1:
                    return;  // Hangs up.
                case 2:
                    peer.write(http_answer(500, api_status(500, "InternalError")));
                    break;
                case 3:
                    peer.write(http_answer(409, api_status(409, "AlreadyExists")));
                    break;
                case 4: {
                    const std::scoped_lock lock(mutex);
                    posted.push_back(head.substr(0, head.find('\r')) + " " + body);
                    peer.write(http_answer(201, body));
                    break;
                }
                default:
                    peer.write(http_answer(403, api_status(403, "Forbidden")));
            }
        }
    };
    TlsServer server(certificate, script);
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = server.port()};
    access.server_name = access.host;
    access.ca.text = ca.pem();
    boost::asio::io_context io;
    struct Hearing final : RecordingSink {
        void untold(const Trouble& trouble) override { heard.push_back(trouble); }
        std::vector<Trouble> heard{};
    } sink;
    auto options = at_once();
    options.backoff = {.first = 1ms, .max = 2ms};
    const auto client =
        std::make_shared<ApiClient>(io.get_executor(), access, ApiClient::Options{});
    NoticePoster poster(io, client, sink, options);
    poster.start();
    for (const char* policy : {"a/p", "a/q", "a/r", "a/s"}) poster.add(notice(policy));
    REQUIRE(run_until(io, [&] { return !sink.heard.empty(); }));
    CHECK(sink.heard.size() == 1);
    CHECK(asked == 5);  // Three times of p, then q, and r; not of s.
    CHECK(server.connections() == 2);
    REQUIRE(posted.size() == 1);
    CHECK(posted[0].starts_with("POST /api/v1/namespaces/a/events HTTP/1.1 {"));
    const auto event = boost::json::parse(posted[0].substr(posted[0].find('{')));
    CHECK(event.at("metadata").at("name").as_string() == event_name(notice("a/q")));
    poster.stop();
    io.restart();
    io.run();  // Nothing is left behind.
}
