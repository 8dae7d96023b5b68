// How long an established connection outlives the policy that allowed it: real packets, the whole
// agent, and a connection tracking table full of others.
#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <poll.h>

#include "nft/conntrack_netlink.hpp"
#include "test/bench/node.hpp"
#include "test/bench/scenarios.hpp"
#include "test/support/builders.hpp"
#include "test/support/conntrack_entries.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_talk.hpp"
#include "test/support/paths.hpp"

namespace podfence::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 8080;

/// Connections of nobody here, as a node has that routes for others.
std::vector<nft::Connection> strangers(std::size_t count) {
    std::vector<nft::Connection> all;
    all.reserve(count);
    constexpr std::size_t kPortsOfAnAddress = 16384;
    for (std::size_t i = 0; i < count; ++i) {
        const auto from =
            nft::Address::v4(0x0ac80000 + static_cast<std::uint32_t>(i / kPortsOfAnAddress));
        const auto to = nft::Address::v4(0x0ac90001);
        const auto port = static_cast<std::uint16_t>(1024 + i % kPortsOfAnAddress);
        all.push_back({.original = {.source = from,
                                    .destination = to,
                                    .protocol = lab::Talk::kTcp,
                                    .source_port = port,
                                    .destination_port = 443},
                       .reply = {.source = to,
                                 .destination = from,
                                 .protocol = lab::Talk::kTcp,
                                 .source_port = 443,
                                 .destination_port = port}});
    }
    return all;
}

/// Two pods of one node, an agent, and somebody who tells it what the policy is.
class Scene {
  public:
    explicit Scene(std::size_t connections)
        : lab_({.nodes = {{"node", lab::Wiring::ptp}}, .pods = {{"client", 0}, {"server", 0}}}) {
        const lab::Stay stay = lab_.node(0).ns.enter();
        test::add_connections(strangers(connections));
        cluster_ = test::cluster(test::ns("shop"), policy(true));
        put("shop/client", 0, "app=client");
        put("shop/server", 1, "app=server");
        conntrack_ = nft::NetlinkConntrack::open().value();
        const AllProcessors all;
        server_.emplace(cluster_);
        const std::string directory = lab_.claim().directory();
        std::ofstream(directory + "/kubeconfig") << server_->kubeconfig();
        const std::string socket = directory + "/agent.sock";
        agent_.emplace(
            lab_.node(0).ns,
            lab::ChildSpec{.argv = {test::podfence_program(), "agent", "--kubeconfig",
                                    directory + "/kubeconfig", "--node", lab_.node(0).name,
                                    "--socket", socket, "--metrics-address", ""},
                           .log = directory + "/agent.log"});
        const auto ready = lab::run_program(
            {test::podfence_program(), "status", "--wait", "--timeout", "20", "--socket", socket});
        if (ready.status != 0) lab::fail("the agent is not ready: " + ready.err);
    }

    /// Takes the access of an open connection away, and gives it back. From the event on the
    /// agent's socket to the last byte that arrives.
    Clock::duration last_byte() {
        auto talk = begin();
        const auto sent = server_->send(Kind::policy, watch_event("MODIFIED", policy(false)));
        auto last = sent;
        while (talk->says(lab::Talk::End::client)) {
            last = Clock::now();
            if (last - sent > 5s) lab::fail("a connection is not cut");
            ::poll(nullptr, 0, 1);  // So that others have the processor, too.
        }
        if (!talk->is_told(lab::Talk::End::client)) lab::fail("the client is not told");
        server_->send(Kind::policy, watch_event("MODIFIED", policy(true)));
        return last - sent;
    }

    /// The least that is to be done: the kernel looks once through its table for the pod's.
    Clock::duration look_by_hand() {
        const auto began = Clock::now();
        const nft::ConnectionFilter filter{.answerer = lab_.pod(1).primary(nft::Family::ipv4)};
        const auto looked = conntrack_->list(filter, [](const nft::Connection&) { return true; });
        // What is interrupted took its time, too.
        if (!looked && looked.error().code != nft::Errc::interrupted)
            lab::fail("looking through the table: " + nft::to_string(looked.error()));
        return Clock::now() - began;
    }

  private:
    static NetworkPolicy policy(bool open) {
        auto policy = test::policy("shop/server").pods("app=server").ingress();
        if (open) policy.ingress(test::rule().peer(test::pods("app=client")).port(kPort));
        return policy;
    }
    void put(const std::string& name, std::size_t number, const std::string& labels) {
        Pod pod = test::pod(name).labels(labels);
        lab::place(pod, lab_, lab_.pod(number));
        cluster_.put(pod);
    }
    /// As soon as it is allowed.
    std::optional<lab::Talk> begin() {
        const auto until = Clock::now() + 20s;
        for (;;) {
            try {
                return std::optional<lab::Talk>(
                    std::in_place,
                    lab::Talk::Way{.client = &lab_.pod(0), .server = &lab_.pod(1), .port = kPort});
            } catch (const lab::Failure&) {
                if (Clock::now() > until) throw;
            }
        }
    }

    lab::Lab lab_;
    std::unique_ptr<nft::NetlinkConntrack> conntrack_;
    Cluster cluster_;
    std::optional<ApiServer> server_;
    std::optional<lab::Child> agent_;
};

void measure(Report& report, std::size_t connections, std::size_t times, double bound_ms) {
    Report::progress("tracking " + std::to_string(connections) + " connections");
    Scene scene(connections);
    Figure figure{.name = "revoke/" + std::to_string(connections) + "-connections",
                  .unit = "ms",
                  .demand = Demand{.of = Measure::p99, .bound = bound_ms},
                  .note =
                      "access taken away on the agent's socket -> last byte accepted; baseline: "
                      "one look of the kernel through its table"};
    const auto in_ms = [](Clock::duration time) {
        return std::chrono::duration<double, std::milli>(time).count();
    };
    // After this the second walk is over, or the one at the agent's start, and what walks may take
    // of the time is saved up again.
    const auto rest = [] { ::poll(nullptr, 0, 2000); };
    for (std::size_t i = 0; i < times; ++i) {
        rest();
        figure.samples.push_back(in_ms(scene.last_byte()));
        figure.baseline.push_back(in_ms(scene.look_by_hand()));
    }
    figure.floor = quantile(figure.baseline, 0.99);
    report.print(figure);
}

}  // namespace

void measure_revokes(Report& report, const Options& options) {
    measure(report, 1000, options.smoke ? 2 : 60, 20);
    if (!options.smoke) measure(report, 100'000, 40, 100);
}

}  // namespace podfence::bench
