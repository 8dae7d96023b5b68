#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "test/support/lab_netns.hpp"

namespace podfence::lab {

/// Stands between agents and the API server, on another port of its address, and cuts every
/// connection after so many bytes of the server's. What it carries stays encrypted end to end.
class Cutter {
  public:
    /// `budget` is asked at each connection how many bytes it may carry; nullopt: as many as it
    /// likes. It is called by the cutter's thread.
    Cutter(const NetNs& ns, std::string address, std::uint16_t listen_port,
           std::uint16_t server_port, std::function<std::optional<std::size_t>()> budget);
    Cutter(const Cutter&) = delete;
    Cutter& operator=(const Cutter&) = delete;
    ~Cutter();

    std::size_t connections() const;
    std::size_t cuts() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
    std::jthread thread_;
};

}  // namespace podfence::lab
