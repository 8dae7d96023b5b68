#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "controller/spoof_guard.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_forgery.hpp"

/// The guard of interfaces at work in the lab, and pods that lie to it.
namespace podfence::lab {

inline LabSpec six_pods() {
    return two_nodes(Wiring::bridge, Wiring::ptp, 3);
}

/// The guard of one node, in its namespace, with the pods of the lab as the API has them.
class Guard {
  public:
    Guard(const Network& network, std::size_t node, AntiSpoofMode mode = AntiSpoofMode::enforce)
        : Guard(network, node, AntiSpoofOptions{.mode = mode}) {}
    Guard(const Network& network, std::size_t node, const AntiSpoofOptions& rules)
        : network_(network), node_(node), log_({.level = LogLevel::error}) {
        for (std::size_t i = 0; i < network.pod_count(); ++i) {
            const Host& host = network.pod(i);
            Pod pod{.name = {"lab", host.name}};
            pod.node = network.node(host.node).name;
            pod.phase = PodPhase::running;
            pod.addresses = host.addresses;
            cluster_.put(std::move(pod));
        }
        const Stay stay = network_.node(node).ns.enter();
        kernel_ = nft::NetlinkKernel::open().value();
        guard_ = SpoofGuard::open(io_, {.node = network_.node(node).name, .rules = rules}, cluster_,
                                  *kernel_, log_)
                     .value();
        for (const auto& [name, pod] : cluster_.pods()) guard_->pod_changed(name);
        guard_->listed();
        await([&] { return guard_->in_sync(); });
    }
    ~Guard() { guard_->stop(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    /// Lets the guard work until it is so; a failed test when it never is.
    void await(const std::function<bool()>& so) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (!so() && std::chrono::steady_clock::now() < until) {
            io_.run_one_for(std::chrono::milliseconds(100));
        }
        REQUIRE(so());
    }
    AntiSpoofStatus status() const {
        const Stay stay = network_.node(node_).ns.enter();
        return guard_->status();
    }
    std::uint64_t refused() const { return status().refused; }
    PodLink link_of(const Host& pod) const {
        for (const auto& [index, link] : guard_->links().links()) {
            if (link.pod.name == pod.name) return link;
        }
        fail(pod.name + " has no interface");
    }
    void change(const Pod& pod) {
        cluster_.put(pod);
        guard_->pod_changed(pod.name);
    }
    void remove(const ObjectName& pod) {
        cluster_.remove_pod(pod);
        guard_->pod_changed(pod);
    }
    SpoofGuard& itself() { return *guard_; }
    const Cluster& cluster() const { return cluster_; }
    /// Done with what is known by now. Where commits take long the next one waits its turn, and
    /// until then the guard is in sync with what was wanted before.
    void settle() {
        io_.poll();
        await([&] { return guard_->in_sync() && guard_->holds(guard_->revision()); });
    }

  private:
    const Network& network_;
    std::size_t node_;
    Log log_;
    boost::asio::io_context io_{1};
    Cluster cluster_;
    std::unique_ptr<nft::NetlinkKernel> kernel_;
    std::unique_ptr<SpoofGuard> guard_;
};

/// A pod that sends frames, another of the same node that hears, and a third whose name is used.
struct Stage {
    const Host& node;
    const Host& sender;
    const Host& receiver;
    const Host& victim;
    Forger forger;

    Stage(const Network& network, std::size_t number)
        : node(network.node(number)),
          sender(network.pod(number)),
          receiver(network.pod(number + 2)),
          victim(network.pod(number + 4)),
          forger(network, sender, receiver, victim) {}
};

/// A wiring and the node of `six_pods` that has it.
struct WiredNode {
    const char* wiring;
    std::size_t number;
};
inline constexpr std::array<WiredNode, 2> kWiredNodes{{{"bridge", 0}, {"ptp", 1}}};

/// All that is forged refused, and the honest heard.
inline void check_holds(const Guard& guard, Stage& stage, Ear& ear) {
    const auto before = guard.refused();
    const auto heard = ear.honest;
    stage.forger.send(stage.forger.forged());
    stage.forger.send(stage.forger.honest());
    ear.listen();
    CHECK(guard.refused() - before == stage.forger.forged().size());
    CHECK(ear.forged == 0);
    CHECK(ear.honest - heard == stage.forger.honest().size());
}

/// A node under guard, with who lies there and who hears it.
struct Scene {
    Guard guard;
    Stage stage;
    Ear ear;

    Scene(const Network& network, std::size_t number)
        : guard(network, number), stage(network, number), ear(stage.receiver) {}

    PodLink sender_link() const { return guard.link_of(stage.sender); }
    void check() { check_holds(guard, stage, ear); }
};

}  // namespace podfence::lab
