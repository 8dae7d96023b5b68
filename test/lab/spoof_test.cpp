// Forged sources against real interfaces: what the guard of interfaces lets in.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "controller/spoof_guard.hpp"
#include "test/support/effort.hpp"
#include "test/support/lab.hpp"
#include "test/support/lab_forgery.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_socket.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kPort = Forger::kPort;
constexpr std::chrono::seconds kPatience{5};

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
        const auto until = std::chrono::steady_clock::now() + kPatience;
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

/// Whether a datagram to a port where nobody listens is told so.
bool answers(const Host& from, const Address& to) {
    constexpr int kPatienceMs = 3000;
    const Stay stay = from.ns.enter();
    const UniqueFd fd(
        ::socket(to.family() == Family::ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SocketAddress there = socket_address(to, kPort);
    const char mark = 'h';
    if (!fd || ::connect(fd.get(), there.get(), there.length) != 0 ||
        ::send(fd.get(), &mark, 1, 0) != 1) {
        fail_errno("a datagram to " + to_string(to));
    }
    pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
    char none = 0;
    return ::poll(&waiting, 1, kPatienceMs) == 1 && ::recv(fd.get(), &none, 1, 0) == -1 &&
           errno == ECONNREFUSED;
}

/// From every pod of the node to the others, the nodes and the outside: what kernels make of it,
/// ARP and neighbour discovery included, is honest. Gives how many answers did not come.
std::size_t unanswered(const Network& network, std::size_t node) {
    std::vector<std::pair<const Host*, Address>> pairs;
    for (std::size_t i = node; i < network.pod_count(); i += 2) {
        for (const Host& to : network.hosts()) {
            if (&to == &network.pod(i)) continue;
            for (const Family family : {Family::ipv4, Family::ipv6}) {
                pairs.emplace_back(&network.pod(i), to.primary(family));
            }
        }
    }
    return static_cast<std::size_t>(std::ranges::count_if(
        pairs, [](const auto& pair) { return !answers(*pair.first, pair.second); }));
}

LabSpec six_pods() {
    return two_nodes(Wiring::bridge, Wiring::ptp, 3);
}

std::size_t packets_of_run() {
    const char* text = std::getenv("PODFENCE_SPOOFED_PACKETS");
    return text == nullptr ? test::effort(40'000) : std::stoul(text);
}

}  // namespace

TEST_CASE("Lab N73: forged frames do not pass a pod's interface, honest ones do") {
    const Lab lab(six_pods());
    for (const std::size_t number : {std::size_t{0}, std::size_t{1}}) {
        INFO((number == 0 ? "bridge" : "ptp"));
        Guard guard(lab, number);
        REQUIRE(guard.status().interfaces.total() == 3);
        CHECK(guard.status().unproved.total() == 0);
        // What the kernels of pods say of themselves, ARP and neighbour discovery included.
        CHECK(unanswered(lab, number) == 0);
        CHECK(guard.refused() == 0);

        Stage stage(lab, number);
        Ear ear(stage.receiver);
        const auto forged = stage.forger.forged();
        const auto honest = stage.forger.honest();
        std::uint64_t forged_sent = 0;
        std::uint64_t honest_sent = 0;
        while (forged_sent + honest_sent < packets_of_run() / 2) {
            std::vector<Bytes> burst;
            for (int i = 0; i < 8; ++i) {
                burst.insert(burst.end(), forged.begin(), forged.end());
                burst.insert(burst.end(), honest.begin(), honest.end());
            }
            stage.forger.send(burst);
            forged_sent += 8 * forged.size();
            honest_sent += 8 * honest.size();
            ear.listen();
        }
        ear.listen();
        CHECK(guard.refused() == forged_sent);
        CHECK(ear.forged == 0);
        CHECK(ear.honest == honest_sent);
        std::printf("%s: %llu forged frames, %llu passed; %llu honest, %llu lost\n",
                    number == 0 ? "bridge" : "ptp", static_cast<unsigned long long>(forged_sent),
                    static_cast<unsigned long long>(ear.forged),
                    static_cast<unsigned long long>(honest_sent),
                    static_cast<unsigned long long>(honest_sent - ear.honest));
    }
}

TEST_CASE("Lab N73: an audit lets forged frames in and counts them") {
    const Lab lab(six_pods());
    Guard guard(lab, 0, AntiSpoofMode::audit);
    Stage stage(lab, 0);
    const auto forged = stage.forger.forged();
    Ear ear(stage.receiver);
    stage.forger.send(forged);
    ear.listen();
    CHECK(guard.refused() == forged.size());
    CHECK(ear.forged > 0);
}

namespace {

/// All that is forged refused, and the honest heard.
void check_holds(const Guard& guard, Stage& stage, Ear& ear) {
    const auto before = guard.refused();
    const auto heard = ear.honest;
    stage.forger.send(stage.forger.forged());
    stage.forger.send(stage.forger.honest());
    ear.listen();
    CHECK(guard.refused() - before == stage.forger.forged().size());
    CHECK(ear.forged == 0);
    CHECK(ear.honest - heard == stage.forger.honest().size());
}

}  // namespace

TEST_CASE("Lab N73: what a pod's annotation lists passes from that pod, while it lists it") {
    const Lab lab(six_pods());
    for (const std::size_t number : {std::size_t{0}, std::size_t{1}}) {
        INFO((number == 0 ? "bridge" : "ptp"));
        Guard guard(lab, number, {.extra_by_annotation = true});
        Stage stage(lab, number);
        const Address v4 = Address::parse("198.51.100.7").value();
        const Address v6 = Address::parse("2001:db8::bad").value();
        const Address to4 = stage.receiver.primary(Family::ipv4);
        const Address to6 = stage.receiver.primary(Family::ipv6);
        const std::vector<Bytes> frames{
            udp_frame(stage.forger.wire(), v4, to4, kPort, Bytes(16, 'h')),
            udp_frame(stage.forger.wire(), v6, to6, kPort, Bytes(16, 'h')),
            arp_frame(stage.forger.everyone(), 2, v4, to4)};
        // How many are refused when this pod lists that.
        const auto refused = [&](const Host& host, const std::vector<Prefix>& extra) {
            Pod pod = *guard.cluster().find_pod({"lab", host.name});
            pod.extra_addresses = extra;
            guard.change(pod);
            guard.settle();
            const auto before = guard.refused();
            stage.forger.send(frames);
            return guard.refused() - before;
        };
        const std::vector<Prefix> extra{*Prefix::make(v4, 29), *Prefix::make(v6, 128)};
        CHECK(refused(stage.victim, extra) == frames.size());
        CHECK(refused(stage.sender, extra) == 0);
        CHECK(refused(stage.sender, {}) == frames.size());
    }
}

TEST_CASE("Lab N73: the guard follows an interface's new name") {
    const Lab lab(six_pods());
    for (const std::size_t number : {std::size_t{0}, std::size_t{1}}) {
        INFO((number == 0 ? "bridge" : "ptp"));
        Guard guard(lab, number);
        Stage stage(lab, number);
        Ear ear(stage.receiver);
        const PodLink link = guard.link_of(stage.sender);
        const auto renaming = run_program(
            {"ip", "-n", stage.node.ns.name(), "link", "set", "dev", link.name, "name", "renamed"});
        if (renaming.err.find("Device or resource busy") != std::string::npos) {
            PODFENCE_SKIP("renaming needs a kernel that renames interfaces that are up (6.2)");
        }
        INFO(renaming.err);
        REQUIRE(renaming.status == 0);
        guard.await([&] { return guard.link_of(stage.sender).name == "renamed"; });
        guard.settle();
        check_holds(guard, stage, ear);
    }
}

TEST_CASE("Lab N73: the guard believes the plugin that made an interface, at once") {
    const Lab lab(six_pods());
    for (const std::size_t number : {std::size_t{0}, std::size_t{1}}) {
        INFO((number == 0 ? "bridge" : "ptp"));
        Guard guard(lab, number);
        Stage stage(lab, number);
        Ear ear(stage.receiver);
        const PodLink link = guard.link_of(stage.sender);
        CHECK(link.evidence != Evidence::told);
        const Attachment attachment{.key = {.network = "n", .container = "c", .interface = "eth0"},
                                    .pod = link.pod,
                                    .host_interfaces = {"cni0", link.name},
                                    .addresses = stage.sender.addresses};
        SpoofGuard& itself = guard.itself();
        itself.told(attachment);
        CHECK_FALSE(itself.holds(itself.revision()));
        guard.await([&] { return itself.holds(itself.revision()); });
        CHECK(guard.link_of(stage.sender).evidence == Evidence::told);
        check_holds(guard, stage, ear);
        itself.untold(attachment.key);
        guard.settle();  // What was bound stays so while interface, pod and address last.
        check_holds(guard, stage, ear);
    }
}

TEST_CASE("Lab N73: the guard follows interfaces and addresses") {
    const Lab lab(six_pods());
    for (const std::size_t number : {std::size_t{0}, std::size_t{1}}) {
        INFO((number == 0 ? "bridge" : "ptp"));
        Guard guard(lab, number);
        Stage stage(lab, number);
        Ear ear(stage.receiver);
        const PodLink link = guard.link_of(stage.sender);
        check_holds(guard, stage, ear);
        // Another pod's interface goes, with its pod.
        const PodLink gone = guard.link_of(stage.victim);
        check_program({"ip", "-n", stage.node.ns.name(), "link", "delete", gone.name});
        guard.remove(gone.pod);
        guard.await([&] { return guard.status().interfaces.total() == 2; });
        guard.settle();
        check_holds(guard, stage, ear);
        // The pod ends: its interface is nobody's until it goes.
        const Pod pod = *guard.cluster().find_pod(link.pod);
        guard.remove(link.pod);
        guard.settle();
        CHECK(guard.status().interfaces.total() == 1);
        guard.change(pod);
        guard.settle();
        CHECK(guard.status().interfaces.total() == 2);
        check_holds(guard, stage, ear);
    }
}

TEST_CASE("Lab N73: a guard that starts again goes by what the one before it knew") {
    const Lab lab(six_pods());
    Stage stage(lab, 0);
    const LinkIndex bound = Guard(lab, 0).link_of(stage.sender).index;
    // From now on nothing else tells whose the interface is.
    check_program({"ip", "-n", stage.sender.ns.name(), "address", "flush", "scope", "global"});
    check_program({"ip", "-n", stage.node.ns.name(), "neighbour", "flush", "all"});
    Guard again(lab, 0);
    REQUIRE(again.status().unproved.total() == 0);
    CHECK(again.link_of(stage.sender).index == bound);
}

TEST_CASE("Lab N73: who is held cannot pretend to be somebody else before it is known") {
    const Lab lab(six_pods());
    for (const std::size_t number : {std::size_t{0}, std::size_t{1}}) {
        INFO((number == 0 ? "bridge" : "ptp"));
        Guard guard(lab, number);
        Stage stage(lab, number);
        Ear ear(stage.receiver);
        const Pod pod = *guard.cluster().find_pod({"lab", stage.sender.name});
        guard.remove(pod.name);
        guard.settle();
        CHECK(guard.status().interfaces.total() == 2);
        // Without the pods' ranges nobody can tell its interface from any other.
        stage.forger.send(stage.forger.forged());
        ear.listen();
        CHECK(ear.forged > 0);
        CHECK(guard.refused() == 0);
        ear.forged = 0;
        guard.itself().hold({*Prefix::parse("10.244.0.0/16"), *Prefix::parse("fd00:10:244::/48")});
        guard.await([&] { return guard.status().held.total() == 1; });
        guard.settle();
        check_holds(guard, stage, ear);
        guard.change(pod);
        guard.await([&] { return guard.status().interfaces.total() == 3; });
        guard.settle();
        CHECK(guard.status().held.total() == 0);
        check_holds(guard, stage, ear);
    }
}

}  // namespace podfence::lab
