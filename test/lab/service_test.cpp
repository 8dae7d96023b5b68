// What a policy sees of connections through Services, by real packets: as whose they are judged for
// ingress, and as where they go for egress, in each of kube-proxy's fashions. The rules are what
// kube-proxy's come to, written by hand.
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <poll.h>

#include "nft/rule_counters.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_process.hpp"
#include "test/support/lab_socket.hpp"
#include "test/support/netns.hpp"
#include "test/support/skip.hpp"

namespace podfence::lab {
namespace {

constexpr std::uint16_t kPort = 8080;            // Of the pod.
constexpr std::uint16_t kServicePort = 80;       // Of the ClusterIP.
constexpr std::uint16_t kNodePort = 30080;       // externalTrafficPolicy: Cluster
constexpr std::uint16_t kLocalNodePort = 30081;  // externalTrafficPolicy: Local

/// One Service of one family with one pod.
struct Service {
    Family family;
    Address ip;
    Address pod;
    bool v4() const { return family == Family::ipv4; }
    std::string pods() const { return v4() ? "10.244.0.0/16" : "fd00:10:244::/48"; }
    /// The pod's address and port as nft and iptables write them.
    std::string target() const {
        const auto address = to_string(pod);
        return (v4() ? address : "[" + address + "]") + ":" + std::to_string(kPort);
    }
};

Address parse(const char* text) {
    return Address::parse(text).value();
}

std::string of_port(std::uint16_t port) {
    return "tcp dport " + std::to_string(port);
}

/// kube-proxy --proxy-mode=nftables. In the node's namespace, as the other fashions.
void serve_nftables(const Service& service, const Host& /*node*/) {
    const std::string ip = service.v4() ? "ip" : "ip6";
    const std::string pod = to_string(service.pod);
    test::nft_load("table " + ip + " services {\n" +
                   "chain before { type nat hook prerouting priority dstnat; jump services; }\n" +
                   "chain own { type nat hook output priority -100; jump services; }\n" +
                   "chain after { type nat hook postrouting priority srcnat;\n" +
                   "  meta mark & 0x4000 == 0 return\n" +
                   "  meta mark set meta mark & 0xffffbfff masquerade fully-random\n}\n" +
                   "chain services {\n  " + ip + " daddr " + to_string(service.ip) + " " +
                   of_port(kServicePort) + " goto cluster-ip\n" + "  fib daddr type local " +
                   of_port(kNodePort) + " goto node-port\n" + "  fib daddr type local " +
                   of_port(kLocalNodePort) + " goto pod\n}\n" + "chain cluster-ip { " + ip +
                   " saddr != " + service.pods() + " jump disguise\n" + "  goto pod\n}\n" +
                   "chain node-port { jump disguise\n  goto pod\n}\n" + "chain pod { " + ip +
                   " saddr " + pod + " jump disguise\n  meta l4proto tcp dnat to " +
                   service.target() + "\n}\n" +
                   "chain disguise { meta mark set meta mark | 0x4000\n}\n}\n");
}

/// kube-proxy --proxy-mode=iptables
void serve_iptables(const Service& service, const Host& /*node*/) {
    const std::string local = " -m addrtype --dst-type LOCAL -p tcp --dport ";
    const auto rule = [](const std::string& text) { return "-A " + text + "\n"; };
    const auto node_port = std::to_string(kNodePort);
    const std::string to_service =
        " -d " + to_string(service.ip) + " -p tcp --dport " + std::to_string(kServicePort) + " -j ";
    const std::string rules =
        "*nat\n:SERVICES - [0:0]\n:POD - [0:0]\n:MASQ - [0:0]\n" + rule("PREROUTING -j SERVICES") +
        rule("OUTPUT -j SERVICES") + rule("POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN") +
        rule("POSTROUTING -j MARK --xor-mark 0x4000") +
        rule("POSTROUTING -j MASQUERADE --random-fully") +
        rule("SERVICES ! -s " + service.pods() + to_service + "MASQ") +
        rule("SERVICES" + to_service + "POD") + rule("SERVICES" + local + node_port + " -j MASQ") +
        rule("SERVICES" + local + node_port + " -j POD") +
        rule("SERVICES" + local + std::to_string(kLocalNodePort) + " -j POD") +
        rule("POD -s " + to_string(service.pod) + " -j MASQ") +
        rule("POD -p tcp -j DNAT --to-destination " + service.target()) +
        rule("MASQ -j MARK --or-mark 0x4000") + "COMMIT\n";
    check_program(
        {service.v4() ? "iptables-legacy-restore" : "ip6tables-legacy-restore", "--noflush"},
        rules);
}

/// kube-proxy --proxy-mode=ipvs: Services' addresses are the node's own.
void serve_ipvs(const Service& service, const Host& node) {
    const std::string ip = service.v4() ? "ip" : "ip6";
    const std::string address = to_string(service.ip);
    test::run_shell("ip link show services >/dev/null 2>&1 || ip link add services type dummy");
    test::run_shell("ip address add " + address + (service.v4() ? "/32" : "/128 nodad") +
                    " dev services");
    // So that what IPVS rewrites, connection tracking knows.
    test::run_shell("sysctl -qw net.ipv4.vs.conntrack=1");
    const auto serve = [&](const Address& at, std::uint16_t port) {
        const auto text = to_string(at);
        const std::string end =
            (at.family() == Family::ipv4 ? text : "[" + text + "]") + ":" + std::to_string(port);
        check_program({"ipvsadm", "--add-service", "--tcp-service", end, "--scheduler", "rr"});
        check_program({"ipvsadm", "--add-server", "--tcp-service", end, "--real-server",
                       service.target(), "--masquerading"});
    };
    serve(service.ip, kServicePort);
    const auto own = node.primary(service.family);
    serve(own, kNodePort);
    serve(own, kLocalNodePort);
    test::nft_load(
        "table " + ip + " services {\n" +
        "chain before { type filter hook prerouting priority dstnat; jump disguise; }\n" +
        "chain own { type filter hook output priority -100; jump disguise; }\n" +
        "chain disguise {\n  " + ip + " daddr " + address + " " + ip + " saddr != " +
        service.pods() + " meta mark set meta mark | 0x4000\n  fib daddr type local " +
        of_port(kNodePort) + " meta mark set meta mark | 0x4000\n}\n" +
        "chain after { type nat hook postrouting priority srcnat;\n  " + ip + " saddr " +
        to_string(service.pod) + " " + ip + " daddr " + to_string(service.pod) +
        " masquerade fully-random\n" + "  meta mark & 0x4000 == 0 return\n" +
        "  meta mark set meta mark & 0xffffbfff masquerade fully-random\n}\n}\n");
}

using Serve = std::function<void(const Service&, const Host& node)>;

/// One way through the Service.
struct Way {
    std::string what;
    Address from;
    Address to;
    std::uint16_t port = 0;
    /// As whose it is judged for the pod's ingress. None: it is always let in.
    std::optional<Address> seen_from{};
    /// Of a pod: as where it goes for its own egress, and the port there.
    std::optional<Address> seen_to{};
    std::uint16_t seen_port = kPort;
};

std::string alone(const Address& address) {
    return to_string(address) + (address.family() == Family::ipv4 ? "/32" : "/128");
}

class Scene {
  public:
    Scene(Wiring wiring, const Serve& serve)
        : lab_(two_nodes(wiring, wiring, 2)), enforcer_(lab_, {.node = {}, .counters = true}) {
        {
            const Stay stay = lab_.pod(0).ns.enter();
            listener_ = listen_on(kPort);
        }
        for (std::size_t i = 0; i < lab_.pod_count(); ++i) {
            Pod pod = test::pod("shop/" + lab_.pod(i).name).labels("app=" + lab_.pod(i).name);
            place(pod, lab_, lab_.pod(i));
            cluster_.put(std::move(pod));
        }
        cluster_.put(test::ns("shop"));
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            services_.push_back({.family = family,
                                 .ip = parse(family == Family::ipv4 ? "10.96.0.10" : "fd00:96::10"),
                                 .pod = lab_.pod(0).primary(family)});
            for (std::size_t node = 0; node < lab_.node_count(); ++node) {
                const Stay stay = lab_.node(node).ns.enter();
                serve(services_.back(), lab_.node(node));
            }
        }
    }

    void check() {
        for (const auto& service : services_) {
            for (const auto& way : ways_of(service)) {
                INFO(way.what << ": " << to_string(way.from) << " to " << to_string(way.to) << " "
                              << way.port);
                check_ingress(way);
                if (way.seen_to) check_egress(way);
            }
        }
    }

  private:
    std::vector<Way> ways_of(const Service& service) const {
        const auto address = [&](const Host& host) { return host.primary(service.family); };
        const Address self = service.pod;
        const Address near = address(lab_.pod(2));
        const Address far = address(lab_.pod(1));
        const Address here = address(lab_.node(0));
        const Address there = address(lab_.node(1));
        const Address outside = address(lab_.outside());
        return {
            {"ClusterIP, a pod of the same node", near, service.ip, kServicePort, near, self},
            {"ClusterIP, a pod of another node", far, service.ip, kServicePort, far, self},
            {"ClusterIP, another node itself", there, service.ip, kServicePort, there},
            {"ClusterIP, the pod's node itself", here, service.ip, kServicePort},
            {"ClusterIP, the pod itself", self, service.ip, kServicePort},
            {"NodePort of the pod's node, outside", outside, here, kNodePort, outside},
            {"NodePort of another node, outside", outside, there, kNodePort, there},
            {"NodePort with Local, outside", outside, here, kLocalNodePort, outside},
            {"NodePort of the own node, a pod beside", near, here, kNodePort, near, self},
            {"NodePort of the own node, a pod elsewhere", far, there, kNodePort, there, self},
            {"NodePort of another node, a pod there", far, here, kNodePort, far, here, kNodePort},
        };
    }

    void check_ingress(const Way& way) {
        auto policy = test::policy("shop/server").pods("app=" + lab_.pod(0).name).ingress();
        if (!way.seen_from) {
            apply(policy);
            CHECK(connects(way));
            return;
        }
        const std::string seen = alone(*way.seen_from);
        const std::string all = way.from.family() == Family::ipv4 ? "0.0.0.0/0" : "::/0";
        auto but = policy;
        apply(policy.ingress(test::rule().peer(test::block(seen)).port(kPort)));
        CHECK(connects(way));
        apply(but.ingress(test::rule().peer(test::block(all, {seen}))));
        CHECK_FALSE(connects(way));
    }

    void check_egress(const Way& way) {
        const auto* client = lab_.owner_of(way.from);
        auto policy = test::policy("shop/client").pods("app=" + client->name).egress();
        const std::string seen = alone(*way.seen_to);
        const std::string all = way.from.family() == Family::ipv4 ? "0.0.0.0/0" : "::/0";
        auto but = policy;
        apply(policy.egress(test::rule().peer(test::block(seen)).port(way.seen_port)));
        CHECK(connects(way));
        apply(but.egress(test::rule().peer(test::block(all, {seen}))));
        CHECK_FALSE(connects(way));
    }

    void apply(const NetworkPolicy& policy) {
        Cluster cluster = cluster_;
        cluster.put(policy);
        enforcer_.apply(cluster);
    }

    std::uint64_t denied() const {
        std::uint64_t packets = 0;
        for (std::size_t node = 0; node < lab_.node_count(); ++node) {
            const Stay stay = lab_.node(node).ns.enter();
            for (const auto& [chain, counted] : nft::read_rule_counters({}).value()) {
                if (chain.find("deny") != std::string::npos) packets += counted.packets;
            }
        }
        return packets;
    }

    /// Whether the connection comes about; that it does not is known from a rule that denies it.
    bool connects(const Way& way) const {
        constexpr std::chrono::seconds kPatience{10};
        const auto before = denied();
        const Host* host = lab_.owner_of(way.from);
        UniqueFd fd;
        {
            const Stay stay = host->ns.enter();
            fd = start_connect(IPPROTO_TCP, way.from, way.to, way.port);
        }
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (std::chrono::steady_clock::now() < until) {
            pollfd writable{.fd = fd.get(), .events = POLLOUT, .revents = 0};
            constexpr int kPauseMs = 5;
            if (::poll(&writable, 1, kPauseMs) == 1) {
                REQUIRE(connect_error(fd.get()) == 0);
                return true;
            }
            if (denied() > before) return false;
        }
        FAIL("neither let through nor denied");
        return false;
    }

    Lab lab_;
    Enforcer enforcer_;
    UniqueFd listener_;
    Cluster cluster_;
    std::vector<Service> services_;
};

void check(const Serve& serve) {
    for (const auto wiring : {Wiring::bridge, Wiring::ptp}) {
        INFO((wiring == Wiring::bridge ? "bridge" : "ptp"));
        Scene(wiring, serve).check();
    }
}

}  // namespace

TEST_CASE("D7: what policies see of Services, kube-proxy in nftables fashion") {
    check(serve_nftables);
}

TEST_CASE("D7: what policies see of Services, kube-proxy in iptables fashion") {
    check(serve_iptables);
}

TEST_CASE("D7: what policies see of Services, kube-proxy in IPVS fashion") {
    {
        const test::PrivateNetns ns;
        if (run_program({"ipvsadm", "--list"}).status != 0) {
            PODFENCE_SKIP("Services by IPVS need a kernel that has it");
        }
    }
    check(serve_ipvs);
}

}  // namespace podfence::lab
