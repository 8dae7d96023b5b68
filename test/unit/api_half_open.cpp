// A watch whose server has ceased to be without a word to anybody.
#include <chrono>
#include <exception>
#include <latch>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "controller/api_client.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"
#include "test/support/tls_server.hpp"

using namespace podfence;
using namespace podfence::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Seen {
    std::string body{};
    std::optional<Trouble> trouble{};
};

/// Reads a first piece; then nothing arrives any more on either side.
asio::awaitable<void> watch_into(ApiConnection* connection, Seen* seen) {
    const auto head = co_await connection->get("/watch", true);
    if (!head) {
        seen->trouble = head.error();
        co_return;
    }
    while (true) {
        const auto piece = co_await connection->read();
        if (!piece) seen->trouble = piece.error();
        if (!piece || piece->empty()) co_return;
        if (seen->body.empty()) {
            nft_load(
                "table inet gap { chain input { type filter hook input priority 0; "
                "meta l4proto tcp drop\n}\n}\n");
        }
        seen->body += *piece;
    }
}

}  // namespace

TEST_CASE("api client: a connection that is only half there is noticed by the kernel's probes") {
    if (const auto why_not = PrivateNetns::missing()) PODFENCE_SKIP(*why_not);
    if (const auto why_not = nft_missing()) PODFENCE_SKIP(*why_not);
    const PrivateNetns netns;
    run_shell("ip link set lo up");
    const TestCa ca("our-ca");
    std::latch noticed(1);
    TlsServer server(ca.issue("api", "IP:127.0.0.1"), [&](TlsServer::Peer& peer) {
        peer.read_request();
        peer.write(http_chunked_head() + http_chunk("{}"));
        noticed.wait();
    });
    ClusterAccess access{.origin = "test", .host = "127.0.0.1", .port = server.port()};
    access.server_name = access.host;
    access.ca.text = ca.pem();
    asio::io_context io;
    const auto client = std::make_shared<ApiClient>(
        io.get_executor(), std::move(access),
        ApiClient::Options{
            .watch = 60s, .keepalive_idle = 1s, .keepalive_every = 1s, .unacknowledged = 2s});
    ApiConnection connection(client);
    Seen seen;
    const auto start = std::chrono::steady_clock::now();
    asio::co_spawn(io, watch_into(&connection, &seen), [&](const std::exception_ptr& thrown) {
        noticed.count_down();
        if (thrown) std::rethrow_exception(thrown);
    });
    io.run();
    REQUIRE(seen.trouble);
    CHECK(seen.body == "{}");
    CHECK(seen.trouble->cause == Trouble::Cause::unreachable);
    CHECK(seen.trouble->message.find("timed out") != std::string::npos);
    // Long before the silence itself would be told: API servers are quiet for a minute.
    CHECK(std::chrono::steady_clock::now() - start < 50s);
}
