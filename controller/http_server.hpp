#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace boost::asio {
class io_context;
}

namespace podfence {

/// A GET that was asked, or a POST where these are taken. HEAD is answered as GET without the body.
struct HttpRequest {
    std::string path{};                                       ///< "/v1/names", decoded.
    std::map<std::string, std::string, std::less<>> query{};  ///< Decoded; the first of each name.
    bool local = false;                                       ///< By the unix socket.
    bool post = false;
    std::string body{};  ///< Of a POST.

    /// The query's value; "" when it is not there.
    std::string_view argument(std::string_view name) const;
};

/// A body that is made piece by piece, no faster than its reader takes it.
class HttpBody {
  public:
    enum class Next : std::uint8_t {
        more,  ///< There is text, and asking again gives more.
        wait,  ///< Nothing else now. Asked again after HttpServer::wake() or at wake_at().
        end,
    };

    HttpBody() = default;
    HttpBody(const HttpBody&) = delete;
    HttpBody& operator=(const HttpBody&) = delete;
    virtual ~HttpBody() = default;

    /// Appends to `out`, at most some tens of KiB a call. After `end` it is not asked again.
    virtual Next next(std::string& out) = 0;
    /// When to ask again at the latest, after `wait`.
    virtual std::optional<std::chrono::steady_clock::time_point> wake_at() const {
        return std::nullopt;
    }
};

struct HttpResponse {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body{};                  ///< When there is no stream.
    std::unique_ptr<HttpBody> stream{};  ///< Sent in chunks.
};

/// Why nobody can be served at an address.
struct ListenError {
    bool taken = false;  ///< Somebody else answers there.
    std::string message{};
};
template <class T>
using ListenResult = boost::system::result<T, ListenError>;
[[noreturn]] void throw_exception_from_error(const ListenError& error,
                                             const boost::source_location& where);

/// A small HTTP/1.1 server for the agent's own answers, on the io_context's thread: GET and HEAD,
/// POST where it is allowed to, one request a connection, a limit on everything. The handler is
/// called with well-formed requests and answers at once, if need be with a body that comes later.
class HttpServer {
  public:
    struct Limits {
        std::size_t connections = 64;  ///< Beyond, the newest is closed at once.
        std::size_t header_bytes = 8192;
        std::size_t body_bytes = 0;                 ///< Of a POST; 0: there is none.
        std::chrono::milliseconds request{10'000};  ///< For the whole request.
        std::chrono::milliseconds write{30'000};    ///< For the reader to take one piece.
    };
    using Handler = std::function<HttpResponse(const HttpRequest&)>;

    HttpServer(boost::asio::io_context& io, Handler handler);
    HttpServer(boost::asio::io_context& io, Handler handler, Limits limits);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();  ///< Stops.

    /// On a unix socket of mode 0600 that serves root and our own user only. Missing directories on
    /// the way are made (0755). A socket file that nobody answers on is replaced. `path` + ".lock"
    /// is held as long as we listen, so that of two who start at once one is refused.
    ListenResult<void> listen_unix(const std::string& path);
    /// On "ADDRESS:PORT", "[ADDRESS]:PORT" or ":PORT" (all addresses); port 0 is any free one.
    ListenResult<void> listen_tcp(const std::string& endpoint);
    /// Of the last listen_tcp().
    std::uint16_t port() const;

    /// Asks bodies that wait.
    void wake();
    /// Closes everything. Handlers that were begun end as the io_context runs, without calling
    /// ours.
    void stop();
    std::size_t connections() const;

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace podfence
