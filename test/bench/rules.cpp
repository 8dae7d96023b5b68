#include "test/bench/rules.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "nft/error.hpp"
#include "test/support/builders.hpp"
#include "test/support/lab_enforcer.hpp"

namespace podfence::bench {
namespace {

constexpr std::size_t kRulesOfAPolicy = 10;
constexpr std::size_t kPorts = 50;
constexpr std::uint16_t kFirstPort = 1000;
constexpr std::uint32_t kFirstPod = 0x0a400000;    // 10.64.0.0
constexpr std::uint32_t kFirstBlock = 0xac100000;  // 172.16.0.0
constexpr std::uint32_t kBlockStep = 32;           // every other /28

bool is_host(const Prefix& source) {
    return source.length() == nft::address_bits(source.family());
}

std::size_t policies_of(const std::vector<Allowed>& allowed) {
    return (allowed.size() + kRulesOfAPolicy - 1) / kRulesOfAPolicy;
}

std::string peer_label(std::size_t i) {
    return "peer=" + std::to_string(i);
}

}  // namespace

Allowed allowed_host(const Address& source, std::uint16_t port) {
    return {*Prefix::make(source, nft::address_bits(source.family())), port};
}

std::vector<Allowed> allowed_sources(std::size_t count, const Allowed& last) {
    PODFENCE_CHECK(count > 0);
    std::vector<Allowed> all;
    for (std::uint32_t i = 0; i + 1 < count; ++i) {
        const auto port = static_cast<std::uint16_t>(kFirstPort + i % kPorts);
        if (i % 2 == 0) {
            all.push_back(allowed_host(Address::v4(kFirstPod + i), port));
        } else {
            all.push_back({*Prefix::make(Address::v4(kFirstBlock + i * kBlockStep), 28), port});
        }
    }
    all.push_back(last);
    return all;
}

Cluster cluster_of(const std::vector<Allowed>& allowed, const lab::Network& network,
                   const lab::Host& subject) {
    Cluster cluster = test::cluster(test::ns("shop"));
    Pod server = test::pod("shop/server").labels("app=server");
    lab::place(server, network, subject);
    cluster.put(std::move(server));
    for (std::size_t p = 0; p < policies_of(allowed); ++p) {
        auto policy = test::policy("shop/policy-" + std::to_string(p)).pods("app=server");
        const std::size_t end = std::min(allowed.size(), (p + 1) * kRulesOfAPolicy);
        for (std::size_t i = p * kRulesOfAPolicy; i < end; ++i) {
            const auto& [source, port] = allowed[i];
            if (is_host(source)) {
                cluster.put(test::pod("shop/peer-" + std::to_string(i), to_string(source.first()))
                                .labels(peer_label(i))
                                .node("n9"));
            }
            policy.ingress(test::rule()
                               .peer(is_host(source) ? test::pods(peer_label(i))
                                                     : test::block(to_string(source)))
                               .port(port));
        }
        cluster.put(policy);
    }
    return cluster;
}

std::string conntrack_only(const std::string& table) {
    return "table inet " + table +
           " {\n"
           "  chain forward {\n"
           "    type filter hook forward priority -10; policy accept;\n"
           "    ct state established,related accept\n"
           "  }\n"
           "}\n";
}

std::string naive_linear(const std::string& table, const std::vector<Allowed>& allowed,
                         const Address& subject) {
    std::ostringstream out;
    out << "table inet " << table
        << " {\n"
           "  chain pod {\n";
    for (const auto& [source, port] : allowed)
        out << "    ip saddr " << to_string(source) << " tcp dport " << port << " accept\n";
    out << "    drop\n"
           "  }\n"
           "  chain forward {\n"
           "    type filter hook forward priority -10; policy accept;\n"
           "    ct state established,related accept\n"
           "    ip daddr "
        << to_string(subject)
        << " jump pod\n"
           "  }\n"
           "}\n";
    return out.str();
}

KubeRouter kube_router(const std::vector<Allowed>& allowed, const Address& subject) {
    const std::string pod = to_string(subject);
    std::ostringstream sets;
    std::ostringstream chains;
    std::ostringstream rules;
    chains << "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
              ":KUBE-ROUTER-FORWARD - [0:0]\n:KUBE-POD-FW-SERVER - [0:0]\n";
    rules << "-A KUBE-ROUTER-FORWARD -d " << pod << " -j KUBE-POD-FW-SERVER\n"
          << "-A KUBE-ROUTER-FORWARD -m mark --mark 0x20000/0x20000 -j ACCEPT\n"
          << "-A KUBE-POD-FW-SERVER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
          << "-A KUBE-POD-FW-SERVER -m conntrack --ctstate INVALID -j DROP\n"
          << "-A KUBE-POD-FW-SERVER -d " << pod << " -m addrtype --src-type LOCAL -j ACCEPT\n";
    for (std::size_t p = 0; p < policies_of(allowed); ++p) {
        const std::string policy = std::to_string(p);
        sets << "create KUBE-DST-" << policy << " hash:ip\nadd KUBE-DST-" << policy << " " << pod
             << "\n";
        chains << ":KUBE-NWPLCY-" << policy << " - [0:0]\n";
        rules << "-A KUBE-POD-FW-SERVER -j KUBE-NWPLCY-" << policy << "\n";
        const std::size_t end = std::min(allowed.size(), (p + 1) * kRulesOfAPolicy);
        for (std::size_t i = p * kRulesOfAPolicy; i < end; ++i) {
            const std::string source = "KUBE-SRC-" + std::to_string(i);
            sets << "create " << source << (is_host(allowed[i].source) ? " hash:ip" : " hash:net")
                 << "\nadd " << source << " " << to_string(allowed[i].source) << "\n";
            const std::string match = "-A KUBE-NWPLCY-" + policy + " -m set --match-set " + source +
                                      " src -m set --match-set KUBE-DST-" + policy +
                                      " dst -p tcp -m tcp --dport " +
                                      std::to_string(allowed[i].port);
            rules << match << " -j MARK --set-xmark 0x10000/0x10000\n"
                  << match << " -m mark --mark 0x10000/0x10000 -j RETURN\n";
        }
    }
    rules << "-A KUBE-POD-FW-SERVER -m mark ! --mark 0x10000/0x10000 -j REJECT\n"
          << "-A KUBE-POD-FW-SERVER -j MARK --set-xmark 0x0/0x10000\n"
          << "-A KUBE-POD-FW-SERVER -j MARK --set-xmark 0x20000/0x20000\n"
          << "COMMIT\n";
    return {.ipset = sets.str(), .iptables = chains.str() + rules.str()};
}

}  // namespace podfence::bench
