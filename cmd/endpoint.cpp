#include "cmd/endpoint.hpp"

#include <algorithm>
#include <charconv>

#include "controller/validate.hpp"

namespace podfence::cmd {

namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;

/// More are counted: a list is read, a catalogue is not.
constexpr std::size_t kPodsListedMax = 8;

/// "a/web, b/web and 3 more"
std::string list_of(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kPodsListedMax); ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
    }
    if (names.size() > kPodsListedMax) {
        text += " and " + with_thousands(names.size() - kPodsListedMax) + " more";
    }
    return text;
}

/// What was probably meant: pods of that name in whatever namespace, else the nearest name, else
/// what there is in the namespace, else what there is.
std::string hint_for(const Cluster& cluster, const std::string& typed) {
    const auto slash = typed.find('/');
    const std::string ns = slash == std::string::npos ? "" : typed.substr(0, slash);
    const std::string short_name = slash == std::string::npos ? typed : typed.substr(slash + 1);
    std::vector<std::string> all;
    std::vector<std::string> of_name;
    std::vector<std::string> of_namespace;
    for (const auto& [name, pod] : cluster.pods()) {
        all.push_back(to_string(name));
        if (name.name == short_name) of_name.push_back(all.back());
        if (name.ns == ns) of_namespace.push_back(all.back());
    }
    if (of_name.size() == 1) return "did you mean '" + of_name.front() + "'?";
    if (!of_name.empty()) return "pods of that name: " + list_of(of_name);
    if (const std::string meant = nearest(typed, all); !meant.empty()) {
        return "did you mean '" + meant + "'?";
    }
    if (!of_namespace.empty()) return "pods of namespace " + ns + ": " + list_of(of_namespace);
    return all.empty() ? "the input holds no pod" : "pods in the input: " + list_of(all);
}

Outcome<Endpoint> no_such_pod(Terminal& terminal, const Cluster& cluster, const std::string& typed,
                              const std::string& what) {
    terminal.error(what);
    terminal.hint(hint_for(cluster, typed));
    return Exit::usage;
}

Outcome<Endpoint> endpoint_of(Terminal& terminal, const Cluster& cluster, const Pod& pod) {
    Endpoint endpoint{.text = to_string(pod.name), .pod = &pod};
    if (pod.phase == PodPhase::succeeded || pod.phase == PodPhase::failed) {
        terminal.error("pod " + endpoint.text + " has finished and holds no address any more");
        return Exit::usage;
    }
    if (pod.host_network) {
        endpoint.pod = nullptr;
        endpoint.addresses = pod.node_addresses.empty() ? pod.addresses : pod.node_addresses.get();
        endpoint.remarks.push_back(endpoint.text +
                                   " is on the host's network: policies see its node, no pod");
    } else {
        for (const Address& address : pod.addresses) {
            if (cluster.holds(pod, address)) {
                endpoint.addresses.push_back(address);
                continue;
            }
            const Pod* holder = cluster.owner_of(address);
            endpoint.remarks.push_back(
                to_string(address) + " of " + endpoint.text + " is held by " +
                (holder == nullptr ? std::string("nobody") : to_string(holder->name)));
        }
    }
    if (endpoint.addresses.empty()) {
        terminal.error("pod " + endpoint.text + " has no address of its own (status.podIPs)");
        for (const std::string& remark : endpoint.remarks) terminal.hint(remark);
        terminal.hint("without an address it neither sends nor receives; nothing can be judged");
        return Exit::usage;
    }
    return endpoint;
}

/// Sockets spell IPv4 addresses as ::ffff:10.0.0.2; the packets are IPv4.
Address unmapped(const Address& address) {
    if (!is_ipv4_mapped(address)) return address;
    const auto& bytes = address.bytes();
    return Address::v4(std::uint32_t{bytes[12]} << 24 | std::uint32_t{bytes[13]} << 16 |
                       std::uint32_t{bytes[14]} << 8 | std::uint32_t{bytes[15]});
}

}  // namespace

Outcome<Endpoint> find_pod_endpoint(Terminal& terminal, const Cluster& cluster,
                                    const std::string& text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == text.size()) {
        return no_such_pod(terminal, cluster, text,
                           "'" + printable(text) + "' is not of the form NAMESPACE/POD");
    }
    const Pod* pod =
        cluster.find_pod({.ns = text.substr(0, slash), .name = text.substr(slash + 1)});
    if (pod == nullptr) {
        return no_such_pod(terminal, cluster, text,
                           "no pod '" + printable(text) + "' in the input");
    }
    return endpoint_of(terminal, cluster, *pod);
}

Outcome<Endpoint> find_endpoint(Terminal& terminal, const Cluster& cluster,
                                const std::string& text) {
    if (const auto written = Address::parse(text)) {
        const auto address = unmapped(*written);
        const Pod* pod = cluster.owner_of(address);
        Endpoint endpoint{.text = text, .pod = pod, .addresses = {address}};
        if (address != *written) {
            endpoint.remarks.push_back(text + " is an IPv4 address written as IPv6: read as " +
                                       to_string(address));
        }
        if (pod != nullptr) endpoint.remarks.push_back(text + " is pod " + to_string(pod->name));
        return endpoint;
    }
    if (text.find('/') == std::string::npos) {
        return no_such_pod(terminal, cluster, text,
                           "'" + printable(text) + "' is neither NAMESPACE/POD nor an address");
    }
    return find_pod_endpoint(terminal, cluster, text);
}

std::string protocol_name(std::uint8_t protocol) {
    if (protocol == kIcmp) return "ICMP";
    if (protocol == kIcmp6) return "ICMPv6";
    return std::string(to_string(static_cast<Protocol>(protocol)));
}

std::string to_string(const Target& target) {
    if (target.protocol == kIcmp || target.protocol == kIcmp6)
        return protocol_name(target.protocol);
    return std::to_string(target.port) + "/" + protocol_name(target.protocol);
}

Outcome<PortQuery> parse_ports(Terminal& terminal, const PortOptions& options) {
    PortQuery query;
    query.icmp = options.protocol == "ICMP";
    if (!query.icmp) query.protocol = parse_protocol(options.protocol);
    if (query.icmp && !options.port.empty()) {
        terminal.error("ICMP has no ports: leave out --port");
        return Exit::usage;
    }
    const bool digits =
        !options.port.empty() && std::all_of(options.port.begin(), options.port.end(),
                                             [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) {
        query.name = options.port;
        return query;
    }
    unsigned number = 0;
    const char* end = options.port.data() + options.port.size();
    const auto parsed = std::from_chars(options.port.data(), end, number);
    if (parsed.ec != std::errc() || number == 0 || number > 65535) {
        terminal.error("port " + options.port + " is not among 1 to 65535");
        return Exit::usage;
    }
    query.number = static_cast<std::uint16_t>(number);
    return query;
}

Targets targets_on(const Pod* pod, const PortQuery& query, nft::Family family) {
    if (query.icmp) return {.list = {{.protocol = family == nft::Family::ipv4 ? kIcmp : kIcmp6}}};
    const auto number_of = [](Protocol protocol) { return static_cast<std::uint8_t>(protocol); };
    const Protocol asked = query.protocol.value_or(Protocol::tcp);
    if (query.number) return {.list = {{.protocol = number_of(asked), .port = *query.number}}};
    Targets targets;
    if (pod != nullptr) {
        for (const ContainerPort& port : pod->ports) {
            if (query.protocol && port.protocol != *query.protocol) continue;
            if (!query.name.empty() && port.name != query.name) continue;
            const bool seen =
                std::any_of(targets.list.begin(), targets.list.end(), [&](const Target& target) {
                    // Of ports with one name and protocol the first counts (N44).
                    const bool same = target.protocol == number_of(port.protocol);
                    return same && (target.port == port.number || !query.name.empty());
                });
            if (seen) continue;
            targets.list.push_back(
                {.protocol = number_of(port.protocol), .port = port.number, .name = port.name});
        }
    }
    if (targets.list.empty() && query.name.empty()) {
        targets.assumed = true;
        targets.list.push_back({.protocol = number_of(asked), .port = kAssumedPort});
    }
    return targets;
}

}  // namespace podfence::cmd
