#include "test/support/lab_servers.hpp"

#include <array>
#include <cerrno>
#include <unordered_map>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "test/support/lab_packets.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {
namespace {

class UdpEcho final : public Pollable {
  public:
    UdpEcho(Poller& poller, std::uint16_t port) : socket_(Dialect::udp, Family::ipv6, port) {
        poller.add(socket_.fd(), EPOLLIN, *this);
    }
    void ready(std::uint32_t /*events*/) override {
        for (DatagramSocket::Received r; socket_.receive(r);)
            socket_.send(r.local, r.source, r.source_port, r.payload);
    }

  private:
    DatagramSocket socket_;
};

/// Answers INIT with INIT ACK, as an SCTP end point without memory would.
class SctpResponder final : public Pollable {
  public:
    SctpResponder(Poller& poller, Family family) : socket_(Dialect::sctp, family, 0) {
        poller.add(socket_.fd(), EPOLLIN, *this);
    }
    void ready(std::uint32_t /*events*/) override {
        for (DatagramSocket::Received r; socket_.receive(r);) {
            const auto packet = parse_sctp(r.payload);
            if (!packet || packet->chunk_type != kSctpInit) continue;
            socket_.send(r.local, r.source, 0,
                         sctp_packet({.source_port = packet->destination_port,
                                      .destination_port = packet->source_port,
                                      .verification_tag = packet->initiate_tag,
                                      .chunk_type = kSctpInitAck,
                                      .initiate_tag = 1}));
        }
    }

  private:
    DatagramSocket socket_;
};

/// Accepts and echoes until the other side ends the connection.
class StreamEcho final : public Pollable {
  public:
    StreamEcho(Poller& poller, UniqueFd listener)
        : poller_(poller), listener_(std::move(listener)) {
        poller.add(listener_.get(), EPOLLIN, *this);
    }
    void ready(std::uint32_t /*events*/) override {
        for (;;) {
            UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd) return;  // EAGAIN, or the client was quicker to leave
            const int number = fd.get();
            auto connection = std::make_unique<Connection>(*this, std::move(fd));
            poller_.add(number, EPOLLIN, *connection);
            connections_[number] = std::move(connection);
        }
    }

  private:
    class Connection final : public Pollable {
      public:
        Connection(StreamEcho& server, UniqueFd fd) : server_(server), fd_(std::move(fd)) {}
        void ready(std::uint32_t /*events*/) override {
            std::array<char, 4096> buffer{};
            const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
            const bool echoed = n > 0 && ::send(fd_.get(), buffer.data(),
                                                static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
            if (!echoed) server_.connections_.erase(fd_.get());  // destroys *this
        }

      private:
        StreamEcho& server_;
        UniqueFd fd_;
    };

    Poller& poller_;
    UniqueFd listener_;
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

}  // namespace

Servers::Servers(Poller& poller) : poller_(poller), kernel_sctp_(kernel_has_sctp()) {}

Servers::~Servers() = default;

void Servers::serve(const Host& host, std::span<const std::uint16_t> ports) {
    const Stay stay = host.ns.enter();
    for (const auto port : ports) {
        servers_.push_back(std::make_unique<StreamEcho>(poller_, listen_on(port)));
        servers_.push_back(std::make_unique<UdpEcho>(poller_, port));
        if (!kernel_sctp_) continue;
        // The kernel's own SCTP would answer the same INIT as the raw responder. It answers from
        // whichever of the socket's addresses it likes, so each socket has but one; on others the
        // host's kernel refuses, which is an answer, too.
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            servers_.push_back(
                std::make_unique<StreamEcho>(poller_, listen_on_sctp(host.primary(family), port)));
        }
    }
    if (kernel_sctp_) return;
    for (const auto family : {Family::ipv4, Family::ipv6})
        servers_.push_back(std::make_unique<SctpResponder>(poller_, family));
}

void Servers::serve_all(const Network& network, std::span<const std::uint16_t> ports) {
    for (const auto& host : network.hosts()) serve(host, ports);
}

}  // namespace podfence::lab
