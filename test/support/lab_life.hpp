#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/explain.hpp"
#include "test/support/generator.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_agent.hpp"
#include "test/support/lab_forgery.hpp"
#include "test/support/lab_talk.hpp"

/// Everything at once: pods that come, go, take over addresses and get new interfaces, policies and
/// labels that change, Services that move, while connections live and pods lie about who they are.
namespace podfence::lab {

using test::Random;

/// A lab whose pods get new interfaces, as pods that are made anew do.
class ChangingLab final : public Lab {
  public:
    using Lab::Lab;
    /// A new cable, with new addresses: by and by those that other pods had before.
    void rewire(std::size_t pod);

  private:
    std::size_t rewired_ = 0;
};

class Life {
  public:
    struct Totals {
        std::size_t events = 0;
        std::size_t rewired = 0;
        std::size_t connected = 0;
        std::size_t denied = 0;
        std::size_t cut = 0;
        std::size_t kept = 0;  ///< Connections that had to live through a change, and did.
        std::size_t forged = 0;
        std::size_t honest = 0;
    };

    Life(Wiring wiring, std::uint64_t seed);

    /// Something happens, and everything is looked at. What is wrong.
    std::optional<std::string> step();
    const Totals& totals() const { return totals_; }
    std::string logs() const { return agents_->logs(); }

  private:
    /// Who talks to whom; slots are numbers of the lab's pods, the one after the last the outside.
    struct Pair {
        std::size_t client = 0;
        std::size_t server = 0;
        Family family = Family::ipv4;
    };
    struct Connection {
        std::unique_ptr<Talk> talk;
        Flow flow;
        Pair pair;
        std::uint8_t protocol = 0;
        std::string what;
    };

    std::vector<Pod> pods_of_lab() const;
    void happen();
    void renew(std::size_t slot, const std::string& ns, Labels labels);
    void rewire(std::size_t slot);
    void serve() const;

    Random& random() { return generator_.random(); }
    const Host& host(std::size_t slot) const;
    Pair some_pair();
    Flow flow(const Pair& pair, std::uint8_t protocol, std::uint16_t port) const;
    bool judge(const Flow& flow) const { return allowed(cluster_, flow); }

    std::optional<std::string> check_connections();
    std::optional<std::string> check_new();
    std::optional<std::string> check_forgery();
    std::optional<std::string> begin();
    bool connects(const Pair& pair, bool expected) const;
    bool guarded(std::size_t node) const;

    ChangingLab lab_;
    test::Generator generator_;
    Cluster cluster_;
    std::vector<ObjectName> slots_;  ///< Which pod the cluster has where the lab has one.
    std::size_t renewed_ = 0;
    std::size_t backend_ = 0;  ///< Slot of the pod behind the Service.
    std::vector<Connection> connections_;
    std::optional<FileAgents> agents_;
    Totals totals_;
};

}  // namespace podfence::lab
