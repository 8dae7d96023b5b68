#include "controller/doctor/gather.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "controller/throwaway_netns.hpp"

namespace podfence::doctor {

namespace {

constexpr std::array<const char*, 12> kSysctls{"net/bridge/bridge-nf-call-iptables",
                                               "net/bridge/bridge-nf-call-ip6tables",
                                               "net/ipv4/ip_forward",
                                               "net/ipv6/conf/all/forwarding",
                                               "net/ipv6/conf/all/disable_ipv6",
                                               "net/ipv4/conf/all/rp_filter",
                                               "net/netfilter/nf_conntrack_count",
                                               "net/netfilter/nf_conntrack_max",
                                               "net/netfilter/nf_conntrack_tcp_loose",
                                               "net/netfilter/nf_conntrack_tcp_be_liberal",
                                               "net/ipv4/conf/default/rp_filter",
                                               "net/ipv4/conf/all/forwarding"};

void read_sysctl(Facts& facts, const std::string& name) {
    std::ifstream file("/proc/sys/" + name);
    std::string value;
    if (file >> value) facts.sysctls[name] = value;
}

Kernel gather_kernel() {
    Kernel kernel;
    utsname name{};
    if (::uname(&name) == 0) kernel.release = name.release;
    const std::array sockets{SocketSpec{AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}};
    auto netns = ThrowawayNetns::make(sockets);
    if (!netns) {
        kernel.features_error = to_string(netns.error());
        return kernel;
    }
    auto socket = nft::NetlinkSocket::adopt(netns->sockets[0].release());
    if (!socket) {
        kernel.features_error = to_string(socket.error());
        return kernel;
    }
    auto features = nft::probe_features(*socket);
    if (!features) {
        kernel.features_error = to_string(features.error());
        return kernel;
    }
    kernel.features = *std::move(features);
    return kernel;
}

bool has_capability(unsigned capability) {
    std::ifstream file("/proc/thread-self/status");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("CapEff:")) continue;
        return (std::stoull(line.substr(line.find_first_of("0123456789abcdef", 7)), nullptr, 16) >>
                    capability &
                1U) != 0;
    }
    return false;
}

Privileges gather_privileges() {
    Privileges privileges{.net_admin = has_capability(CAP_NET_ADMIN)};
    privileges.may_make_namespaces = ThrowawayNetns::make({}).has_value();
    // Settings of devices' queues are the machine's, and shown in its first network namespace only
    // (net_core_table in net/core/sysctl_net_core.c).
    std::error_code ignored;
    if (std::filesystem::exists("/proc/sys/net/core", ignored)) {
        privileges.initial_netns =
            std::filesystem::exists("/proc/sys/net/core/netdev_budget", ignored);
    }
    return privileges;
}

void gather_ruleset(Facts& facts) {
    auto socket = nft::NetlinkSocket::open();
    if (!socket) {
        facts.ruleset_error = to_string(socket.error());
        return;
    }
    nft::wire::WireBuffer scratch;
    auto surveyed = nft::survey(*socket, scratch);
    if (surveyed) {
        facts.ruleset = *std::move(surveyed);
    } else {
        facts.ruleset_error = to_string(surveyed.error());
    }
}

/// Tables that iptables-legacy made; those of iptables on nftables are not listed there.
std::vector<std::string> gather_legacy_tables() {
    std::vector<std::string> tables;
    for (const auto& [file, family] :
         {std::pair{"ip_tables_names", "ip"}, std::pair{"ip6_tables_names", "ip6"}}) {
        std::ifstream names(std::string("/proc/thread-self/net/") + file);
        for (std::string name; names >> name;) tables.push_back(std::string(family) + " " + name);
    }
    return tables;
}

Clock gather_clock() {
    Clock clock{.now_s = std::chrono::duration_cast<std::chrono::seconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count()};
    timex state{};
    const int result = ::adjtimex(&state);
    if (result >= 0) clock.synchronised = result != TIME_ERROR;
    return clock;
}

}  // namespace

Facts gather_network(const GatherOptions& options) {
    Facts facts;
    facts.interfaces = gather_interfaces(options.pods);
    for (const char* name : kSysctls) read_sysctl(facts, name);
    for (const Interface& one : facts.interfaces.value_or(std::vector<Interface>())) {
        if (one.kind == "veth" || one.kind == "bridge") {
            read_sysctl(facts, "net/ipv4/conf/" + one.name + "/rp_filter");
        }
    }
    gather_ruleset(facts);
    return facts;
}

Facts gather(const GatherOptions& options) {
    Facts facts = gather_network(options);
    if (facts.interfaces) facts.tc = gather_tc(*facts.interfaces);
    facts.kernel = gather_kernel();
    facts.privileges = gather_privileges();
    facts.legacy_tables = gather_legacy_tables();
    facts.cni = gather_cni(options.cni_directory);
    facts.cni_directory = options.cni_directory;
    facts.cni_program = find_own_plugin(options.cni_programs);
    facts.clock = gather_clock();
    return facts;
}

}  // namespace podfence::doctor
