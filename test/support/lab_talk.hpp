#pragma once

#include <chrono>
#include <cstdint>

#include "test/support/lab.hpp"
#include "test/support/lab_fd.hpp"

namespace podfence::lab {

/// A TCP connection, or a UDP exchange between two ports, both ends of which are ours. It begins
/// when the object is made, and ends without a word to anybody but the kernel.
class Talk {
  public:
    enum class End : std::uint8_t { client, server };
    static constexpr std::uint8_t kTcp = 6;
    static constexpr std::uint8_t kUdp = 17;

    struct Way {
        const Host* client = nullptr;
        const Host* server = nullptr;
        Family family = Family::ipv4;
        std::uint8_t protocol = kTcp;
        std::uint16_t port = 0;  ///< That the server listens on.
        /// Where the client sends to; none: to the server itself, at that port.
        const Address* service = nullptr;
        std::uint16_t service_port = 0;
    };
    /// Throws Failure when it does not come about.
    explicit Talk(const Way& way);

    /// One end says a byte (by UDP a datagram); whether the other end gets it before TCP would say
    /// it again. False also when this end was told that it is over.
    bool says(End end);
    /// The end says something, and is told that there is no such connection any more.
    bool is_told(End end);

  private:
    UniqueFd& fd(End end) { return end == End::client ? client_ : server_; }
    void begin_tcp(const Way& way, const Address& to, std::uint16_t port);
    void begin_udp(const Way& way, const Address& to, std::uint16_t port);

    std::uint8_t protocol_;
    UniqueFd client_;
    UniqueFd server_;
    std::uint8_t said_ = 0;
};

}  // namespace podfence::lab
