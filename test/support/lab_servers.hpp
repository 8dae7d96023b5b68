#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "test/support/lab.hpp"
#include "test/support/lab_poller.hpp"

namespace podfence::lab {

/// Servers in the hosts' namespaces, driven by one poller: TCP and UDP echo in both families, and
/// SCTP (sockets where the kernel has them, else a raw responder that answers INIT on any port).
/// The kernel itself answers pings, and SYNs to other ports with RST.
class Servers {
  public:
    explicit Servers(Poller& poller);
    ~Servers();
    /// Listens on these ports, TCP and UDP, in the host's namespace.
    void serve(const Host& host, std::span<const std::uint16_t> ports);
    /// The same on every host.
    void serve_all(const Network& network, std::span<const std::uint16_t> ports);

  private:
    Poller& poller_;
    bool kernel_sctp_;
    std::vector<std::unique_ptr<Pollable>> servers_;
};

}  // namespace podfence::lab
