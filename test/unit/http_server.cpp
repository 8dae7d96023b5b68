// The local HTTP server: what it answers, whom it refuses, and that nobody can make it hold more
// than a little.
#include <array>
#include <filesystem>
#include <string>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/http_session.hpp"
#include "test/support/http.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;

namespace {

HttpResponse echo(const HttpRequest& request) {
    return {.body = request.path + " " + std::string(request.argument("a")) + "\n"};
}

/// So many pieces of a KiB, with a pause that only wake() ends before the last.
class Pieces final : public HttpBody {
  public:
    Pieces(int count, bool pause, int& alive) : left_(count), pause_(pause), alive_(alive) {
        ++alive_;
    }
    ~Pieces() override { --alive_; }
    Next next(std::string& out) override {
        if (left_ == 1 && std::exchange(pause_, false)) return Next::wait;
        out.assign(1024, 'x');
        return --left_ == 0 ? Next::end : Next::more;
    }

  private:
    int left_;
    bool pause_;
    int& alive_;
};

}  // namespace

TEST_CASE("targets are taken apart, or refused when malformed", "[http]") {
    HttpRequest request;
    CHECK(parse_target("/v1/names?kind=pod&prefix=a%2Fb+c&kind=x&empty", request));
    CHECK(request.path == "/v1/names");
    CHECK(request.argument("kind") == "pod");
    CHECK(request.argument("prefix") == "a/b c");
    CHECK(request.query.contains("empty"));
    CHECK(request.argument("none").empty());
    for (const char* target : {"", "v1", "/%", "/%zz", "/a?b=%1", "http://x/"}) {
        HttpRequest ignored;
        CAPTURE(target);
        CHECK_FALSE(parse_target(target, ignored));
    }
}

TEST_CASE("GET and HEAD are answered on TCP, nothing else is", "[http]") {
    boost::asio::io_context io;
    HttpServer server(io, echo);
    REQUIRE(server.listen_tcp("127.0.0.1:0").has_value());
    const HttpPeer peer(io, server.port());
    CHECK(peer.ask("GET /x?a=1 HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: "
          "no-store\r\nConnection: close\r\nContent-Length: 5\r\n\r\n/x 1\n");
    CHECK(peer.ask("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("Content-Length: 4\r\n\r\n"));
    CHECK(peer.ask("GET /x HTTP/1.0\r\n\r\n").ends_with("\r\n\r\n/x \n"));
    CHECK(peer.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
              .starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    CHECK(peer.ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    CHECK(peer.ask("GET /%zz HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
    CHECK(peer.ask("GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n")
              .starts_with("HTTP/1.1 431 "));
    CHECK(peer.ask("GET / HTTP/1.1\r\n" + std::string(100'000, 'a')).starts_with("HTTP/1.1 4"));
    CHECK(run_until(io, [&] { return server.connections() == 0; }));
}

TEST_CASE("who sends nothing, or not enough, is hung up on in time", "[http]") {
    boost::asio::io_context io;
    HttpServer server(io, echo, {.request = 50ms});
    REQUIRE(server.listen_tcp("127.0.0.1:0").has_value());
    const HttpPeer peer(io, server.port());
    CHECK(peer.ask("").empty());
    CHECK(peer.ask("GET / HT").empty());
    CHECK(server.connections() == 0);
}

TEST_CASE("long answers are made as fast as they are read, and no faster", "[http]") {
    boost::asio::io_context io;
    int alive = 0;
    HttpServer server(io, [&](const HttpRequest&) {
        return HttpResponse{.stream = std::make_unique<Pieces>(20'000, false, alive)};
    });
    REQUIRE(server.listen_tcp("127.0.0.1:0").has_value());
    const HttpPeer peer(io, server.port());
    const std::string whole = peer.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(whole.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
    CHECK(body_of(whole).size() == 20'000 * 1024);
    // Without chunks for who does not know them.
    const std::string old = peer.ask("GET / HTTP/1.0\r\n\r\n");
    CHECK(old.size() - old.find("\r\n\r\n") - 4 == 20'000 * 1024);
    CHECK(alive == 0);
}

TEST_CASE("an answer that waits comes when it is woken, and goes with its reader", "[http]") {
    boost::asio::io_context io;
    int alive = 0;
    HttpServer server(io, [&](const HttpRequest&) {
        return HttpResponse{.stream = std::make_unique<Pieces>(2, true, alive)};
    });
    REQUIRE(server.listen_tcp("127.0.0.1:0").has_value());
    HttpPeer peer(io, server.port());
    {
        Talk talk = peer.begin("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        REQUIRE(talk.run_until([&] { return talk.received().size() > 1024; }));
        CHECK_FALSE(talk.run_until([&] { return talk.closed(); }, 20ms));
        server.wake();
        REQUIRE(talk.run_until([&] { return talk.closed(); }));
        CHECK(body_of(talk.received()).size() == 2048);
    }
    {
        Talk talk = peer.begin("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        REQUIRE(talk.run_until([&] { return talk.received().size() > 1024; }));
        CHECK(alive == 1);
        talk.hang_up();
        CHECK(run_until(io, [&] { return alive == 0; }));
    }
    CHECK(server.connections() == 0);
}

TEST_CASE("connections beyond the limit are closed, and stop() closes all", "[http]") {
    boost::asio::io_context io;
    int alive = 0;
    HttpServer server(io,
                      [&](const HttpRequest&) {
                          return HttpResponse{.stream = std::make_unique<Pieces>(2, true, alive)};
                      },
                      {.connections = 2});
    REQUIRE(server.listen_tcp("127.0.0.1:0").has_value());
    HttpPeer peer(io, server.port());
    const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    Talk one = peer.begin(get);
    Talk two = peer.begin(get);
    REQUIRE(run_until(io, [&] { return alive == 2; }));
    CHECK(peer.ask(get).empty());
    server.stop();
    CHECK(one.run_until([&] { return one.closed(); }));
    CHECK(two.run_until([&] { return two.closed(); }));
    CHECK(alive == 0);
    CHECK(server.connections() == 0);
}

TEST_CASE("addresses to listen on are understood or refused", "[http]") {
    boost::asio::io_context io;
    for (const char* text : {"127.0.0.1", "9797", "::1:80", "[::1]", "127.0.0.1:", "1.2.3.4:99999",
                             "host:80", "[x]:80"}) {
        CAPTURE(text);
        HttpServer server(io, echo);
        const auto listening = server.listen_tcp(text);
        CHECK_FALSE(listening.has_value());
        CHECK(listening.error().message.find(text) != std::string::npos);
    }
    HttpServer any(io, echo);
    REQUIRE(any.listen_tcp(":0").has_value());
    HttpServer second(io, echo);
    const auto taken = second.listen_tcp("127.0.0.1:" + std::to_string(any.port()));
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().taken);
}

TEST_CASE("the unix socket is for its owner, replaces a dead one, never a living one", "[http]") {
    boost::asio::io_context io;
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/run/podfence/podfence.sock";
    {
        HttpServer server(io, echo);
        REQUIRE(server.listen_unix(path).has_value());
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0600);
        CHECK(HttpPeer(io, path).ask("GET /u HTTP/1.1\r\n\r\n").ends_with("/u \n"));

        HttpServer second(io, echo);
        const auto taken = second.listen_unix(path);
        REQUIRE_FALSE(taken.has_value());
        CHECK(taken.error().taken);
        CHECK(HttpPeer(io, path).ask("GET /u HTTP/1.1\r\n\r\n").ends_with("/u \n"));
    }
    // It leaves nothing behind.
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(std::filesystem::is_empty(directory.path() + "/run/podfence"));

    // What a killed agent leaves: a file that nobody answers on.
    leave_dead_socket(path);
    HttpServer again(io, echo);
    REQUIRE(again.listen_unix(path).has_value());
    CHECK(HttpPeer(io, path).ask("GET /u HTTP/1.1\r\n\r\n").ends_with("/u \n"));
}

TEST_CASE("a socket that somebody else answers on, or a file, is left alone", "[http]") {
    boost::asio::io_context io;
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/podfence.sock";
    {
        // Not one of ours: it holds no lock.
        boost::asio::local::stream_protocol::acceptor foreign(io, {path});
        HttpServer server(io, echo);
        const auto taken = server.listen_unix(path);
        REQUIRE_FALSE(taken.has_value());
        CHECK(taken.error().taken);
    }
    const std::string file = directory.path() + "/file";
    write_file(file, "precious");
    HttpServer server(io, echo);
    const auto refused = server.listen_unix(file);
    REQUIRE_FALSE(refused.has_value());
    CHECK_FALSE(refused.error().taken);
    CHECK(refused.error().message.find("is no socket") != std::string::npos);
    CHECK(std::filesystem::file_size(file) == 8);
    CHECK_FALSE(server.listen_unix(directory.path() + "/" + std::string(200, 'x')).has_value());
}
