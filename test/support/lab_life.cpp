#include "test/support/lab_life.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <utility>

#include <boost/json.hpp>
#include <netinet/in.h>
#include <poll.h>

#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_socket.hpp"
#include "test/support/netns.hpp"

namespace podfence::lab {

namespace {

using Clock = std::chrono::steady_clock;
using End = Talk::End;

constexpr std::uint16_t kPort = 8080;
constexpr std::uint16_t kServicePort = 80;
constexpr std::size_t kPodsPerNode = 4;
constexpr std::size_t kConnectionsMax = 6;
constexpr std::chrono::seconds kPatience{15};
constexpr std::array kNamespaces{"a", "b"};

Address service_address(Family family) {
    return Address::parse(family == Family::ipv4 ? "10.96.0.10" : "fd00:96::10").value();
}

/// Tries until it is so, or for too long.
bool in_time(const std::function<bool()>& so) {
    const auto until = Clock::now() + kPatience;
    while (!so()) {
        if (Clock::now() > until) return false;
    }
    return true;
}

test::GeneratorOptions options_of(std::vector<Pod> pods, const Network& network) {
    test::GeneratorOptions options;
    options.fixed_pods = std::move(pods);
    options.namespaces.assign(kNamespaces.begin(), kNamespaces.end());
    options.policies_max = 3;
    options.outside = network.outside().addresses;
    options.ports = {kPort};
    // What a manifest cannot say is not for an agent that reads one.
    options.fail_closed = false;
    return options;
}

}  // namespace

void ChangingLab::rewire(std::size_t pod) {
    Host& host = hosts_.at(node_count_ + 1 + pod);
    const std::string data_dir = claim().directory() + "/" + spec().nodes[host.node].name;
    const std::string leases = data_dir + "/pflab";
    check_program({"ip", "-n", host.ns.name(), "link", "delete", "eth0"});
    // Every other time from the first address that is free: one that another pod had before.
    if (++rewired_ % 2 == 0) {
        for (const char* last : {"/last_reserved_ip.0", "/last_reserved_ip.1"}) {
            std::filesystem::remove(leases + last);
        }
    }
    const auto before = std::exchange(
        host.addresses, cni_add({.wiring = spec().nodes[host.node].wiring,
                                 .node = host.node,
                                 .container_id = host.ns.name() + "-" + std::to_string(rewired_),
                                 .data_dir = data_dir},
                                node(host.node).ns, host.ns));
    for (const Address& address : before)
        std::filesystem::remove(leases + "/" + to_string(address));
    // As the plugins' announcements do in time: nobody takes the address for another's any more.
    for (const Host& one : hosts()) {
        check_program({"ip", "-n", one.ns.name(), "neighbour", "flush", "all"});
    }
}

Life::Life(Wiring wiring, std::uint64_t seed)
    : lab_(two_nodes(wiring, wiring, kPodsPerNode)),
      generator_(seed, options_of(pods_of_lab(), lab_)),
      cluster_(generator_.cluster()) {
    for (const Pod& pod : generator_.options().fixed_pods) slots_.push_back(pod.name);
    serve();
    agents_.emplace(lab_, cluster_, std::vector<std::string>{"--anti-spoof", "enforce"});
}

std::vector<Pod> Life::pods_of_lab() const {
    std::vector<Pod> pods;
    for (std::size_t i = 0; i < lab_.pod_count(); ++i) {
        Pod pod{.name = {kNamespaces[i / 2 % kNamespaces.size()], lab_.pod(i).name}};
        pod.phase = PodPhase::running;
        place(pod, lab_, lab_.pod(i));
        pods.push_back(std::move(pod));
    }
    return pods;
}

const Host& Life::host(std::size_t slot) const {
    return slot < slots_.size() ? lab_.pod(slot) : lab_.outside();
}

Life::Pair Life::some_pair() {
    Pair pair{.client = random().below(slots_.size() + 1),
              .server = random().below(slots_.size()),
              .family = random().percent(50) ? Family::ipv4 : Family::ipv6};
    while (pair.server == pair.client) pair.server = random().below(slots_.size());
    return pair;
}

Flow Life::flow(const Pair& pair, std::uint8_t protocol, std::uint16_t port) const {
    return {.source = host(pair.client).primary(pair.family),
            .destination = host(pair.server).primary(pair.family),
            .protocol = protocol,
            .port = port};
}

// ---- what happens ---------------------------------------------------------------------------

std::optional<std::string> Life::step() {
    const std::size_t events = random().between(1, 2);
    for (std::size_t i = 0; i < events; ++i) happen();
    totals_.events += events;
    agents_->tell(cluster_);
    for (const auto check :
         {&Life::check_connections, &Life::check_new, &Life::check_forgery, &Life::begin}) {
        if (auto wrong = (this->*check)()) return wrong;
    }
    return std::nullopt;
}

void Life::happen() {
    const std::size_t slot = random().below(slots_.size());
    const auto kind = random().below(10);
    if (kind < 6) return test::apply(cluster_, generator_.event(cluster_));
    if (kind == 6) {
        backend_ = slot;
        return serve();
    }
    if (kind == 7) return rewire(slot);
    // Another pod of other rights takes over the interface and its addresses (N56).
    const Pod& model = *cluster_.find_pod(random().pick(slots_));
    renew(slot, random().pick(kNamespaces), model.labels);
}

void Life::renew(std::size_t slot, const std::string& ns, Labels labels) {
    const ObjectName name{ns, lab_.pod(slot).name + "-" + std::to_string(++renewed_)};
    Pod pod = *cluster_.find_pod(slots_[slot]);
    cluster_.remove_pod(pod.name);
    pod.name = name;
    pod.labels = std::move(labels);
    place(pod, lab_, lab_.pod(slot));
    cluster_.put(std::move(pod));
    slots_[slot] = name;
}

void Life::rewire(std::size_t slot) {
    std::erase_if(connections_, [&](const Connection& one) {
        return one.pair.client == slot || one.pair.server == slot;
    });
    lab_.rewire(slot);
    ++totals_.rewired;
    const Pod& old = *cluster_.find_pod(slots_[slot]);
    renew(slot, old.name.ns, old.labels);
    if (slot == backend_) serve();
}

/// As kube-proxy does it, on both nodes.
void Life::serve() const {
    for (std::size_t node = 0; node < lab_.node_count(); ++node) {
        const Stay stay = lab_.node(node).ns.enter();
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            const bool v4 = family == Family::ipv4;
            const std::string table = std::string(v4 ? "ip" : "ip6") + " services";
            const std::string pod = to_string(lab_.pod(backend_).primary(family));
            test::nft_load("table " + table + "\ndelete table " + table + "\ntable " + table +
                           " { chain before { type nat hook prerouting priority dstnat; " +
                           (v4 ? "ip" : "ip6") + " daddr " + to_string(service_address(family)) +
                           " meta l4proto { tcp, udp } th dport " + std::to_string(kServicePort) +
                           " dnat to " + (v4 ? pod : "[" + pod + "]") + ":" +
                           std::to_string(kPort) + "\n}\n}\n");
        }
    }
}

// ---- what is looked at ----------------------------------------------------------------------

/// What is allowed goes on at every moment, what is not any more ends.
std::optional<std::string> Life::check_connections() {
    std::string lost;
    const bool ended = in_time([&] {
        bool all = true;
        for (const auto& one : connections_) {
            if (judge(one.flow)) {
                if (!one.talk->says(End::client) || !one.talk->says(End::server)) {
                    lost = one.what + " is allowed all the time and lost a packet";
                    return true;
                }
            } else if (one.talk->says(End::client) || one.talk->says(End::server)) {
                all = false;
            }
        }
        return all;
    });
    if (!lost.empty()) return lost;
    for (const auto& one : connections_) {
        if (!ended && !judge(one.flow)) return one.what + " is not allowed any more and may go on";
    }
    const std::size_t before = connections_.size();
    std::erase_if(connections_, [&](const Connection& one) { return !judge(one.flow); });
    totals_.cut += before - connections_.size();
    totals_.kept += connections_.size();
    return std::nullopt;
}

/// New connections: soon as the policies are now, and then so all of them.
std::optional<std::string> Life::check_new() {
    constexpr std::size_t kPairs = 5;
    std::vector<Pair> pairs;
    while (pairs.size() < kPairs) pairs.push_back(some_pair());
    for (const bool patient : {true, false}) {
        for (const Pair& pair : pairs) {
            const Flow asked = flow(pair, IPPROTO_TCP, kPort);
            const bool expected = judge(asked);
            const auto right = [&] { return connects(pair, expected) == expected; };
            if (patient ? in_time(right) : right()) continue;
            return describe(lab_, asked) +
                   (expected ? " is allowed and denied" : " is let through") +
                   (patient ? "" : " after it was right");
        }
    }
    for (const Pair& pair : pairs) {
        ++(judge(flow(pair, IPPROTO_TCP, kPort)) ? totals_.connected : totals_.denied);
    }
    return std::nullopt;
}

bool Life::connects(const Pair& pair, bool expected) const {
    constexpr int kSoonMs = 120;
    constexpr int kInTimeMs = 900;  // Before TCP asks again.
    UniqueFd listener;
    {
        const Stay stay = host(pair.server).ns.enter();
        listener = listen_on(kPort);
    }
    const Stay stay = host(pair.client).ns.enter();
    const auto fd = start_connect(IPPROTO_TCP, host(pair.client).primary(pair.family),
                                  host(pair.server).primary(pair.family), kPort);
    pollfd writable{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    return ::poll(&writable, 1, expected ? kInTimeMs : kSoonMs) == 1 &&
           connect_error(fd.get()) == 0;
}

/// Every pod of the node is known by its interface.
bool Life::guarded(std::size_t node) const {
    const auto status = agents_->status(node).at("anti_spoof");
    std::size_t known = 0;
    for (const auto& interface : status.at("interfaces").as_array()) {
        const ObjectName pod{std::string(interface.at("namespace").as_string()),
                             std::string(interface.at("name").as_string())};
        if (std::ranges::find(slots_, pod) != slots_.end()) ++known;
    }
    return known == kPodsPerNode && status.at("in_sync").as_bool();
}

/// What is forged is refused, what is honest is what policies allow.
std::optional<std::string> Life::check_forgery() {
    const std::size_t node = random().below(lab_.node_count());
    if (!in_time([&] { return guarded(node); })) {
        return "interfaces of pods are not known: " + serialize(agents_->status(node));
    }
    std::array<std::size_t, kPodsPerNode> pods{};
    for (std::size_t i = 0; i < pods.size(); ++i) pods[i] = node + lab_.node_count() * i;
    for (std::size_t i = pods.size(); i > 1; --i) std::swap(pods[i - 1], pods[random().below(i)]);
    Forger forger(lab_, host(pods[0]), host(pods[1]), host(pods[2]));
    Ear ear(host(pods[1]));
    const auto refused = [&] {
        return agents_->status(node)
            .at("anti_spoof")
            .at("refused_packets")
            .to_number<std::uint64_t>();
    };
    std::uint64_t expected = 0;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        const Pair pair{.client = pods[0], .server = pods[1], .family = family};
        if (judge(flow(pair, IPPROTO_UDP, Forger::kPort))) ++expected;
    }
    const auto forged = forger.forged();
    const auto honest = forger.honest();
    std::string wrong;
    // Datagrams of before may be of a connection that is being cut, or restored.
    const bool right = in_time([&] {
        const auto before = refused();
        const auto heard = ear.honest;
        forger.send(forged);
        forger.send(honest);
        ear.listen();
        totals_.forged += forged.size();
        totals_.honest += ear.honest - heard;
        if (ear.forged > 0) wrong = "forged frames pass";
        if (refused() - before < forged.size()) wrong = "forged frames are not counted";
        return !wrong.empty() || ear.honest - heard == expected;
    });
    if (!wrong.empty()) return wrong + " from " + host(pods[0]).name;
    if (right) return std::nullopt;
    return "of honest datagrams from " + host(pods[0]).name + " to " + host(pods[1]).name +
           " there should arrive " + std::to_string(expected);
}

/// One more connection that is to live through what comes.
std::optional<std::string> Life::begin() {
    if (connections_.size() >= kConnectionsMax) {
        connections_.erase(connections_.begin());
    }
    constexpr int kAttemptsMax = 20;
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        Pair pair = some_pair();
        const bool outside = pair.client == slots_.size();
        const bool service = !outside && random().percent(50);
        if (service) pair.server = backend_;
        const std::uint8_t protocol = random().percent(70) ? Talk::kTcp : Talk::kUdp;
        const Flow wanted = flow(pair, protocol, kPort);
        // A port has one UDP socket.
        const bool taken = std::ranges::any_of(connections_, [&](const Connection& one) {
            return one.protocol == protocol && protocol == Talk::kUdp &&
                   one.pair.server == pair.server && one.pair.family == pair.family;
        });
        if (pair.server == pair.client || taken || !judge(wanted)) continue;
        const Address to = service_address(pair.family);
        const Talk::Way way{.client = &host(pair.client),
                            .server = &host(pair.server),
                            .family = pair.family,
                            .protocol = protocol,
                            .port = kPort,
                            .service = service ? &to : nullptr,
                            .service_port = kServicePort};
        std::unique_ptr<Talk> talk;
        std::string why;
        const bool began = in_time([&] {
            try {
                talk = std::make_unique<Talk>(way);
            } catch (const Failure& failure) {
                why = failure.what();
            }
            return talk != nullptr;
        });
        const std::string what = describe(lab_, wanted) + (service ? " through the Service" : "");
        if (!began) return what + " is allowed and does not come about: " + why;
        connections_.push_back({.talk = std::move(talk),
                                .flow = wanted,
                                .pair = pair,
                                .protocol = protocol,
                                .what = what});
        return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace podfence::lab
