#pragma once

#include <array>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace podfence::probe {

/// Stops the loop when standard input ends, which `kubectl exec -i` passes on, unlike signals.
class EndOfInput {
  public:
    explicit EndOfInput(boost::asio::io_context& io);

  private:
    void read();

    boost::asio::io_context& io_;
    boost::asio::posix::stream_descriptor input_;
    std::array<char, 64> ignored_{};
};

}  // namespace podfence::probe
