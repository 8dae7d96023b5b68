#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

/// Clients for tests of servers that run on the same io_context and thread.
namespace podfence::test {

/// Runs handlers until the condition holds; false when that takes too long.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition,
               std::chrono::milliseconds limit = std::chrono::seconds(10));

/// A connection on which something was sent, and what came back so far.
class Talk {
  public:
    Talk(boost::asio::io_context& io, const boost::asio::generic::stream_protocol::endpoint& to,
         std::string_view request);

    const std::string& received() const { return state_->received; }
    bool closed() const { return state_->closed; }  ///< By the other side.
    void hang_up();
    bool run_until(const std::function<bool()>& condition,
                   std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        return test::run_until(*io_, condition, limit);
    }

  private:
    struct State {
        explicit State(boost::asio::io_context& io) : socket(io) {}
        boost::asio::generic::stream_protocol::socket socket;
        std::string request{};
        std::string received{};
        std::array<char, 16384> buffer{};
        bool closed = false;
    };
    static void read(const std::shared_ptr<State>& state);

    boost::asio::io_context* io_;
    std::shared_ptr<State> state_;
};

/// A server's address.
class HttpPeer {
  public:
    HttpPeer(boost::asio::io_context& io, std::uint16_t port);       ///< On 127.0.0.1
    HttpPeer(boost::asio::io_context& io, const std::string& path);  ///< A unix socket

    /// Sends, and gives all that comes back until the server hangs up.
    std::string ask(std::string_view request) const;
    Talk begin(std::string_view request) const { return {io_, endpoint_, request}; }

  private:
    boost::asio::io_context& io_;
    boost::asio::generic::stream_protocol::endpoint endpoint_;
};

/// The body of an answer, chunked or not.
std::string body_of(std::string_view answer);
/// Its first line without "HTTP/1.1 ".
std::string status_of(std::string_view answer);

class TemporaryDirectory {
  public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

void write_file(const std::string& path, std::string_view text);
/// A socket's file without the socket, as a killed process leaves it.
void leave_dead_socket(const std::string& path);

}  // namespace podfence::test
