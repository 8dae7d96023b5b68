#include "controller/http_server.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/http_session.hpp"
#include "controller/unix_listener.hpp"

namespace podfence {

namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;
using Error = boost::system::error_code;

/// Of those who want to connect while the thread does something else.
constexpr int kBacklog = 64;
/// After accepting failed for want of file descriptors or memory.
constexpr std::chrono::milliseconds kAcceptPause{1000};

/// Root, or whoever we are ourselves.
bool is_trusted(int fd) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == 0 || peer.uid == ::geteuid();
}

struct Endpoint {
    std::string address;  ///< Empty: all.
    std::uint16_t port = 0;
};

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view address = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    } else if (address.find(':') != std::string_view::npos) {
        return std::nullopt;
    }
    Endpoint endpoint{.address = std::string(address)};
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (port.empty() || parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) {
        return std::nullopt;
    }
    return endpoint;
}

Error open(Tcp::acceptor& acceptor, const asio::ip::address& address, std::uint16_t port) {
    const Tcp::endpoint endpoint(address, port);
    Error error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error && address.is_v6()) {
        acceptor.set_option(asio::ip::v6_only(!address.is_unspecified()), error);
    }
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) {
        Error ignored;
        acceptor.close(ignored);
    }
    return error;
}

}  // namespace

void throw_exception_from_error(const ListenError& error, const boost::source_location& where) {
    (void)std::fprintf(stderr, "podfence: unhandled error: %s (%s:%u)\n", error.message.c_str(),
                       where.file_name(), static_cast<unsigned>(where.line()));
    std::abort();
}

std::string_view HttpRequest::argument(std::string_view name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string_view() : std::string_view(found->second);
}

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(asio::io_context& io, Handler handler, Limits limits)
        : io_(io),
          handler_(std::move(handler)),
          limits_(limits),
          tcp_(io),
          local_(io),
          pause_(io) {}

    ListenResult<void> listen_unix(const std::string& path);
    ListenResult<void> listen_tcp(const std::string& text);
    std::uint16_t port() const;
    void wake();
    void stop();
    std::size_t connections() const { return sessions_.size(); }

  private:
    template <class Acceptor>
    void accept(Acceptor& acceptor, bool local);
    template <class Acceptor>
    void pause(Acceptor& acceptor, bool local);
    void begin(HttpSession::Socket socket, bool local);

    asio::io_context& io_;
    Handler handler_;
    Limits limits_;
    Tcp::acceptor tcp_;
    Local::acceptor local_;
    asio::steady_timer pause_;
    std::optional<UnixListener> listener_{};
    std::set<HttpSession*> sessions_{};  ///< Each removes itself when it closes.
    bool wake_posted_ = false;
    bool stopped_ = false;
};

template <class Acceptor>
void HttpServer::Impl::accept(Acceptor& acceptor, bool local) {
    acceptor.async_accept(
        [self = shared_from_this(), &acceptor, local](const Error& error, auto socket) {
            if (self->stopped_) return;
            if (error && error != asio::error::connection_aborted) {
                return self->pause(acceptor, local);
            }
            if (!error) self->begin(HttpSession::Socket(std::move(socket)), local);
            self->accept(acceptor, local);
        });
}

template <class Acceptor>
void HttpServer::Impl::pause(Acceptor& acceptor, bool local) {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([self = shared_from_this(), &acceptor, local](const Error& error) {
        if (!error && !self->stopped_) self->accept(acceptor, local);
    });
}

void HttpServer::Impl::begin(HttpSession::Socket socket, bool local) {
    // Dropping the socket closes it.
    if (sessions_.size() >= limits_.connections) return;
    if (local && !is_trusted(socket.native_handle())) return;
    const auto session = std::make_shared<HttpSession>(
        std::move(socket), local, limits_, handler_,
        [self = shared_from_this()](HttpSession* closed) { self->sessions_.erase(closed); });
    sessions_.insert(session.get());
    session->start();
}

ListenResult<void> HttpServer::Impl::listen_unix(const std::string& path) {
    auto listener = UnixListener::open(path, kBacklog);
    if (!listener) return listener.error();
    listener_.emplace(std::move(*listener));
    Error error;
    local_.assign(Local(), listener_->release(), error);
    if (error) return ListenError{.message = path + ": " + error.message()};
    accept(local_, true);
    return {};
}

ListenResult<void> HttpServer::Impl::listen_tcp(const std::string& text) {
    const auto endpoint = parse_endpoint(text);
    const auto refuse = [&](const std::string& why) {
        return ListenError{.message = "cannot listen on '" + text + "': " + why};
    };
    if (!endpoint) return refuse("write ADDRESS:PORT, [IPv6 ADDRESS]:PORT or :PORT");
    Error error;
    asio::ip::address address = asio::ip::address_v6::any();
    if (!endpoint->address.empty()) {
        address = asio::ip::make_address(endpoint->address, error);
        if (error) return refuse("'" + endpoint->address + "' is no address");
    }
    error = open(tcp_, address, endpoint->port);
    // A host without IPv6 has no address for both families.
    if (error && endpoint->address.empty() && error != asio::error::address_in_use) {
        error = open(tcp_, asio::ip::address_v4::any(), endpoint->port);
    }
    if (error) {
        ListenError refused = refuse(error.message());
        refused.taken = error == asio::error::address_in_use;
        return refused;
    }
    accept(tcp_, false);
    return {};
}

std::uint16_t HttpServer::Impl::port() const {
    Error error;
    const auto endpoint = tcp_.local_endpoint(error);
    return error ? 0 : endpoint.port();
}

/// Posted, so that bodies never run inside of what woke them; one for all that happens meanwhile.
void HttpServer::Impl::wake() {
    if (sessions_.empty() || std::exchange(wake_posted_, true)) return;
    asio::post(io_, [self = shared_from_this()] {
        self->wake_posted_ = false;
        // A session may close, and so leave the set, while it is woken.
        const std::set<HttpSession*> sessions = self->sessions_;
        for (HttpSession* session : sessions) {
            if (self->sessions_.contains(session)) session->shared_from_this()->wake();
        }
    });
}

void HttpServer::Impl::stop() {
    if (std::exchange(stopped_, true)) return;
    Error ignored;
    tcp_.close(ignored);
    local_.close(ignored);
    listener_.reset();
    pause_.cancel();
    while (!sessions_.empty()) (*sessions_.begin())->shared_from_this()->close();
    handler_ = nullptr;
}

HttpServer::HttpServer(asio::io_context& io, Handler handler)
    : HttpServer(io, std::move(handler), Limits{}) {}
HttpServer::HttpServer(asio::io_context& io, Handler handler, Limits limits)
    : impl_(std::make_shared<Impl>(io, std::move(handler), limits)) {}
HttpServer::~HttpServer() {
    impl_->stop();
}

ListenResult<void> HttpServer::listen_unix(const std::string& path) {
    return impl_->listen_unix(path);
}
ListenResult<void> HttpServer::listen_tcp(const std::string& endpoint) {
    return impl_->listen_tcp(endpoint);
}
std::uint16_t HttpServer::port() const {
    return impl_->port();
}
void HttpServer::wake() {
    impl_->wake();
}
void HttpServer::stop() {
    impl_->stop();
}
std::size_t HttpServer::connections() const {
    return impl_->connections();
}

}  // namespace podfence
