#include "test/cluster/probe/end_of_input.hpp"

#include <boost/asio/buffer.hpp>
#include <unistd.h>

namespace podfence::probe {

EndOfInput::EndOfInput(boost::asio::io_context& io) : io_(io), input_(io, ::dup(STDIN_FILENO)) {
    read();
}

void EndOfInput::read() {
    input_.async_read_some(boost::asio::buffer(ignored_),
                           [this](boost::system::error_code error, std::size_t) {
                               if (error) return io_.stop();
                               read();
                           });
}

}  // namespace podfence::probe
