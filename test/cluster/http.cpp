#include "test/cluster/http.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace podfence::lab {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

class Http::Connection {
  public:
    explicit Connection(const std::string& ca_file) : stream_(io_, tls_), plain_(ca_file.empty()) {
        if (plain_) return;
        stream_.set_verify_mode(asio::ssl::verify_peer);
        tls_.load_verify_file(ca_file);
    }

    error_code open(const std::string& address, std::uint16_t port,
                    std::chrono::milliseconds timeout) {
        error_code error;
        const auto ip = asio::ip::make_address(address, error);
        if (error) return error;
        lowest().expires_after(timeout);
        error = wait([&](auto done) { lowest().async_connect({ip, port}, std::move(done)); });
        if (error || plain_) return error;
        return wait([&](auto done) {
            stream_.async_handshake(asio::ssl::stream_base::client, std::move(done));
        });
    }

    error_code ask(const http::request<http::string_body>& request, HttpResponse& into,
                   std::chrono::milliseconds timeout, bool& keep) {
        constexpr std::uint64_t kBodyMax = 64U << 20U;
        http::response_parser<http::string_body> parser;
        parser.body_limit(kBodyMax);
        lowest().expires_after(timeout);
        const auto exchange = [&](auto& stream) {
            error_code error = wait([&](auto done) {
                http::async_write(stream, request, [done](error_code e, std::size_t) { done(e); });
            });
            if (error) return error;
            return wait([&](auto done) {
                http::async_read(stream, buffer_, parser,
                                 [done](error_code e, std::size_t) { done(e); });
            });
        };
        const error_code error = plain_ ? exchange(lowest()) : exchange(stream_);
        if (error) return error;
        keep = parser.get().keep_alive();
        into = {.status = static_cast<int>(parser.get().result_int()),
                .body = std::move(parser.get().body())};
        return {};
    }

  private:
    beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

    template <class Start>
    error_code wait(const Start& start) {
        error_code result;
        start([&result](error_code error) { result = error; });
        io_.restart();
        io_.run();
        return result;
    }

    asio::io_context io_;
    asio::ssl::context tls_{asio::ssl::context::tls_client};
    beast::ssl_stream<beast::tcp_stream> stream_;
    bool plain_;
    beast::flat_buffer buffer_;
};

Http::Http(const NetNs& ns, std::string address, std::uint16_t port, std::string ca_file)
    : ns_(&ns), address_(std::move(address)), port_(port), ca_file_(std::move(ca_file)) {}
Http::Http(std::string address, std::uint16_t port, std::string ca_file)
    : address_(std::move(address)), port_(port), ca_file_(std::move(ca_file)) {}
Http::Http(Http&&) noexcept = default;
Http::~Http() = default;

std::optional<HttpResponse> Http::ask(const HttpRequest& request,
                                      std::chrono::milliseconds timeout) {
    std::optional<Stay> stay;
    if (ns_ != nullptr) stay.emplace(ns_->fd());
    const auto failed = [&](const error_code& error) {
        error_ = error.message();
        connection_.reset();
        return std::nullopt;
    };
    if (!connection_) {
        connection_ = std::make_unique<Connection>(ca_file_);
        if (const auto error = connection_->open(address_, port_, timeout)) return failed(error);
    }
    http::request<http::string_body> message(http::string_to_verb(request.method), request.target,
                                             11, request.body);
    message.set(http::field::host, "test");
    message.set(http::field::accept, "application/json");
    if (!request.body.empty()) message.set(http::field::content_type, request.content_type);
    if (!request.bearer.empty())
        message.set(http::field::authorization, "Bearer " + request.bearer);
    message.prepare_payload();
    HttpResponse response;
    bool keep = false;
    if (const auto error = connection_->ask(message, response, timeout, keep)) return failed(error);
    if (!keep) connection_.reset();
    return response;
}

}  // namespace podfence::lab
