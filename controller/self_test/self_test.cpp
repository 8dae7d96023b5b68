#include "controller/self_test/self_test.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>

#include "controller/self_test/cluster.hpp"
#include "controller/self_test/probe.hpp"
#include "controller/self_test/rules.hpp"
#include "nft/netlink_kernel.hpp"

namespace podfence::self_test {

namespace {

/// Whoever holds it makes the self-test of this network namespace. An abstract socket: it is the
/// namespace's own, needs no file system, and goes with the process.
class OnlyOne {
  public:
    OnlyOne() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        constexpr std::string_view kName("\0podfence-self-test", 19);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        kName.copy(address.sun_path, kName.size());
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kName.size());
        held_ = ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
    }
    bool held() const { return held_; }

  private:
    UniqueFd socket_;
    bool held_ = false;
};

/// Holds back the signals that would end the process half-way; they take effect afterwards.
class SignalsWait {
  public:
    SignalsWait() {
        sigset_t ending{};
        ::sigemptyset(&ending);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&ending, signal);
        ::pthread_sigmask(SIG_BLOCK, &ending, &before_);
    }
    SignalsWait(const SignalsWait&) = delete;
    SignalsWait& operator=(const SignalsWait&) = delete;
    ~SignalsWait() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

/// It could not be tried. Where a privilege is missing, which one is said to everybody who asks the
/// agent, too.
Outcome refused(const nft::Error& error) {
    const std::string reason = to_string(error);
    if (error.code != nft::Errc::not_permitted) return impossible(reason, "");
    return impossible(
        reason + " (it takes CAP_NET_ADMIN and, for network namespaces, CAP_SYS_ADMIN)",
        "run it as root; in a pod: kubectl apply -k manifests/overlays/canary");
}

/// All flows on one connection.
nft::Result<std::vector<FlowResult>> try_connection(const Connection& connection,
                                                    const PodAddresses& addresses,
                                                    const std::vector<Flow>& flows,
                                                    const Rules& rules) {
    const auto pods = Pods::connect(connection, addresses, flows);
    if (!pods) return pods.error();
    const auto fates = try_flows(*pods, addresses, flows, rules);
    if (!fates) return fates.error();
    std::vector<FlowResult> results;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        results.push_back({.wiring = connection.wiring,
                           .bridge = connection.bridge,
                           .flow = flows[i],
                           .fate = (*fates)[i]});
    }
    return results;
}

nft::Result<std::vector<FlowResult>> try_all(const Options& options) {
    auto kernel = nft::NetlinkKernel::open();
    if (!kernel) return kernel.error();
    if (auto cleared = Rules::clear_leftovers(**kernel); !cleared) return cleared.error();
    if (auto cleared = Pods::clear_leftovers(); !cleared) return cleared.error();
    const auto flows = flows_of(options.families, options.rules.connmark_bit.has_value());
    std::vector<FlowResult> results;
    for (const Connection& connection : options.connections) {
        // Addresses of its own each time: conntrack remembers what passed before.
        const auto addresses = free_addresses(options.families);
        if (!addresses) return addresses.error();
        const auto rules = Rules::load(**kernel, *addresses, options.rules);
        if (!rules) return rules.error();
        auto some = try_connection(connection, *addresses, flows, *rules);
        if (!some) return some.error();
        results.insert(results.end(), some->begin(), some->end());
    }
    return results;
}

}  // namespace

Outcome run(const Options& options) {
    const SignalsWait wait;
    const OnlyOne only;
    if (!only.held()) return impossible("another one is under way in this network namespace", "");
    auto results = try_all(options);
    if (!results) return refused(results.error());
    return judge(*std::move(results));
}

namespace {

/// Ports of its own are added to a bridge of the node where they work at once; else what is tried
/// is one like it.
Connection connection_by(const doctor::Interface& one) {
    if (one.kind != "bridge") return {.wiring = Wiring::routed};
    return {.wiring = Wiring::bridged, .bridge = one.spanning_tree ? "" : one.name};
}

bool has_pods_like_ports(const std::vector<doctor::Interface>& all,
                         const doctor::Interface& bridge) {
    return std::ranges::any_of(all, [&](const doctor::Interface& port) {
        return port.bridge == bridge.index && port.kind == "veth";
    });
}

}  // namespace

std::vector<Connection> connections_of(const doctor::Facts& facts) {
    const auto all = facts.interfaces.value_or(std::vector<doctor::Interface>());
    std::vector<Connection> connections;
    const auto add = [&](const Connection& one) {
        if (std::ranges::find(connections, one) == connections.end()) connections.push_back(one);
    };
    for (const auto& one : all) {
        if (one.pods > 0) add(connection_by(one));
    }
    if (!connections.empty()) return connections;
    add({.wiring = Wiring::routed});
    for (const auto& one : all) {
        if (one.kind == "bridge" && one.up && has_pods_like_ports(all, one)) {
            add(connection_by(one));
        }
    }
    if (connections.size() == 1) add({.wiring = Wiring::bridged});
    return connections;
}

std::vector<nft::Family> families_of(const doctor::Facts& facts,
                                     const std::vector<Connection>& connections) {
    const auto is = [&](const char* name, const char* value) {
        const auto found = facts.sysctls.find(name);
        return found != facts.sysctls.end() && found->second == value;
    };
    const bool routed = std::ranges::any_of(
        connections, [](const Connection& one) { return one.wiring == Wiring::routed; });
    std::vector<nft::Family> families;
    if (!routed || !is("net/ipv4/ip_forward", "0")) families.push_back(nft::Family::ipv4);
    // A node whose pods have no IPv6 need not forward it.
    const bool v6 = is("net/ipv6/conf/all/disable_ipv6", "0") &&
                    (!routed || is("net/ipv6/conf/all/forwarding", "1"));
    if (v6 || facts.agent.pods_v6 > 0) families.push_back(nft::Family::ipv6);
    return families;
}

}  // namespace podfence::self_test
