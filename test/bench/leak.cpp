// What gets out of a pod, and into it, between its interface's first moment and its policies, which
// allow nothing: real plugins, real packets in both families, the whole agent.
#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "test/bench/node.hpp"
#include "test/bench/plugin.hpp"
#include "test/bench/scenarios.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 7001;
/// The kubelet tells of a pod's address when its containers run: a second or two after its
/// interface is up. That is what a pod without hold and plugin has; here it gets less.
constexpr int kKubeletMs = 20;
/// Datagrams of each side when the pod's policies are in force.
constexpr std::size_t kEnforced = 20;
constexpr std::chrono::microseconds kPause{200};

/// As any process, for as long as it lives: nothing is timed here. One that nobody may take the
/// processor from also waits badly for children, whose last deeds in the kernel it then holds up.
class Ordinary {
  public:
    Ordinary() : policy_(::sched_getscheduler(0)) {
        ::sched_getparam(0, &before_);
        const sched_param none{};
        ::sched_setscheduler(0, SCHED_OTHER, &none);
    }
    ~Ordinary() { ::sched_setscheduler(0, policy_, &before_); }
    Ordinary(const Ordinary&) = delete;
    Ordinary& operator=(const Ordinary&) = delete;

  private:
    AllProcessors all_{};
    int policy_;
    sched_param before_{};
};

enum class Way : std::uint8_t { plain, hold, plugin };

/// A socket of a namespace for datagrams of both families.
lab::UniqueFd open_socket(const lab::NetNs& ns, std::uint16_t port) {
    const lab::Stay stay = ns.enter();
    lab::UniqueFd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    constexpr int kBytes = 8 << 20;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBytes, sizeof kBytes);
    const auto own = lab::socket_address(*nft::Address::parse("::"), port);
    if (!fd || ::bind(fd.get(), own.get(), own.length) != 0) lab::fail_errno("a datagram socket");
    return fd;
}

/// Somebody who sends and sends, whether there is a way yet or not: from a thread of its own, with
/// the number of the start in each datagram.
class Talker {
  public:
    Talker(const lab::NetNs& from, std::vector<nft::Address> to, std::uint32_t number)
        : socket_(open_socket(from, 0)), to_(std::move(to)), number_(number) {
        thread_ = std::thread([this] { talk(); });
    }
    ~Talker() {
        stopped_ = true;
        thread_.join();
    }
    Talker(const Talker&) = delete;
    Talker& operator=(const Talker&) = delete;

    /// Until so many more datagrams were sent.
    void await_more() const {
        const std::size_t enough = sent_ + kEnforced;
        const auto until = Clock::now() + 10s;
        while (sent_ < enough) {
            if (Clock::now() > until) lab::fail("nobody sends");
            ::poll(nullptr, 0, 1);
        }
    }

  private:
    void talk() {
        while (!stopped_) {
            for (const auto& address : to_) {
                const auto there = lab::socket_address(address, kPort, true);
                const auto done =
                    ::sendto(socket_.get(), &number_, sizeof number_, 0, there.get(), there.length);
                if (done > 0) ++sent_;
            }
            std::this_thread::sleep_for(kPause);
        }
    }

    lab::UniqueFd socket_;
    std::vector<nft::Address> to_;
    std::uint32_t number_;
    std::atomic<bool> stopped_ = false;
    std::atomic<std::size_t> sent_ = 0;
    std::thread thread_;
};

/// Counts what has come of one start.
class Ear {
  public:
    explicit Ear(const lab::NetNs& ns) : socket_(open_socket(ns, kPort)) {}

    std::size_t heard_of(std::uint32_t number) const {
        std::size_t count = 0;
        std::uint32_t said = 0;
        while (::recv(socket_.get(), &said, sizeof said, 0) == sizeof said) {
            if (said == number) ++count;
        }
        return count;
    }

  private:
    lab::UniqueFd socket_;
};

std::vector<nft::Address> both_of(const lab::Host& host) {
    return {host.primary(nft::Family::ipv4), host.primary(nft::Family::ipv6)};
}

/// A node with an agent, a pod that nothing isolates, and an outside: with both of them pods start
/// to talk.
class Scene {
  public:
    Scene(Way way, lab::Wiring wiring)
        : way_(way),
          wiring_(wiring),
          lab_({.nodes = {{"node", wiring}}, .pods = {{"peer", 0}}}),
          stay_(lab_.node(0).ns.enter()),
          outside_(lab_.outside().ns),
          peer_(lab_.pod(0).ns) {
        Pod peer = test::pod("open/peer");
        lab::place(peer, lab_, lab_.pod(0));
        // Keeps the rules of its namespace in the kernel while no other pod is there.
        Pod resident = test::pod("shut/resident", "10.244.1.250", "fd00:10:244:1::fa");
        resident.node = lab_.node(0).name;
        const Cluster cluster = test::cluster(test::ns("open"), test::ns("shut"), peer, resident,
                                              test::policy("shut/default-deny").ingress().egress());
        server_.emplace(cluster);
        std::ofstream(directory() + "/kubeconfig") << server_->kubeconfig();
        start_agent();
        commits_.emplace(0U);
        expect_delivery();
    }

    /// One start of a pod: how many packets passed that its policy forbids.
    std::size_t start_pod(std::uint32_t number) {
        Pod pod = test::pod("shut/pod-" + std::to_string(number));
        pod.uid = Uid("00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + number));
        pod.node = lab_.node(0).name;
        pod.phase = PodPhase::pending;
        server_->send(Kind::pod, watch_event("ADDED", pod));
        const std::string name = "leak-" + std::to_string(number);
        const auto ns = lab::NetNs::create(lab_.claim().name(name));
        {
            const lab::Stay in_pod = ns.enter();
            for (const char* which : {"all", "default"}) {
                lab::set_sysctl("net/ipv6/conf/" + std::string(which) + "/accept_dad", "0");
            }
        }
        const Ear ear(ns);
        std::optional<Talker> talker;
        // Where there is a plugin a pod's first process waits for it, else for nobody.
        if (way_ != Way::plugin) talker.emplace(ns, targets(), number);
        const lab::CniRequest request{
            .wiring = wiring_, .node = 0, .container_id = name, .data_dir = leases()};
        const std::string result = lab::cni_result(request, lab_.node(0).ns, ns);
        pod.addresses = lab::cni_addresses(result);
        pod.phase = PodPhase::running;
        const PluginCall call{.socket = socket(),
                              .container = name,
                              .netns = ns.path(),
                              .previous = boost::json::parse(result).as_object()};
        if (way_ == Way::plugin) {
            run_plugin("ADD", pod, call);
            talker.emplace(ns, targets(), number);
        }
        std::size_t passed = 0;
        {
            const Talker from_outside(lab_.outside().ns, pod.addresses, number);
            const Talker from_peer(lab_.pod(0).ns, pod.addresses, number);
            ::poll(nullptr, 0, kKubeletMs);
            server_->send(Kind::pod, watch_event("MODIFIED", pod));
            await_commit();
            passed = heard(number, ear);
            const std::array<const Talker*, 3> all{&*talker, &from_outside, &from_peer};
            for (const Talker* one : all) one->await_more();
            if (heard(number, ear) > 0) lab::fail("a pod's policy does not hold");
        }
        talker.reset();
        if (way_ == Way::plugin) run_plugin("DEL", pod, call);
        server_->send(Kind::pod, watch_event("DELETED", pod));
        await_commit();
        for (const auto& address : pod.addresses)
            std::filesystem::remove(leases() + "/pflab/" + to_string(address));
        return passed;
    }

  private:
    std::string directory() const { return lab_.claim().directory(); }
    std::string socket() const { return directory() + "/agent.sock"; }
    /// Where the lab's pod has its lease.
    std::string leases() const { return directory() + "/" + lab_.node(0).name; }
    std::vector<nft::Address> targets() const {
        auto all = both_of(lab_.outside());
        const auto peer = both_of(lab_.pod(0));
        all.insert(all.end(), peer.begin(), peer.end());
        return all;
    }
    std::size_t heard(std::uint32_t number, const Ear& pod) const {
        return outside_.heard_of(number) + peer_.heard_of(number) + pod.heard_of(number);
    }

    void start_agent() {
        std::vector<std::string> argv{test::podfence_program(),
                                      "agent",
                                      "--kubeconfig",
                                      directory() + "/kubeconfig",
                                      "--node",
                                      lab_.node(0).name,
                                      "--socket",
                                      socket(),
                                      "--metrics-address",
                                      ""};
        if (way_ == Way::hold) {
            argv.insert(argv.end(),
                        {"--unknown-pods=hold", "--pod-cidr=10.244.1.0/24,fd00:10:244:1::/64"});
        }
        agent_.emplace(lab_.node(0).ns,
                       lab::ChildSpec{.argv = std::move(argv), .log = directory() + "/agent.log"});
        const auto ready = lab::run_program({test::podfence_program(), "status", "--wait",
                                             "--timeout", "20", "--socket", socket()});
        if (ready.status != 0) lab::fail("the agent is not ready: " + ready.err);
    }

    /// In time: or nobody would notice a scene in which nothing ever arrives.
    void expect_delivery() const {
        const Talker talker(lab_.outside().ns, both_of(lab_.pod(0)), 0);
        const auto until = Clock::now() + 10s;
        while (peer_.heard_of(0) == 0) {
            if (Clock::now() > until) lab::fail("not even what is allowed arrives");
            ::poll(nullptr, 0, 1);
        }
    }

    /// With the plugin nothing may be left to do.
    void await_commit() {
        const auto limit = way_ == Way::plugin ? 20ms : 10'000ms;
        const auto last = commits_->await_last(10ms, limit);
        if (!last && way_ != Way::plugin)
            lab::fail("the agent commits nothing, " + lab::tail_of(directory() + "/agent.log"));
    }

    Way way_;
    lab::Wiring wiring_;
    lab::Lab lab_;
    lab::Stay stay_;
    Ear outside_;
    Ear peer_;
    std::optional<ApiServer> server_;
    std::optional<lab::Child> agent_;
    std::optional<Commits> commits_;
};

std::vector<double> starts(Way way, std::size_t count) {
    std::vector<double> passed;
    std::uint32_t number = 0;
    for (const auto wiring : {lab::Wiring::bridge, lab::Wiring::ptp}) {
        Scene scene(way, wiring);
        for (std::size_t i = 0; i < count / 2; ++i) {
            passed.push_back(static_cast<double>(scene.start_pod(++number)));
        }
    }
    return passed;
}

}  // namespace

void measure_leaks(Report& report, const Options& options) {
    const std::size_t count = options.smoke ? 4 : 1000;
    const Ordinary ordinary;
    Report::progress("starting pods");
    Figure plain{.name = "leak/plain",
                 .unit = "packets",
                 .samples = starts(Way::plain, count),
                 .note =
                     "a start of a pod that policies allow nothing, of which the kubelet tells "
                     "20 ms after its interface is up: packets that pass, in and out"};
    report.print(plain);
    if (quantile(plain.samples, 1) == 0) lab::fail("nothing leaks, so nothing can be said");
    report.print({.name = "leak/hold",
                  .unit = "packets",
                  .samples = starts(Way::hold, count),
                  .demand = Demand{.of = Measure::max, .bound = 0},
                  .note = "the same with --unknown-pods=hold"});
    report.print({.name = "leak/plugin",
                  .unit = "packets",
                  .samples = starts(Way::plugin, count),
                  .demand = Demand{.of = Measure::max, .bound = 0},
                  .note = "the same with podfence-cni, from the end of its ADD on"});
}

}  // namespace podfence::bench
