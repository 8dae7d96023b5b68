#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "controller/http_server.hpp"

namespace podfence {

/// Splits a request's target; false when it is malformed.
bool parse_target(std::string_view target, HttpRequest& request);

/// One connection from accept to close: a request, an answer.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
  public:
    using Socket = boost::asio::generic::stream_protocol::socket;
    using Closed = std::function<void(HttpSession*)>;

    /// `closed` is called once, at the end; `handler` at most once before that.
    HttpSession(Socket socket, bool local, const HttpServer::Limits& limits,
                const HttpServer::Handler& handler, Closed closed);

    void start();
    /// Asks a body that waits.
    void wake();
    void close();

  private:
    using Error = boost::system::error_code;

    void read_request();
    void take_header(const Error& error);
    void read_body();
    void answer();
    void send(HttpResponse response, bool head, unsigned version);
    void refuse(unsigned status, const std::string& text);
    bool refuse(const Error& error);
    void write();
    void written(const Error& error);
    void pump();
    void wait();
    void watch_for_hang_up();
    void finish();
    void drain();
    /// Closes the connection unless something else is awaited by then.
    void limit(std::chrono::milliseconds time);

    Socket socket_;
    boost::asio::steady_timer timer_;
    boost::beast::flat_buffer buffer_;
    boost::beast::http::request_parser<boost::beast::http::string_body> parser_;
    HttpServer::Limits limits_;
    HttpServer::Handler handler_;
    Closed closed_;
    std::string out_{};
    std::unique_ptr<HttpBody> body_{};
    HttpBody::Next after_write_ = HttpBody::Next::end;
    bool local_;
    bool chunked_ = false;
    bool waiting_ = false;
    bool watching_ = false;  ///< For the peer to hang up.
    bool unread_ = false;  ///< The peer may still be sending: a plain close would lose our answer.
    std::size_t drained_ = 0;
};

}  // namespace podfence
