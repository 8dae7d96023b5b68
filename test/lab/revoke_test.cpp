// Established connections, by real packets, while policies stop allowing them: those are cut, both
// ends are told, and all others lose nothing.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <poll.h>

#include "test/support/builders.hpp"
#include "test/support/lab_agent.hpp"
#include "test/support/lab_enforcer.hpp"
#include "test/support/lab_socket.hpp"
#include "test/support/lab_talk.hpp"
#include "test/support/netns.hpp"

namespace podfence::lab {
namespace {

using End = Talk::End;

constexpr std::uint16_t kPort = 8080;
constexpr std::uint16_t kServicePort = 80;

struct Service {
    Address v4 = test::ip("10.96.0.10");
    Address v6 = test::ip("fd00:96::10");
    const Address& of(Family family) const { return family == Family::ipv4 ? v4 : v6; }
};

/// A server and its clients: near on the server's node, far on the other; a friend on each.
struct Scene {
    explicit Scene(Wiring wiring) : lab(two_nodes(wiring, wiring, 3)) {
        cluster.put(test::ns("shop"));
        cluster.put(test::ns("web", "team=a"));
        cluster.put(test::ns("friends", "team=b"));
        put("shop/server", 0, "app=server");
        put("web/near", 2, "app=client");
        put("web/far", 1, "app=client");
        put("friends/near", 4, "app=friend");
        put("friends/far", 3, "app=friend");
        cluster.put(only({"app=client", "app=friend"}));
        for (const std::size_t node : {0U, 1U}) serve(lab.node(node));
        agents.emplace(lab, cluster);
    }

    void put(const std::string& name, std::size_t number, const std::string& labels) {
        Pod pod = test::pod(name).labels(labels);
        place(pod, lab, lab.pod(number));
        // As kubelet tells them: gateways are not among them.
        const auto& node = lab.node(lab.pod(number).node);
        pod.node_addresses = std::vector{node.primary(Family::ipv4), node.primary(Family::ipv6)};
        cluster.put(pod);
    }
    /// Who may reach the server on its port.
    static NetworkPolicy only(const std::vector<std::string>& who) {
        auto policy = test::policy("shop/server").pods("app=server").ingress();
        for (const auto& labels : who) {
            policy.ingress(test::rule()
                               .peer(test::pods_in("", labels))
                               .port(kPort)
                               .port(kPort, Protocol::udp));
        }
        return policy;
    }
    /// As kube-proxy does it, by hand.
    void serve(const Host& node) const {
        const Stay stay = node.ns.enter();
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            const bool v4 = family == Family::ipv4;
            const std::string ip = v4 ? "ip" : "ip6";
            const std::string pod = to_string(lab.pod(0).primary(family));
            test::nft_load("table " + ip +
                           " services { chain prerouting { type nat hook "
                           "prerouting priority dstnat; " +
                           ip + " daddr " + to_string(service.of(family)) +
                           " meta l4proto { tcp, udp } th dport " + std::to_string(kServicePort) +
                           " dnat to " + (v4 ? pod : "[" + pod + "]") + ":" +
                           std::to_string(kPort) + "\n}\n}\n");
        }
    }
    void tell() const { agents->tell(cluster); }

    Lab lab;
    Service service;
    Cluster cluster;
    std::optional<FileAgents> agents;
};

/// Talks of one client with the server: both families, TCP and UDP, and TCP through the Service.
class Talks {
  public:
    Talks(const Scene& scene, std::size_t client) : name_(scene.lab.pod(client).name) {
        for (const auto family : {Family::ipv4, Family::ipv6}) {
            // A UDP server of its own for each.
            const Talk::Way way{.client = &scene.lab.pod(client),
                                .server = &scene.lab.pod(0),
                                .family = family,
                                .port = kPort};
            add(way);
            auto through = way;
            through.service = &scene.service.of(family);
            through.service_port = kServicePort;
            add(through);
            auto udp = way;
            udp.protocol = Talk::kUdp;
            add(udp);
        }
    }

    /// Whether all go on, in both directions.
    bool alive() {
        for (auto& one : all_) {
            if (one.talk->says(End::client) && one.talk->says(End::server)) continue;
            UNSCOPED_INFO(name_ << " lost " << one.what);
            return false;
        }
        return true;
    }
    /// Whether none goes on.
    bool dead() {
        bool dead = true;
        for (auto& one : all_) {
            if (one.talk->says(End::client) || one.talk->says(End::server)) dead = false;
        }
        return dead;
    }
    /// Both ends of all that are TCP. `bridged`: client and server share a bridge. There
    /// br_netfilter sends the reset straight out of the port (nf_send_reset() in nf_reject_ipv4.c),
    /// past the hook where it would get the Service's address, and the client does not know it for
    /// its own.
    void check_told(bool bridged) {
        for (auto& one : all_) {
            if (!one.tcp) continue;
            INFO(name_ << " by " << one.what);
            if (!bridged || !one.service) CHECK(one.talk->is_told(End::client));
            CHECK(one.talk->is_told(End::server));
        }
    }
    /// Those that nobody can tell that they were over.
    bool datagrams_alive() {
        for (auto& one : all_) {
            if (!one.tcp && !(one.talk->says(End::client) && one.talk->says(End::server)))
                return false;
        }
        return true;
    }

  private:
    struct One {
        std::unique_ptr<Talk> talk;
        std::string what;
        bool tcp = false;
        bool service = false;
    };
    void add(const Talk::Way& way) {
        const bool tcp = way.protocol == Talk::kTcp;
        const std::string what = std::string(tcp ? "TCP" : "UDP") +
                                 (way.service != nullptr ? " through a Service" : "") +
                                 (way.family == Family::ipv4 ? ", IPv4" : ", IPv6");
        INFO(name_ << " by " << what);
        all_.push_back({.talk = std::make_unique<Talk>(way),
                        .what = what,
                        .tcp = tcp,
                        .service = way.service != nullptr});
    }

    std::string name_;
    std::vector<One> all_;
};

/// UDP sockets of several clients cannot share the server's port, so they take turns: each group of
/// talks lives as long as its change needs.
struct Change {
    std::string what;
    std::function<void(Scene&)> take;  ///< The access of the clients away.
    std::function<void(Scene&)> give;  ///< It back.
    bool once = false;                 ///< What one client has back, the next one cannot lose.
};

void check_change(Scene& scene, std::size_t client, std::size_t bystander, const Change& change) {
    INFO(change.what << ", " << scene.lab.pod(client).name);
    Talks talks(scene, client);
    Talk kept({.client = &scene.lab.pod(bystander),
               .server = &scene.lab.pod(0),
               .family = Family::ipv6,
               .port = kPort});
    change.take(scene);
    scene.tell();
    constexpr std::chrono::seconds kPatience{10};
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!talks.dead() && std::chrono::steady_clock::now() < until) {
        CHECK(kept.says(End::client));
        CHECK(kept.says(End::server));
    }
    INFO(scene.agents->logs());
    CHECK(talks.dead());
    const auto& here = scene.lab.spec().nodes[0];
    talks.check_told(here.wiring == Wiring::bridge && scene.lab.pod(client).node == 0);
    CHECK(kept.says(End::client));
    CHECK(kept.says(End::server));
    change.give(scene);
    scene.tell();
    const auto again = std::chrono::steady_clock::now() + kPatience;
    while (!talks.datagrams_alive() && std::chrono::steady_clock::now() < again) {}
    CHECK(talks.datagrams_alive());
}

/// Whether a new connection comes about.
bool connects(const Scene& scene, std::size_t client) {
    UniqueFd listener;
    {
        const Stay stay = scene.lab.pod(0).ns.enter();
        listener = listen_on(kPort);
    }
    const Stay stay = scene.lab.pod(client).ns.enter();
    const auto fd = start_connect(IPPROTO_TCP, scene.lab.pod(client).primary(Family::ipv4),
                                  scene.lab.pod(0).primary(Family::ipv4), kPort);
    pollfd writable{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    constexpr int kLongEnoughMs = 300;
    return ::poll(&writable, 1, kLongEnoughMs) == 1 && connect_error(fd.get()) == 0;
}

void check_all(Wiring wiring) {
    Scene scene(wiring);
    const std::vector<Change> changes{
        {"a policy", [](Scene& s) { s.cluster.put(Scene::only({"app=friend"})); },
         [](Scene& s) {
             s.cluster.put(Scene::only({"app=client", "app=friend"}));
         }},
        {"labels",
         [](Scene& s) {
             s.put("web/near", 2, "app=stranger");
             s.put("web/far", 1, "app=stranger");
         },
         [](Scene& s) {
             s.put("web/near", 2, "app=client");
             s.put("web/far", 1, "app=client");
         }},
        {"an address that another pod takes over",
         [](Scene& s) {
             s.cluster.remove_pod({"web", "near"});
             s.cluster.remove_pod({"web", "far"});
             s.put("web/new-near", 2, "app=stranger");
             s.put("web/new-far", 1, "app=stranger");
         },
         [](Scene& s) {
             s.cluster.remove_pod({"web", "new-near"});
             s.cluster.remove_pod({"web", "new-far"});
             s.put("web/near", 2, "app=client");
             s.put("web/far", 1, "app=client");
         }},
        {"a namespace's label, and the clients' own egress",
         [](Scene& s) {
             s.cluster.put(NetworkPolicy(test::policy("web/out").egress(
                 test::rule().peer(test::namespaces("team=server")))));
         },
         [](Scene& s) { s.cluster.put(test::ns("shop", "team=server")); }, true},
        {"a namespace's label", [](Scene& s) { s.cluster.put(test::ns("shop")); },
         [](Scene& s) {
             s.cluster.remove_policy({"web", "out"});
         },
         true},
    };
    for (const auto& change : changes) {
        check_change(scene, 2, 3, change);
        if (!change.once) check_change(scene, 1, 4, change);
    }
}

}  // namespace

TEST_CASE("D4: connections that are no longer allowed are cut, bridge") {
    check_all(Wiring::bridge);
}

TEST_CASE("D4: connections that are no longer allowed are cut, ptp") {
    check_all(Wiring::ptp);
}

TEST_CASE("D4: with --established=keep open connections live on, and new ones are denied") {
    Scene scene(Wiring::ptp);
    scene.agents.reset();
    scene.agents.emplace(scene.lab, scene.cluster,
                         std::vector<std::string>{"--established", "keep"});
    Talks talks(scene, 2);
    scene.cluster.put(Scene::only({"app=friend"}));
    scene.tell();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (connects(scene, 2) && std::chrono::steady_clock::now() < until) {}
    CHECK_FALSE(connects(scene, 2));
    for (int i = 0; i < 20; ++i) CHECK(talks.alive());
}

}  // namespace podfence::lab
