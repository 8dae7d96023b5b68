#pragma once

#include <cstdint>

#include <boost/asio/ip/tcp.hpp>

namespace podfence::probe {

/// How often this end of a connection has sent something again, since nothing confirmed that it had
/// arrived: the kernel's count (tcpi_total_retrans), first packets included. What tells packets
/// that got lost from programs that had to wait for a processor, which no clock does.
std::uint32_t resent(boost::asio::ip::tcp::socket& socket);

}  // namespace podfence::probe
