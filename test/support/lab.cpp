#include "test/support/lab.hpp"

#include <atomic>
#include <exception>
#include <filesystem>
#include <thread>

#include "test/support/lab_process.hpp"

namespace podfence::lab {
namespace {

Address parse(const std::string& text) {
    const auto address = Address::parse(text);
    if (!address) fail("no address: " + text);
    return *address;
}

std::string number(std::size_t n) {
    return std::to_string(n + 1);
}

/// IPv6 addresses are usable at once (no duplicate address detection), and ICMP errors are never
/// rationed, since they are answers here.
void prepare_host() {
    raise_loopback();
    for (const char* key : {"net/ipv6/conf/all/accept_dad", "net/ipv6/conf/default/accept_dad",
                            "net/ipv4/icmp_ratemask"})
        set_sysctl(key, "0");
    set_sysctl("net/ipv6/icmp/ratemask", "\n");
}

void prepare_forwarding() {
    prepare_host();
    for (const char* key : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"})
        set_sysctl(key, "1");
    for (const char* key :
         {"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter",
          "net/ipv4/conf/all/send_redirects", "net/ipv4/conf/default/send_redirects"})
        set_sysctl(key, "0");
}

/// Flows leave conntrack soon after they end, since tests make many.
void prepare_node(Wiring wiring) {
    prepare_forwarding();
    for (const char* key : {"udp_timeout", "udp_timeout_stream", "icmp_timeout", "icmpv6_timeout",
                            "tcp_timeout_close", "tcp_timeout_time_wait", "tcp_timeout_syn_sent",
                            "sctp_timeout_closed", "sctp_timeout_cookie_wait"})
        set_sysctl(std::string("net/netfilter/nf_conntrack_") + key, "5");
    if (wiring != Wiring::bridge) return;
    // Without br_netfilter, what a bridge carries between two of its pods passes no inet hook.
    for (const char* key : {"iptables", "ip6tables"})
        set_sysctl(std::string("net/bridge/bridge-nf-call-") + key, "1");
}

void ip_batch(const NetNs& ns, const std::string& commands) {
    const Stay stay = ns.enter();
    check_program({"ip", "-batch", "-"}, commands);
}

/// Calls `work(i)` for 0..count-1 from a few threads; the first exception is thrown on.
template <class Work>
void in_parallel(std::size_t count, const Work& work) {
    constexpr std::size_t kThreads = 6;  // plugins also wait, so more than there are processors
    std::atomic<std::size_t> next{0};
    std::vector<std::exception_ptr> errors(kThreads);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            try {
                for (std::size_t i = next++; i < count; i = next++) work(i);
            } catch (...) {
                errors[t] = std::current_exception();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    for (const auto& error : errors) {
        if (error) std::rethrow_exception(error);
    }
}

}  // namespace

LabSpec two_nodes(Wiring first, Wiring second, std::size_t pods_per_node) {
    LabSpec spec{.nodes = {{"node1", first}, {"node2", second}}, .pods = {}};
    for (std::size_t i = 0; i < 2 * pods_per_node; ++i)
        spec.pods.push_back({.name = "p" + std::to_string(i), .node = i % 2});
    return spec;
}

Lab::Lab(LabSpec spec) : spec_(std::move(spec)) {
    node_count_ = spec_.nodes.size();
    build_nodes();
    link_nodes();
    link_outside();
    wire_pods();
    index_addresses();
    save(claim_.directory());
}

Host& Lab::add_host(Host::Kind kind, const std::string& name, std::size_t node) {
    return hosts_.emplace_back(
        Host{.kind = kind, .name = name, .ns = NetNs::create(claim_.name(name)), .node = node});
}

void Lab::build_nodes() {
    for (std::size_t n = 0; n < spec_.nodes.size(); ++n) {
        Host& host = add_host(Host::Kind::node, spec_.nodes[n].name, n);
        host.addresses = {
            parse("172.30.0." + number(n)),      parse("fd00:30::" + number(n)),
            parse("172.31." + number(n) + ".1"), parse("fd00:31:" + number(n) + "::1"),
            parse("10.244." + number(n) + ".1"), parse("fd00:10:244:" + number(n) + "::1")};
        const Stay stay = host.ns.enter();
        prepare_node(spec_.nodes[n].wiring);
    }
    Host& outside = add_host(Host::Kind::outside, "outside", 0);
    outside.addresses = {parse("192.0.2.10"), parse("2001:db8:2::10")};
    outside.addresses.insert(outside.addresses.end(), spec_.lent.begin(), spec_.lent.end());
    const Stay stay = outside.ns.enter();
    prepare_forwarding();
}

/// One cable between each two nodes, routes to each other's pods over it.
void Lab::link_nodes() {
    for (std::size_t a = 0; a < spec_.nodes.size(); ++a) {
        for (std::size_t b = a + 1; b < spec_.nodes.size(); ++b) {
            const std::string to_a = "to" + number(a);
            const std::string to_b = "to" + number(b);
            ip_batch(node(a).ns, "link add " + to_b + " type veth peer name " + to_a + " netns " +
                                     node(b).ns.name() + "\n");
            const auto attach = [&](std::size_t self, std::size_t peer, const std::string& dev) {
                const std::string me = number(self);
                const std::string other = number(peer);
                ip_batch(node(self).ns,
                         "link set " + dev + " up\n" +  //
                             "address replace 172.30.0." + me + "/32 dev " + dev + "\n" +
                             "address replace fd00:30::" + me + "/128 dev " + dev + " nodad\n" +
                             "route add 172.30.0." + other + " dev " + dev + "\n" +
                             "route add fd00:30::" + other + " dev " + dev + "\n" +
                             "route add 10.244." + other + ".0/24 via 172.30.0." + other + "\n" +
                             "route add fd00:10:244:" + other + "::/64 via fd00:30::" + other +
                             " dev " + dev + "\n");
            };
            attach(a, b, to_b);
            attach(b, a, to_a);
        }
    }
}

void Lab::link_outside() {
    std::string loopback;
    for (const auto& address : outside().addresses) {
        const bool v4 = address.family() == Family::ipv4;
        loopback += "address add " + to_string(address) + (v4 ? "/32" : "/128") + " dev lo" +
                    (v4 ? "" : " nodad") + "\n";
    }
    ip_batch(outside().ns, loopback);
    for (std::size_t n = 0; n < spec_.nodes.size(); ++n) {
        const std::string me = number(n);
        const std::string v4 = "172.31." + me;
        const std::string v6 = "fd00:31:" + me + "::";
        ip_batch(node(n).ns,
                 "link add world type veth peer name n" + me + " netns " + outside().ns.name() +
                     "\nlink set world up\n" +  //
                     "address add " + v4 + ".1/24 dev world\n" + "address add " + v6 +
                     "1/64 dev world nodad\n");
        ip_batch(outside().ns, "link set n" + me + " up\n" +  //
                                   "address add " + v4 + ".254/24 dev n" + me + "\n" +
                                   "address add " + v6 + "254/64 dev n" + me + " nodad\n" +
                                   "route add 10.244." + me + ".0/24 via " + v4 + ".1\n" +
                                   "route add 172.30.0." + me + " via " + v4 + ".1\n" +
                                   "route add fd00:10:244:" + me + "::/64 via " + v6 + "1\n" +
                                   "route add fd00:30::" + me + " via " + v6 + "1\n");
        ip_batch(node(n).ns, "route add default via " + v4 + ".254\n" +  //
                                 "route add default via " + v6 + "254\n");
    }
}

void Lab::wire_pods() {
    for (const auto& pod : spec_.pods) add_host(Host::Kind::pod, pod.name, pod.node);
    const auto wire = [&](std::size_t i) {
        Host& host = hosts_[spec_.nodes.size() + 1 + i];
        {
            const Stay stay = host.ns.enter();
            prepare_host();
        }
        const CniRequest request{
            .wiring = spec_.nodes[host.node].wiring,
            .node = host.node,
            .container_id = host.ns.name(),
            .data_dir = claim_.directory() + "/" + spec_.nodes[host.node].name};
        host.addresses = cni_add(request, node(host.node).ns, host.ns);
    };
    // One after another on a node, so that a pod has the same addresses in every run and a seed
    // means the same flows. It also keeps plugins from racing for who makes the bridge, which
    // fails now and then.
    in_parallel(spec_.nodes.size(), [&](std::size_t node) {
        for (std::size_t i = 0; i < spec_.pods.size(); ++i) {
            if (spec_.pods[i].node == node) wire(i);
        }
    });
}

}  // namespace podfence::lab
