#include <array>
#include <cstdint>
#include <memory>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>

#include "test/cluster/probe/commands.hpp"
#include "test/cluster/probe/resent.hpp"

namespace podfence::probe {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// One connection; lives as long as an operation on it is under way.
class Session : public std::enable_shared_from_this<Session> {
  public:
    explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

    void read() {
        socket_.async_read_some(asio::buffer(bytes_),
                                [self = shared_from_this()](error_code error, std::size_t size) {
                                    if (!error) self->write(size);
                                });
    }

  private:
    void write(std::size_t size) {
        bytes_.fill(static_cast<std::uint8_t>(resent(socket_)));
        asio::async_write(socket_, asio::buffer(bytes_, size),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) self->read();
                          });
    }

    tcp::socket socket_;
    std::array<std::uint8_t, 512> bytes_{};
};

void accept(tcp::acceptor& acceptor) {
    acceptor.async_accept([&acceptor](error_code error, tcp::socket socket) {
        // Who hung up before being accepted is no reason to stop.
        if (!error) std::make_shared<Session>(std::move(socket))->read();
        accept(acceptor);
    });
}

}  // namespace

int serve(std::uint16_t port) {
    asio::io_context io;
    // IPv6 sockets take IPv4, too.
    tcp::acceptor acceptor(io, {tcp::v6(), port});
    accept(acceptor);
    io.run();
    return kFine;
}

}  // namespace podfence::probe
