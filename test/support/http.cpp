#include "test/support/http.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "nft/error.hpp"

namespace podfence::test {

namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

}  // namespace

bool run_until(asio::io_context& io, const std::function<bool()>& condition,
               std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    io.restart();
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        if (io.stopped()) io.restart();
        io.run_one_until(deadline);
    }
    return true;
}

Talk::Talk(asio::io_context& io, const asio::generic::stream_protocol::endpoint& to,
           std::string_view request)
    : io_(&io), state_(std::make_shared<State>(io)) {
    state_->request = std::string(request);
    state_->socket.connect(to);
    asio::async_write(state_->socket, asio::buffer(state_->request),
                      [state = state_](const Error&, std::size_t) {});
    read(state_);
}

void Talk::read(const std::shared_ptr<State>& state) {
    state->socket.async_read_some(asio::buffer(state->buffer),
                                  [state](const Error& error, std::size_t size) {
                                      state->received.append(state->buffer.data(), size);
                                      if (error) {
                                          state->closed = true;
                                      } else {
                                          read(state);
                                      }
                                  });
}

void Talk::hang_up() {
    state_->socket.close();
}

HttpPeer::HttpPeer(asio::io_context& io, std::uint16_t port)
    : io_(io), endpoint_(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port)) {}
HttpPeer::HttpPeer(asio::io_context& io, const std::string& path)
    : io_(io), endpoint_(asio::local::stream_protocol::endpoint(path)) {}

std::string HttpPeer::ask(std::string_view request) const {
    Talk talk = begin(request);
    if (!talk.run_until([&] { return talk.closed(); })) {
        throw std::runtime_error("the server does not hang up; so far: " + talk.received());
    }
    return talk.received();
}

std::string status_of(std::string_view answer) {
    constexpr std::string_view kStart = "HTTP/1.1 ";
    PODFENCE_CHECK(answer.starts_with(kStart));
    return std::string(answer.substr(kStart.size(), answer.find('\r') - kStart.size()));
}

std::string body_of(std::string_view answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    PODFENCE_CHECK(end != std::string_view::npos);
    const bool chunked = answer.substr(0, end).find("chunked") != std::string_view::npos;
    answer.remove_prefix(end + 4);
    if (!chunked) return std::string(answer);
    std::string body;
    while (true) {
        const std::size_t line = answer.find("\r\n");
        if (line == std::string_view::npos) return body;  // More of it is to come.
        const auto size = std::stoul(std::string(answer.substr(0, line)), nullptr, 16);
        if (size == 0) return body;
        body += answer.substr(line + 2, size);
        answer.remove_prefix(std::min(line + 2 + size + 2, answer.size()));
    }
}

TemporaryDirectory::TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "podfence-test-XXXXXX";
    PODFENCE_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
}
TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;  // A leftover in /tmp is nothing to fail for.
    std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::string& path, std::string_view text) {
    std::ofstream(path) << text;
}

void leave_dead_socket(const std::string& path) {
    asio::io_context io;
    asio::local::stream_protocol::acceptor bound(io, {path});
}

}  // namespace podfence::test
