#include "controller/http_session.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>

namespace podfence {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

/// What a refused peer may go on sending before we hang up on it.
constexpr std::size_t kDrainBytesMax = std::size_t{256} << 10;
constexpr std::chrono::milliseconds kDrainTime{1000};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool decode_percent(std::string_view text, std::string& out) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (i + 2 >= text.size()) return false;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return false;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return true;
}

std::string hex(std::size_t number) {
    std::array<char, 16> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number, 16).ptr;
    return {text.data(), end};
}

void append_chunk(std::string& out, std::string_view piece, bool chunked) {
    if (chunked) out += hex(piece.size()) + "\r\n";
    out += piece;
    if (chunked) out += "\r\n";
}

}  // namespace

bool parse_target(std::string_view target, HttpRequest& request) {
    if (!target.starts_with('/')) return false;
    target = target.substr(0, target.find('#'));
    const std::size_t question = target.find('?');
    if (!decode_percent(target.substr(0, question), request.path)) return false;
    if (question == std::string_view::npos) return true;
    std::string_view rest = target.substr(question + 1);
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
        const std::size_t equals = pair.find('=');
        std::string name;
        std::string value;
        if (!decode_percent(pair.substr(0, equals), name)) return false;
        if (equals != std::string_view::npos && !decode_percent(pair.substr(equals + 1), value)) {
            return false;
        }
        request.query.emplace(std::move(name), std::move(value));
    }
    return true;
}

HttpSession::HttpSession(Socket socket, bool local, const HttpServer::Limits& limits,
                         const HttpServer::Handler& handler, Closed closed)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      buffer_(limits.header_bytes + 1),
      limits_(limits),
      handler_(handler),
      closed_(std::move(closed)),
      local_(local) {
    parser_.header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    if (limits_.body_bytes != 0) parser_.body_limit(limits_.body_bytes);
}

void HttpSession::start() {
    limit(limits_.request);
    read_request();
}

void HttpSession::read_request() {
    http::async_read_header(socket_, buffer_, parser_,
                            [self = shared_from_this()](const Error& error, std::size_t) {
                                if (self->socket_.is_open()) self->take_header(error);
                            });
}

void HttpSession::take_header(const Error& error) {
    if (refuse(error)) return;
    const auto method = parser_.get().method();
    if (method == http::verb::post && limits_.body_bytes != 0) return read_body();
    if (method != http::verb::get && method != http::verb::head) {
        return refuse(405, "only GET is answered here");
    }
    answer();
}

void HttpSession::read_body() {
    http::async_read(socket_, buffer_, parser_,
                     [self = shared_from_this()](const Error& error, std::size_t) {
                         if (self->socket_.is_open() && !self->refuse(error)) self->answer();
                     });
}

void HttpSession::answer() {
    auto& message = parser_.get();
    HttpRequest request{.local = local_,
                        .post = message.method() == http::verb::post,
                        .body = std::move(message.body())};
    const auto target = message.target();
    if (!parse_target({target.data(), target.size()}, request)) {
        return refuse(400, "the request's target is malformed");
    }
    send(handler_(request), message.method() == http::verb::head, message.version());
}

/// Whether there is an error, which ends the connection.
bool HttpSession::refuse(const Error& error) {
    if (!error) return false;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        refuse(431, "the request is too long");
    } else if (error == http::error::body_limit) {
        refuse(413, "the request is too long");
    } else if (error == http::error::end_of_stream || error == http::error::partial_message ||
               error.category() == asio::error::get_system_category()) {
        close();  // The connection is gone or was closed by us.
    } else {
        refuse(400, "this is no HTTP request: " + error.message());
    }
    return true;
}

void HttpSession::refuse(unsigned status, const std::string& text) {
    unread_ = true;
    send({.status = status, .body = text + "\n"}, false, 11);
}

void HttpSession::send(HttpResponse response, bool head, unsigned version) {
    const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
    out_ = "HTTP/1.1 " + std::to_string(response.status) + ' ' +
           std::string(reason.data(), reason.size()) + "\r\nContent-Type: " + response.type +
           "\r\nCache-Control: no-store\r\nConnection: close\r\n";
    if (response.status == 405) out_ += "Allow: GET, HEAD\r\n";
    body_ = std::move(response.stream);
    chunked_ = body_ != nullptr && version >= 11;
    if (chunked_) {
        out_ += "Transfer-Encoding: chunked\r\n";
    } else if (body_ == nullptr) {
        out_ += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    }
    out_ += "\r\n";
    if (head) {
        body_.reset();
    } else if (body_ == nullptr) {
        out_ += response.body;
    }
    after_write_ = body_ == nullptr ? HttpBody::Next::end : HttpBody::Next::more;
    write();
}

void HttpSession::write() {
    limit(limits_.write);
    asio::async_write(
        socket_, asio::buffer(out_),
        [self = shared_from_this()](const Error& error, std::size_t) { self->written(error); });
}

void HttpSession::written(const Error& error) {
    if (!socket_.is_open()) return;
    if (error) return close();
    switch (after_write_) {
        case HttpBody::Next::more:
            return pump();
        case HttpBody::Next::wait:
            return wait();
        case HttpBody::Next::end:
            return finish();
    }
}

/// Asks the body for its next piece. Every piece goes through the io_context, so that a long answer
/// holds up nothing else.
void HttpSession::pump() {
    std::string piece;
    after_write_ = body_->next(piece);
    out_.clear();
    if (!piece.empty()) append_chunk(out_, piece, chunked_);
    if (after_write_ == HttpBody::Next::end) {
        body_.reset();
        if (chunked_) out_ += "0\r\n\r\n";
        if (out_.empty()) return finish();
    } else if (out_.empty()) {
        return wait();
    }
    write();
}

void HttpSession::wait() {
    waiting_ = true;
    watch_for_hang_up();
    const auto until = body_->wake_at();
    if (!until) {
        timer_.cancel();
        return;
    }
    timer_.expires_at(*until);
    timer_.async_wait([self = shared_from_this()](const Error& error) {
        if (!error) self->wake();
    });
}

void HttpSession::wake() {
    if (!socket_.is_open() || !std::exchange(waiting_, false)) return;
    pump();
}

/// Who waits for something does not read or write, and must be noticed all the same when it goes.
void HttpSession::watch_for_hang_up() {
    if (std::exchange(watching_, true)) return;
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const Error& error) {
        if (error || !self->socket_.is_open()) return;
        std::array<char, 1> byte{};
        Error peeked;
        self->socket_.non_blocking(true, peeked);
        const std::size_t size =
            self->socket_.receive(asio::buffer(byte), asio::socket_base::message_peek, peeked);
        if (size == 0 && peeked != asio::error::would_block) self->close();
    });
}

void HttpSession::finish() {
    if (!unread_) return close();
    Error ignored;  // It may be gone already.
    socket_.shutdown(Socket::shutdown_send, ignored);
    limit(kDrainTime);
    drain();
}

/// Reads what the peer still sends: closing a TCP connection with unread data resets it, and our
/// answer may be lost on the way.
void HttpSession::drain() {
    out_.resize(4096);
    socket_.async_read_some(asio::buffer(out_),
                            [self = shared_from_this()](const Error& error, std::size_t size) {
                                if (!self->socket_.is_open()) return;
                                self->drained_ += size;
                                if (error || self->drained_ > kDrainBytesMax) return self->close();
                                self->drain();
                            });
}

void HttpSession::limit(std::chrono::milliseconds time) {
    timer_.expires_after(time);
    timer_.async_wait([self = shared_from_this()](const Error& error) {
        if (!error) self->close();
    });
}

void HttpSession::close() {
    if (!socket_.is_open()) return;
    Error ignored;  // Closing a socket fails only for what was lost anyway.
    socket_.close(ignored);
    timer_.cancel();
    body_.reset();
    handler_ = nullptr;
    if (closed_) std::exchange(closed_, nullptr)(this);
}

}  // namespace podfence
