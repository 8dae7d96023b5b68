#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <netinet/tcp.h>

#include "controller/api_client.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

/// TLS records are no larger, so that more would not be filled.
constexpr std::size_t kPieceBytes = std::size_t{16} << 10;
constexpr std::uint32_t kHeaderBytes = 16U << 10;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

std::optional<std::chrono::seconds> retry_after_of(std::string_view text) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    // It may be a date, which API servers do not send.
    if (error != std::errc() || end != text.data() + text.size() || seconds < 0) {
        return std::nullopt;
    }
    return std::chrono::seconds(seconds);
}

/// A peer that vanished without a word is noticed by the kernel, too.
void watch_for_silence(Tcp::socket& socket, const ApiClient::Options& options) {
    const int fd = socket.native_handle();
    const auto set = [&](int level, int name, auto value) {
        const int number = static_cast<int>(value);
        ::setsockopt(fd, level, name, &number, sizeof number);
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_idle.count());
    set(IPPROTO_TCP, TCP_KEEPINTVL, options.keepalive_every.count());
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, options.unacknowledged.count());
    set(IPPROTO_TCP, TCP_NODELAY, 1);
}

std::string seconds_of(std::chrono::milliseconds time) {
    const auto count = time.count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

/// A connection and all that its operations touch; they hold it while they run.
struct ApiConnection::Wire {
    Wire(const asio::any_io_executor& executor, std::shared_ptr<asio::ssl::context> tls)
        : context(std::move(tls)), resolver(executor), stream(executor, *context) {
        // Beast reads what there is room for, and only 512 bytes where there is none.
        buffer.reserve(kPieceBytes);
    }

    beast::tcp_stream& tcp() { return stream.next_layer(); }

    std::shared_ptr<asio::ssl::context> context;
    Credentials credentials{};
    CertificateFault fault{};
    Tcp::resolver resolver;
    TlsStream stream;
    beast::flat_buffer buffer{kPieceBytes + kHeaderBytes};
    std::array<char, kPieceBytes> piece{};
    std::optional<http::response_parser<http::buffer_body>> parser{};
    error_code pending{};  ///< Came together with data that was handed out first.
    bool used = false;     ///< Has answered before.
    bool established = false;
    bool closed = false;
};

ApiConnection::ApiConnection(std::shared_ptr<ApiClient> client) : client_(std::move(client)) {}

void ApiConnection::close() {
    const auto wire = std::exchange(wire_, nullptr);
    if (!wire) return;
    wire->closed = true;
    wire->resolver.cancel();
    wire->tcp().close();
}

Trouble ApiConnection::broken(const error_code& ec, std::string_view doing,
                              std::chrono::milliseconds waited) const {
    const std::string who = "the API server at " + url_of(client_->access());
    Trouble trouble{.cause = Trouble::Cause::unreachable};
    if (ec == beast::error::timeout) {
        trouble.message = who + " was silent for " + seconds_of(waited);
    } else if (ec == http::error::end_of_stream || ec == http::error::partial_message ||
               ec == asio::error::eof || ec == asio::ssl::error::stream_truncated) {
        trouble.message = who + " closed the connection";
    } else if (ec.category() == http::make_error_code(http::error::bad_version).category()) {
        trouble.cause = Trouble::Cause::protocol;
        trouble.message = who + " does not speak HTTP: " + ec.message();
    } else if (ec.category() == asio::error::get_ssl_category()) {
        // Under TLS 1.3 a server says only now that it does not want our certificate.
        trouble.cause = Trouble::Cause::untrusted;
        trouble.message = who + " ended the TLS connection: " + ec.message();
        trouble.remedy = "check that it takes our client certificate";
    } else {
        trouble.message = who + ": " + ec.message();
    }
    trouble.message += " (" + std::string(doing) + ')';
    return trouble;
}

/// A TCP connection to the first address that takes one.
asio::awaitable<Sourced<void>> ApiConnection::reach(std::shared_ptr<Wire> wire) {
    const ClusterAccess& access = client_->access();
    const auto& options = client_->options();
    error_code failed;
    std::vector<Tcp::endpoint> endpoints;
    const auto address = asio::ip::make_address(access.host, failed);
    if (!failed) {
        endpoints.emplace_back(address, access.port);
    } else {
        const auto [ec, results] =
            co_await wire->resolver.async_resolve(access.host, std::to_string(access.port), kTuple);
        if (ec) {
            co_return Trouble{.cause = Trouble::Cause::unreachable,
                              .message = "the API server's name " + access.host +
                                         " has no address: " + ec.message(),
                              .remedy = "check this node's name resolution"};
        }
        for (const auto& result : results) endpoints.push_back(result.endpoint());
    }
    for (const Tcp::endpoint& endpoint : endpoints) {
        if (wire->closed) break;
        wire->tcp().expires_after(options.connect);
        const auto [ec] = co_await wire->tcp().async_connect(endpoint, kTuple);
        failed = ec;
        if (!failed) {
            watch_for_silence(wire->tcp().socket(), options);
            co_return Sourced<void>();
        }
    }
    const std::string why = failed == beast::error::timeout
                                ? "no answer in " + seconds_of(options.connect)
                                : failed.message();
    co_return Trouble{
        .cause = Trouble::Cause::unreachable,
        .message = "cannot connect to the API server at " + url_of(access) + ": " + why,
        .remedy = "what was learnt before stays enforced"};
}

asio::awaitable<Sourced<void>> ApiConnection::connect(Credentials credentials) {
    const auto context = client_->context(credentials);
    if (!context) co_return context.error();
    const auto wire = std::make_shared<Wire>(client_->executor(), *context);
    wire->credentials = std::move(credentials);
    wire_ = wire;
    if (auto reached = co_await reach(wire); !reached) co_return reached.error();
    expect_server(wire->stream, client_->access(), wire->fault);
    const auto limit = client_->options().handshake;
    wire->tcp().expires_after(limit);
    const auto [ec] = co_await wire->stream.async_handshake(asio::ssl::stream_base::client, kTuple);
    if (!ec) {
        wire->established = true;
        co_return Sourced<void>();
    }
    const bool by_tls = ec.category() == asio::error::get_ssl_category();
    if (by_tls || wire->fault.code != 0) {
        co_return tls_trouble(client_->access(), ec, wire->fault);
    }
    co_return broken(ec, "during the TLS handshake", limit);
}

/// Sends the request and reads the answer's head.
asio::awaitable<error_code> ApiConnection::exchange(std::shared_ptr<Wire> wire, Question question,
                                                    std::string token) {
    const ClusterAccess& access = client_->access();
    const bool posts = !question.body.empty();
    http::request<http::string_body> request{posts ? http::verb::post : http::verb::get,
                                             access.base_path + question.target, 11,
                                             std::move(question.body)};
    if (posts) request.set(http::field::content_type, "application/json");
    if (posts) request.prepare_payload();
    const std::string url = url_of({.host = access.host, .port = access.port});
    request.set(http::field::host, url.substr(url.find("//") + 2));
    request.set(http::field::user_agent, client_->options().user_agent);
    request.set(http::field::accept, "application/json");
    if (!token.empty()) request.set(http::field::authorization, "Bearer " + token);
    wire->tcp().expires_after(client_->options().answer);
    const auto [failed, sent] = co_await http::async_write(wire->stream, request, kTuple);
    if (failed) co_return failed;
    wire->pending = {};
    wire->parser.emplace();
    wire->parser->header_limit(kHeaderBytes);
    wire->parser->body_limit(boost::none);
    const auto [ec, size] =
        co_await http::async_read_header(wire->stream, wire->buffer, *wire->parser, kTuple);
    co_return ec;
}

asio::awaitable<Sourced<ApiConnection::Head>> ApiConnection::get(std::string target, bool watch) {
    watch_ = watch;
    return ask({.target = std::move(target)});
}

asio::awaitable<Sourced<ApiConnection::Head>> ApiConnection::post(std::string target,
                                                                  std::string body) {
    watch_ = false;
    return ask({.target = std::move(target), .body = std::move(body)});
}

asio::awaitable<Sourced<ApiConnection::Head>> ApiConnection::ask(Question question) {
    auto credentials = co_await client_->credentials();
    if (!credentials) co_return credentials.error();
    bool kept = wire_ && wire_->established && wire_->parser && wire_->parser->is_done() &&
                wire_->parser->keep_alive() && wire_->credentials.same_connection(*credentials);
    if (!kept) close();
    while (true) {
        if (!kept) {
            auto connected = co_await connect(*credentials);
            if (!connected) close();
            if (!connected) co_return connected.error();
        }
        const auto wire = wire_;
        if (!wire) co_return broken(asio::error::operation_aborted, "connecting", {});
        const error_code ec = co_await exchange(wire, question, credentials->token);
        if (!ec) break;
        const bool given_up = wire->closed;
        close();
        // A server may close a connection that was idle just when the next request is under way.
        if (!std::exchange(kept, false) || given_up) {
            co_return broken(ec,
                             "asking for " + question.target.substr(0, question.target.find('?')),
                             client_->options().answer);
        }
    }
    if (!wire_) co_return broken(asio::error::operation_aborted, "asking", {});
    const auto& head = wire_->parser->get();
    if (head.result_int() == 401) {
        close();
        client_->refused();
        co_return client_->refusal(*credentials);
    }
    const auto field = head[http::field::retry_after];
    co_return Head{.status = head.result_int(),
                   .retry_after = retry_after_of({field.data(), field.size()})};
}

asio::awaitable<Sourced<std::string_view>> ApiConnection::read() {
    const auto wire = wire_;
    if (!wire || !wire->parser) {
        co_return broken(asio::error::operation_aborted, "reading an answer", {});
    }
    const auto& options = client_->options();
    const auto limit = watch_ ? options.watch : options.body;
    while (!wire->parser->is_done() && !wire->pending) {
        auto& body = wire->parser->get().body();
        body.data = wire->piece.data();
        body.size = wire->piece.size();
        body.more = true;
        wire->tcp().expires_after(limit);
        const auto [ec, size] =
            co_await http::async_read_some(wire->stream, wire->buffer, *wire->parser, kTuple);
        if (ec && ec != http::error::need_buffer) wire->pending = ec;
        const std::size_t filled = wire->piece.size() - body.size;
        if (filled > 0) co_return std::string_view(wire->piece.data(), filled);
    }
    wire->tcp().expires_never();
    if (!wire->pending) co_return std::string_view();
    const error_code ec = wire->pending;
    close();
    co_return broken(ec, watch_ ? "while watching" : "reading an answer", limit);
}

}  // namespace podfence
