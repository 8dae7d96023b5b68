#include "controller/api_client.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <unistd.h>

#include "test/support/tls_server.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

const TestCa& our_ca() {
    static const TestCa ca("our-ca");
    return ca;
}

struct Fetched {
    unsigned status = 0;
    std::optional<std::chrono::seconds> retry_after{};
    std::string body{};
    std::size_t pieces = 0;
    std::optional<Trouble> trouble{};
};

asio::awaitable<void> fetch_into(ApiConnection* connection, std::string target, bool watch,
                                 Fetched* out) {
    const auto head = co_await connection->get(target, watch);
    if (!head) {
        out->trouble = head.error();
        co_return;
    }
    out->status = head->status;
    out->retry_after = head->retry_after;
    while (true) {
        const auto piece = co_await connection->read();
        if (!piece) out->trouble = piece.error();
        if (!piece || piece->empty()) co_return;
        out->body += *piece;
        ++out->pieces;
    }
}

ClusterAccess access_to(const TlsServer& server) {
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = server.port()};
    access.server_name = access.host;
    access.ca.text = our_ca().pem();
    return access;
}

/// A client and its loop.
struct Rig {
    explicit Rig(ClusterAccess access, ApiClient::Options options = {})
        : client(std::make_shared<ApiClient>(io.get_executor(), std::move(access), options)),
          connection(client) {}

    Fetched fetch(const std::string& target, bool watch = false) {
        Fetched out;
        asio::co_spawn(io, fetch_into(&connection, target, watch, &out),
                       [](const std::exception_ptr& thrown) {
                           if (thrown) std::rethrow_exception(thrown);
                       });
        io.restart();
        io.run();
        return out;
    }
    Trouble failure(const std::string& target, bool watch = false) {
        Fetched out = fetch(target, watch);
        REQUIRE(out.trouble);
        return *out.trouble;
    }

    asio::io_context io;
    std::shared_ptr<ApiClient> client;
    ApiConnection connection;
};

TestCertificate server_certificate() {
    return our_ca().issue("api", "IP:127.0.0.1,IP:::1,DNS:kubernetes");
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
    return path;
}

struct TempDir {
    TempDir() {
        path = (std::filesystem::temp_directory_path() / "podfence-api-XXXXXX").string();
        REQUIRE(::mkdtemp(path.data()) != nullptr);
    }
    ~TempDir() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string path;
};

}  // namespace

TEST_CASE("api client: requests share a connection, and say who asks") {
    std::vector<std::string> requests;
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        for (std::string head; !(head = peer.read_request()).empty();) {
            requests.push_back(head);
            peer.write(http_answer(requests.size() == 1 ? 429 : 200, "{}", "Retry-After: 7\r\n"));
        }
    });
    ClusterAccess access = access_to(server);
    access.token.text = "secret\n";
    access.base_path = "/k8s";
    Rig rig(access, {.user_agent = "podfence/test"});
    const Fetched first = rig.fetch("/api?x=1");
    CHECK(first.status == 429);
    CHECK(first.retry_after == 7s);
    CHECK(rig.fetch("/api").body == "{}");
    CHECK(server.connections() == 1);
    CHECK(requests.at(0).starts_with("GET /k8s/api?x=1 HTTP/1.1\r\n"));
    CHECK(contains(requests.at(0), "Authorization: Bearer secret\r\n"));
    CHECK(contains(requests.at(0), "User-Agent: podfence/test\r\n"));
    CHECK(contains(requests.at(0), "Accept: application/json\r\n"));
    CHECK(contains(requests.at(0), "Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
}

TEST_CASE("api client: a connection that the server has closed is made anew") {
    TlsServer server(server_certificate(), [](TlsServer::Peer& peer) {
        if (!peer.read_request().empty()) peer.write(http_answer(200, "{}"));
    });
    Rig rig(access_to(server));
    CHECK(rig.fetch("/a").body == "{}");
    CHECK(rig.fetch("/b").body == "{}");
    CHECK(server.connections() == 2);
}

TEST_CASE("api client: bodies come as they are sent, however they are cut") {
    std::string body;
    while (body.size() < 1'500'000) body += "{\"object\": " + std::to_string(body.size()) + "}\n";
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        peer.read_request();
        peer.write(http_chunked_head());
        std::size_t size = 1;
        for (std::size_t at = 0; at < body.size(); at += size, size = size * 3 % 70'001) {
            peer.write(http_chunk(std::string_view(body).substr(at, size)));
        }
        peer.write("0\r\n\r\n");
        peer.await_close();
    });
    Rig rig(access_to(server));
    const Fetched out = rig.fetch("/big", true);
    CHECK(out.body == body);
    CHECK_FALSE(out.trouble);
}

TEST_CASE("api client: servers are checked, and what is wrong with them is said") {
    const auto script = [](TlsServer::Peer& peer) { peer.await_close(); };
    SECTION("another CA") {
        TlsServer server(TestCa("foreign").issue("api", "IP:127.0.0.1"), script);
        const Trouble trouble = Rig(access_to(server)).failure("/");
        CHECK(trouble.cause == Trouble::Cause::untrusted);
        CHECK(contains(trouble.message, "of a CA that is not ours (CN=api, issued by CN=foreign)"));
    }
    SECTION("expired") {
        TlsServer server(our_ca().issue("api", "IP:127.0.0.1", -7200, -3600), script);
        const Trouble trouble = Rig(access_to(server)).failure("/");
        CHECK(trouble.cause == Trouble::Cause::untrusted);
        CHECK(contains(trouble.message, "that expired at "));
        CHECK(contains(trouble.remedy, "clock"));
    }
    SECTION("not valid yet") {
        TlsServer server(our_ca().issue("api", "IP:127.0.0.1", 3600, 7200), script);
        CHECK(contains(Rig(access_to(server)).failure("/").message, "not valid before"));
    }
    SECTION("of another address, of another name") {
        TlsServer server(our_ca().issue("api", "IP:10.0.0.1,DNS:kubernetes"), script);
        ClusterAccess access = access_to(server);
        CHECK(contains(Rig(access).failure("/").message,
                       "has a certificate of IP Address:10.0.0.1, DNS:kubernetes, and not of "
                       "127.0.0.1"));
        access.server_name = "other";
        CHECK(contains(Rig(access).failure("/").message, "and not of other"));
    }
}

TEST_CASE("api client: tls-server-name, IPv6 and unchecked servers work") {
    const auto script = [](TlsServer::Peer& peer) {
        peer.read_request();
        peer.write(http_answer(200, "fine"));
        peer.await_close();
    };
    SECTION("name") {
        TlsServer server(our_ca().issue("api", "DNS:kubernetes"), script);
        ClusterAccess access = access_to(server);
        access.server_name = "kubernetes";
        CHECK(Rig(access).fetch("/").body == "fine");
    }
    SECTION("IPv6") {
        TlsServer server(server_certificate(), script, "::1");
        ClusterAccess access = access_to(server);
        access.host = access.server_name = "::1";
        CHECK(Rig(access).fetch("/").body == "fine");
    }
    SECTION("unchecked") {
        TlsServer server(TestCa("foreign").issue("api", "DNS:x", -20, -10), script);
        ClusterAccess access = access_to(server);
        access.ca = {};
        access.verify = false;
        CHECK(Rig(access).fetch("/").body == "fine");
    }
}

TEST_CASE("api client: nobody there") {
    std::uint16_t port = 0;
    {
        TlsServer server(server_certificate(), [](TlsServer::Peer&) {});
        port = server.port();
    }
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = port};
    access.server_name = "127.0.0.1";
    const Trouble trouble = Rig(access).failure("/");
    CHECK(trouble.cause == Trouble::Cause::unreachable);
    CHECK(contains(trouble.message, "Connection refused"));
}

TEST_CASE("api client: silence is noticed, before the answer, in a body and in a watch") {
    const int where = GENERATE(0, 1, 2);
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        peer.read_request();
        if (where > 0) peer.write(http_chunked_head() + http_chunk("{}"));
        peer.await_close();
    });
    ApiClient::Options options{.answer = 10s, .body = 10s, .watch = 10s};
    (where == 0 ? options.answer : where == 1 ? options.body : options.watch) = 50ms;
    Rig rig(access_to(server), options);
    const Fetched out = rig.fetch("/", where == 2);
    REQUIRE(out.trouble);
    CHECK(out.body == (where > 0 ? "{}" : ""));
    CHECK(out.trouble->cause == Trouble::Cause::unreachable);
    CHECK(contains(out.trouble->message, "was silent for 50 ms"));
}

TEST_CASE("api client: broken answers are errors, and what came before them is given") {
    const auto [text, cause] = GENERATE(table<std::string, Trouble::Cause>(
        {{http_chunked_head() + http_chunk("ab"), Trouble::Cause::unreachable},
         {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", Trouble::Cause::unreachable},
         {http_chunked_head() + http_chunk("ab") + "nonsense\r\n", Trouble::Cause::protocol},
         {"SSH-2.0-OpenSSH\r\n", Trouble::Cause::protocol},
         {"", Trouble::Cause::unreachable}}));
    const std::string bytes = text;
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        peer.read_request();
        peer.write(bytes);
    });
    Rig rig(access_to(server));
    const Fetched out = rig.fetch("/");
    CAPTURE(bytes, out.trouble ? out.trouble->message : "none");
    REQUIRE(out.trouble);
    CHECK(out.trouble->cause == cause);
    CHECK(out.body == (contains(bytes, "ab") ? "ab" : ""));
}

TEST_CASE("api client: rotated tokens and CAs are used at the next request") {
    const TempDir dir;
    std::vector<std::string> tokens;
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        for (std::string head; !(head = peer.read_request()).empty();) {
            const std::size_t at = head.find("Bearer ") + 7;
            tokens.push_back(head.substr(at, head.find('\r', at) - at));
            peer.write(http_answer(tokens.back() == "old" ? 401 : 200, "{}"));
        }
    });
    ClusterAccess access = access_to(server);
    access.token.path = write_file(dir.path + "/token", "old");
    access.ca = {.path = write_file(dir.path + "/ca.crt", TestCa("foreign").pem())};
    Rig rig(access);
    CHECK(rig.failure("/").cause == Trouble::Cause::untrusted);
    write_file(access.ca.path, our_ca().pem());
    const Trouble refused = rig.failure("/");
    CHECK(refused.cause == Trouble::Cause::credentials);
    CHECK(contains(refused.remedy, access.token.path));
    write_file(access.token.path, "new\n");
    CHECK(rig.fetch("/").status == 200);
    CHECK(tokens == std::vector<std::string>{"old", "new"});
    std::filesystem::remove(access.token.path);
    CHECK(contains(rig.failure("/").message, "cannot be read: No such file"));
    write_file(access.token.path, "new");
    CHECK(rig.fetch("/").status == 200);
}

TEST_CASE("api client: client certificates are shown, and faults in them named") {
    std::string name;
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        name = peer.client_name();
        peer.read_request();
        peer.write(http_answer(name == "late" ? 401 : 200, "{}"));
    });
    ClusterAccess access = access_to(server);
    const TestCertificate node = our_ca().issue("node", "");
    access.certificate.text = node.certificate;
    access.key.text = node.key;
    CHECK(Rig(access).fetch("/").status == 200);
    CHECK(name == "node");
    const TestCertificate late = our_ca().issue("late", "", -7200, -3600);
    access.certificate.text = late.certificate;
    CHECK(contains(Rig(access).failure("/").message, "not that of the client certificate"));
    access.key.text = late.key;
    CHECK(contains(Rig(access).failure("/").message, "the client certificate expired at "));
    access.certificate.text = "rubbish";
    CHECK(Rig(access).failure("/").cause == Trouble::Cause::credentials);
}

TEST_CASE("api client: exec plugins give credentials until they expire or are refused") {
    const TempDir dir;
    const std::string runs = dir.path + "/runs";
    std::vector<std::string> tokens;
    int refuse = 0;
    TlsServer server(server_certificate(), [&](TlsServer::Peer& peer) {
        for (std::string head; !(head = peer.read_request()).empty();) {
            const std::size_t at = head.find("Bearer ") + 7;
            tokens.push_back(head.substr(at, head.find('\r', at) - at));
            peer.write(http_answer(refuse-- > 0 ? 401 : 200, "{}"));
        }
    });
    ClusterAccess access = access_to(server);
    access.exec = ExecPlugin{.api_version = "client.authentication.k8s.io/v1",
                             .command = "/bin/sh",
                             .args = {"-c", "", "plugin"},
                             .env = {{"RUNS", runs}}};
    const auto program = [&](const std::string& status) {
        return "echo x >> $RUNS; test -n \"$KUBERNETES_EXEC_INFO\" && echo '{\"kind\":"
               "\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
               "\"status\":{" +
               status + "}}'";
    };
    const auto count = [&] {
        std::ifstream file(runs);
        return std::count(std::istreambuf_iterator<char>(file), {}, 'x');
    };
    SECTION("kept while it is good") {
        access.exec->args[1] =
            program(R"("token":"t","expirationTimestamp":"2999-01-01T00:00:00Z")");
        Rig rig(access);
        CHECK(rig.fetch("/").status == 200);
        CHECK(rig.fetch("/").status == 200);
        CHECK(count() == 1);
        refuse = 1;
        CHECK(rig.failure("/").cause == Trouble::Cause::credentials);
        CHECK(rig.fetch("/").status == 200);
        CHECK(count() == 2);
        CHECK(tokens == std::vector<std::string>(4, "t"));
    }
    SECTION("renewed when it has expired") {
        access.exec->args[1] =
            program(R"("token":"t","expirationTimestamp":"2001-01-01T00:00:00Z")");
        Rig rig(access);
        CHECK(rig.fetch("/").status == 200);
        CHECK(rig.fetch("/").status == 200);
        CHECK(count() == 2);
    }
    SECTION("failures say why") {
        access.exec->args[1] = "echo not logged in >&2; exit 3";
        CHECK(contains(Rig(access).failure("/").message,
                       "/bin/sh ended with status 3: \"not logged in\""));
        access.exec->args[1] = "echo hello";
        CHECK(contains(Rig(access).failure("/").message, "printed no JSON"));
        access.exec->args[1] = program("");
        CHECK(contains(Rig(access).failure("/").message, "neither a token nor a certificate"));
        access.exec->command = "/nonexistent/plugin";
        access.exec->install_hint = "install it";
        const Trouble trouble = Rig(access).failure("/");
        CHECK(contains(trouble.message, "cannot be started: No such file"));
        CHECK(trouble.remedy == "install it");
    }
    SECTION("one that hangs is killed") {
        access.exec->args[1] = "echo $$ > $RUNS; exec tail -f /dev/null";
        CHECK(contains(Rig(access, {.plugin = 2s}).failure("/").message, "did not end in time"));
        int pid = 0;
        std::ifstream(runs) >> pid;
        REQUIRE(pid > 0);
        CHECK(::kill(pid, 0) != 0);
    }
}
