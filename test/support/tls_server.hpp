#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

typedef struct ssl_st SSL;          // NOLINT(modernize-use-using): OpenSSL's own declaration
typedef struct ssl_ctx_st SSL_CTX;  // NOLINT(modernize-use-using)

namespace podfence::test {

/// PEM texts.
struct TestCertificate {
    std::string certificate{};
    std::string key{};
};

/// A certificate authority made for one test.
class TestCa {
  public:
    explicit TestCa(const std::string& name);
    const std::string& pem() const { return own_.certificate; }
    /// For `san`, as in "IP:127.0.0.1,DNS:api"; valid between now and these many seconds from now.
    TestCertificate issue(const std::string& name, const std::string& san,
                          std::int64_t from_s = -3600, std::int64_t until_s = 86400) const;

  private:
    TestCertificate own_{};
};

/// An HTTPS server on loopback that does what a script says, in a thread for each connection.
class TlsServer {
  public:
    /// One connection, after its handshake.
    class Peer {
      public:
        explicit Peer(SSL* ssl) : ssl_(ssl) {}
        /// A request's head; empty: the client has closed.
        std::string read_request();
        /// So many bytes of a request's body, fewer when the client closes.
        std::string read(std::size_t bytes);
        /// False: the client is gone.
        bool write(std::string_view bytes);
        /// Until the client closes.
        void await_close();
        /// The subject of the client's certificate; empty: none.
        std::string client_name() const;

      private:
        SSL* ssl_;
    };
    using Script = std::function<void(Peer&)>;

    /// `address` is "127.0.0.1" or "::1".
    TlsServer(const TestCertificate& certificate, Script script,
              const std::string& address = "127.0.0.1");
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    std::uint16_t port() const { return port_; }
    int connections() const { return connections_; }

  private:
    void accept_all();
    void serve(int fd);

    Script script_;
    std::shared_ptr<SSL_CTX> context_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_ = 0;
    std::mutex mutex_;
    std::list<int> open_{};
    std::list<std::thread> threads_{};
    std::thread acceptor_;
};

/// "HTTP/1.1 200 OK" with a body of this length.
std::string http_answer(int status, std::string_view body, const std::string& more_headers = "");
/// The head of an answer in chunks, and one chunk.
std::string http_chunked_head();
std::string http_chunk(std::string_view data);

}  // namespace podfence::test
