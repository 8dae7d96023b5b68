#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <unistd.h>

#include "controller/directory_source.hpp"
#include "controller/kubernetes_source.hpp"
#include "test/support/api_model.hpp"
#include "test/support/api_sink.hpp"
#include "test/support/tls_server.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

/// Runs the loop until something is true; fails when that takes unreasonably long.
void run_until(asio::io_context& io, const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    // Keeps run_one_until() from returning early when nothing else is to be done.
    asio::steady_timer guard(io, end);
    guard.async_wait([](const boost::system::error_code&) {});
    io.restart();
    while (!done()) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        io.run_one_until(end);
    }
}

struct TempDir {
    TempDir() {
        path = (fs::temp_directory_path() / "podfence-sources-XXXXXX").string();
        REQUIRE(::mkdtemp(path.data()) != nullptr);
    }
    ~TempDir() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string path;
};

std::string ns_doc(const std::string& name) {
    return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n";
}

void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

std::size_t count(const RecordingSink& sink, const std::string& line) {
    return static_cast<std::size_t>(std::count(sink.log.begin(), sink.log.end(), line));
}

}  // namespace

TEST_CASE("api source: all kinds are followed over HTTPS, through a server's restart") {
    const TestCa ca("ca");
    const TestCertificate certificate = ca.issue("api", "IP:127.0.0.1");
    std::atomic<int> pod_watches = 0;
    ApiModel model;
    model.put("a", "1");
    std::promise<void> changed;
    const std::shared_future<void> change = changed.get_future().share();
    const auto script = [&](TlsServer::Peer& peer) {
        const std::string head = peer.read_request();
        const std::string target = head.substr(4, head.find(' ', 4) - 4);
        peer.write(http_chunked_head());
        if (!target.starts_with("/api/v1/pods")) {
            peer.write(http_chunk(api_bookmark(5, true)));
            peer.await_close();
            return;
        }
        // The first watch breaks off, as when the server is restarted; the model changes meanwhile.
        const bool first = ++pod_watches == 1;
        if (!first) change.wait_for(60s);
        peer.write(http_chunk(model.answer(target).body));
        if (!first) peer.await_close();
    };
    TlsServer server(certificate, script);
    asio::io_context io;
    RecordingSink sink;
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = server.port()};
    access.server_name = access.host;
    access.ca.text = ca.pem();
    const auto source = make_kubernetes_source(io, access, sink, {.seed = 3});
    CHECK(source->status().kinds[0].state == KindStatus::State::stopped);
    source->start();
    run_until(io, [&] {
        return count(sink, "listed Pod") + count(sink, "listed Namespace") +
                   count(sink, "listed NetworkPolicy") ==
               3;
    });
    CHECK(sink.of(Kind::pod).size() == 1);
    model.put("b", "1");
    model.remove("a");
    changed.set_value();
    run_until(io, [&] { return sink.of(Kind::pod).contains({"shop", "b"}); });
    run_until(io, [&] { return !sink.of(Kind::pod).contains({"shop", "a"}); });
    CHECK(count(sink, "listed Pod") == 1);  // the watch was resumed
    CHECK(sink.troubles.empty());
    CHECK(sink.redundant == 0);
    const SourceStatus status = source->status();
    CHECK(status.origin == "https://127.0.0.1:" + std::to_string(server.port()) + " (test)");
    CHECK(status.kinds[index_of(Kind::pod)].state == KindStatus::State::watching);
    CHECK(status.kinds[index_of(Kind::pod)].watches == 2);
    source->stop();
    sink.take();
    io.restart();
    io.run();  // ends: nothing is left behind
    CHECK(sink.take().empty());
}

TEST_CASE("api source: pods whose labels cannot be read are isolated until they are mended") {
    const TestCa ca("ca");
    const TestCertificate certificate = ca.issue("api", "IP:127.0.0.1");
    std::promise<void> mended;
    const std::shared_future<void> mend = mended.get_future().share();
    const auto script = [&](TlsServer::Peer& peer) {
        const std::string head = peer.read_request();
        peer.write(http_chunked_head());
        if (head.starts_with("GET /api/v1/pods")) {
            std::string bad = api_pod("a", 2);
            bad.replace(bad.find(R"("v":)"), 4, R"("no key":)");
            peer.write(http_chunk(api_event("ADDED", bad) + api_bookmark(5, true)));
            mend.wait_for(60s);
            peer.write(http_chunk(api_event("MODIFIED", api_pod("a", 6))));
        } else {
            peer.write(http_chunk(api_bookmark(5, true)));
        }
        peer.await_close();
    };
    TlsServer server(certificate, script);
    asio::io_context io;
    RecordingSink sink;
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = server.port()};
    access.server_name = access.host;
    access.ca.text = ca.pem();
    const auto source = make_kubernetes_source(io, access, sink, {.seed = 3});
    source->start();
    run_until(io, [&] {
        return sink.of(Kind::pod).size() == 1 && count(sink, "listed NetworkPolicy") == 1;
    });
    REQUIRE(sink.of(Kind::policy).size() == 1);  // Also after the list of all that there are.
    CHECK(count(sink, "put NetworkPolicy shop/(in error)") == 1);
    mended.set_value();
    run_until(io, [&] { return sink.of(Kind::policy).empty(); });
    CHECK(sink.of(Kind::pod).size() == 1);
    CHECK(sink.redundant == 0);
    source->stop();
    io.restart();
    io.run();
}

TEST_CASE("api source: a server that is not there is one trouble for each kind, and no more") {
    asio::io_context io;
    RecordingSink sink;
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = 1};
    const auto source = make_kubernetes_source(io, access, sink,
                                               {.backoff = {.first = 1ms, .max = 2ms}, .seed = 3});
    source->start();
    run_until(io, [&] { return source->status().kinds[0].failures >= 5; });
    CHECK(sink.log.size() == 3);
    CHECK(sink.troubles.at(Kind::pod) == sink.troubles.at(Kind::policy));
    CHECK(sink.troubles.at(Kind::pod).message ==
          "cannot connect to the API server at https://127.0.0.1:1: Connection refused");
}

TEST_CASE("api source: a directory is followed by what the kernel tells") {
    const TempDir dir;
    write(dir.path + "/a.yaml", ns_doc("a"));
    asio::io_context io;
    RecordingSink sink;
    auto made = make_directory_source(io, {dir.path}, sink);
    REQUIRE(made.has_value());
    (*made)->start();
    const auto has = [&](const char* name) { return sink.of(Kind::ns).contains({"", name}); };
    run_until(io, [&] { return count(sink, "listed Namespace") == 1; });
    CHECK(has("a"));

    write(dir.path + "/b.yaml", ns_doc("b"));
    run_until(io, [&] { return has("b"); });

    write(dir.path + "/.tmp", ns_doc("c"));
    fs::rename(dir.path + "/.tmp", dir.path + "/b.yaml");
    run_until(io, [&] { return has("c") && !has("b"); });

    // A directory that comes with its content, by renaming and by creation.
    const TempDir other;
    fs::create_directory(other.path + "/sub");
    write(other.path + "/sub/d.yaml", ns_doc("d"));
    fs::rename(other.path + "/sub", dir.path + "/sub");
    run_until(io, [&] { return has("d"); });
    fs::create_directories(dir.path + "/x/y/z");
    write(dir.path + "/x/y/z/e.yaml", ns_doc("e"));
    run_until(io, [&] { return has("e"); });

    // What a link leads to, elsewhere.
    write(other.path + "/target", ns_doc("f"));
    fs::create_symlink(other.path + "/target", dir.path + "/f.yaml");
    run_until(io, [&] { return has("f"); });
    write(other.path + "/target", ns_doc("g"));
    run_until(io, [&] { return has("g") && !has("f"); });

    fs::remove_all(dir.path + "/x");
    run_until(io, [&] { return !has("e"); });
    CHECK(sink.redundant == 0);
    CHECK(sink.troubles.empty());
    (*made)->stop();
    io.restart();
    io.run();  // ends
}

TEST_CASE("api source: a directory can be replaced as a whole") {
    const TempDir dir;
    fs::create_directory(dir.path + "/in");
    write(dir.path + "/in/a.yaml", ns_doc("a"));
    asio::io_context io;
    RecordingSink sink;
    auto made = make_directory_source(io, {dir.path + "/in"}, sink);
    REQUIRE(made.has_value());
    (*made)->start();
    run_until(io, [&] { return sink.of(Kind::ns).size() == 1; });
    fs::create_directory(dir.path + "/new");
    write(dir.path + "/new/b.yaml", ns_doc("b"));
    fs::rename(dir.path + "/in", dir.path + "/old");
    fs::rename(dir.path + "/new", dir.path + "/in");
    run_until(io, [&] {
        return sink.of(Kind::ns).contains({"", "b"}) && !sink.of(Kind::ns).contains({"", "a"});
    });
    write(dir.path + "/in/c.yaml", ns_doc("c"));
    run_until(io, [&] { return sink.of(Kind::ns).contains({"", "c"}); });
    CHECK_FALSE(make_directory_source(io, {"-"}, sink).has_value());
    CHECK_FALSE(make_directory_source(io, {"/dev/null"}, sink).has_value());
}
