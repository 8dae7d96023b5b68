#include "cmd/kernel_access.hpp"

#include <array>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nft/netlink_kernel.hpp"

namespace podfence::cmd {

namespace {

std::vector<std::string_view> advice(nft::Errc code) {
    switch (code) {
        case nft::Errc::not_permitted:
            return {
                "run as root, or with the capability CAP_NET_ADMIN in this network namespace",
                "in a pod: hostNetwork: true and securityContext.capabilities.add: [NET_ADMIN]"};
        case nft::Errc::owned:
            return {
                "most often an agent that runs: stop it first ('podfence status' tells its pid); "
                "what an owner that is gone leaves anybody can change",
                "'nft list ruleset' names the owner of each table after 'progname'"};
        case nft::Errc::not_supported:
            return {"load the kernel module: modprobe nf_tables",
                    "the kernel needs CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET and CONFIG_NFT_CT; "
                    "a container sees its host's kernel"};
        case nft::Errc::no_memory:
        case nft::Errc::full:
        case nft::Errc::too_big:
            return {
                "what was enforced before stays enforced; check the memory of this host and of "
                "podfence's cgroup"};
        case nft::Errc::stale:
        case nft::Errc::interrupted:
        case nft::Errc::overrun:
        case nft::Errc::exists:
        case nft::Errc::not_found:
            return {"something else keeps changing the nftables ruleset; 'nft monitor' shows what",
                    "what was enforced before stays enforced; run the command again"};
        case nft::Errc::busy:
        case nft::Errc::rejected:
        case nft::Errc::malformed:
        case nft::Errc::io:
            return {
                "what was enforced before stays enforced; please report this with the output "
                "of 'podfence version'"};
    }
    return {};
}

/// The names of all network interfaces here, from /proc/net/dev, which follows the process's
/// network namespace (/sys/class/net follows the mount's).
std::vector<std::string> interface_names() {
    std::ifstream file("/proc/self/net/dev");
    std::vector<std::string> names;
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(':');
        const auto first = line.find_first_not_of(' ');
        if (colon == std::string::npos || first >= colon) continue;
        names.push_back(line.substr(first, colon - first));
    }
    return names;
}

bool is_bridge(int socket, const std::string& name) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&info);  // How the ioctl takes its argument.
    return ::ioctl(socket, SIOCETHTOOL, &request) == 0 && std::string_view(info.driver) == "bridge";
}

std::string first_bridge() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return "";
    std::string found;
    for (const std::string& name : interface_names()) {
        if (found.empty() && is_bridge(socket, name)) found = name;
    }
    ::close(socket);
    return found;
}

/// The setting's text; "" when there is none.
std::string sysctl(const std::string& name) {
    std::ifstream file("/proc/sys/net/bridge/" + name);
    std::string value;
    file >> value;
    return value;
}

}  // namespace

Outcome<std::unique_ptr<nft::Kernel>> open_kernel(Terminal& terminal) {
    auto kernel = nft::NetlinkKernel::open();
    if (!kernel) return report(terminal, kernel.error());
    return std::unique_ptr<nft::Kernel>(std::move(*kernel));
}

Outcome<std::optional<nft::Table>> dump_live(Terminal& terminal, nft::Kernel& kernel,
                                             const nft::TableId& id) {
    auto snapshot = kernel.dump(id);
    if (!snapshot) return report(terminal, snapshot.error());
    return std::move(snapshot->table);
}

Exit report(Terminal& terminal, const nft::Error& error) {
    terminal.error(printable(to_string(error)));
    for (const std::string_view line : advice(error.code)) terminal.hint(line);
    return Exit::failure;
}

std::vector<nft::Address> interface_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return {};
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
    std::vector<nft::Address> addresses;
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr) continue;
        if (at->ifa_addr->sa_family == AF_INET) {
            sockaddr_in v4{};
            std::memcpy(&v4, at->ifa_addr, sizeof v4);
            addresses.push_back(nft::Address::v4(ntohl(v4.sin_addr.s_addr)));
        } else if (at->ifa_addr->sa_family == AF_INET6) {
            sockaddr_in6 v6{};
            std::memcpy(&v6, at->ifa_addr, sizeof v6);
            addresses.push_back(nft::Address::v6(std::to_array(v6.sin6_addr.s6_addr)));
        }
    }
    return addresses;
}

std::vector<std::string> bridge_warnings() {
    const std::string bridge = first_bridge();
    if (bridge.empty()) return {};
    const std::string consequence =
        ": policies are NOT enforced between pods on the same bridge (" + bridge + "); run: ";
    if (sysctl("bridge-nf-call-iptables").empty()) {
        return {"the kernel module br_netfilter is not loaded" + consequence +
                "modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1 "
                "net.bridge.bridge-nf-call-ip6tables=1"};
    }
    std::vector<std::string> warnings;
    for (const auto& [name, family] : {std::pair{"bridge-nf-call-iptables", "IPv4"},
                                       std::pair{"bridge-nf-call-ip6tables", "IPv6"}}) {
        if (sysctl(name) != "0") continue;
        warnings.push_back("net.bridge." + std::string(name) + " is 0" + consequence +
                           "sysctl -w net.bridge." + name + "=1 (" + family + ")");
    }
    return warnings;
}

}  // namespace podfence::cmd
