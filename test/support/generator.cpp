#include "test/support/generator.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "test/support/builders.hpp"

namespace podfence::test {

namespace {

constexpr std::array<std::string_view, 3> kLabelKeys{"app", "role", "tier"};
constexpr std::array<std::string_view, 3> kLabelValues{"x", "y", ""};
constexpr std::array<std::string_view, 3> kPortNames{"dns", "http", "web"};
constexpr std::array kProtocols{Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp};

}  // namespace

std::vector<Address> GeneratorOptions::default_outside() {
    return {ip("8.8.8.8"),     ip("52.94.1.1"),    ip("10.1.2.3"),       ip("172.16.5.255"),
            ip("2001:db8::1"), ip("fd00:1::ffff"), ip("::ffff:10.0.1.1")};
}

void apply(Cluster& cluster, const Event& event) {
    struct Visitor {
        Cluster& cluster;
        void operator()(const Pod& pod) const { cluster.put(pod); }
        void operator()(const Namespace& ns) const { cluster.put(ns); }
        void operator()(const NetworkPolicy& policy) const { cluster.put(policy); }
        void operator()(const PodGone& gone) const { cluster.remove_pod(gone.name); }
        void operator()(const NamespaceGone& gone) const { cluster.remove_namespace(gone.name); }
        void operator()(const PolicyGone& gone) const { cluster.remove_policy(gone.name); }
    };
    std::visit(Visitor{cluster}, event);
}

std::string to_string(const Event& event) {
    struct Visitor {
        std::string operator()(const Pod& pod) const { return "pod " + to_string(pod.name); }
        std::string operator()(const Namespace& ns) const { return "namespace " + ns.name; }
        std::string operator()(const NetworkPolicy& policy) const {
            return "policy " + to_string(policy.name);
        }
        std::string operator()(const PodGone& gone) const {
            return "pod " + to_string(gone.name) + " gone";
        }
        std::string operator()(const NamespaceGone& gone) const {
            return "namespace " + gone.name + " gone";
        }
        std::string operator()(const PolicyGone& gone) const {
            return "policy " + to_string(gone.name) + " gone";
        }
    };
    return std::visit(Visitor{}, event);
}

Generator::Generator(std::uint64_t seed, GeneratorOptions options)
    : random_(seed), options_(std::move(options)) {
    // Blocks of IPv4-mapped addresses are refused (V13).
    const Prefix mapped = cidr("::ffff:0.0.0.0/96");
    std::copy_if(options_.outside.begin(), options_.outside.end(), std::back_inserter(landmarks_),
                 [&](const Address& address) { return !mapped.contains(address); });
    std::set<std::string> names(options_.namespaces.begin(), options_.namespaces.end());
    for (const Pod& pod : options_.fixed_pods) {
        names.insert(pod.name.ns);
        landmarks_.insert(landmarks_.end(), pod.addresses.begin(), pod.addresses.end());
        landmarks_.insert(landmarks_.end(), pod.node_addresses.begin(), pod.node_addresses.end());
    }
    options_.namespaces.assign(names.begin(), names.end());
    if (options_.fixed_pods.empty()) {
        for (std::size_t node = 1; node <= options_.nodes; ++node) {
            const auto own = node_addresses("n" + std::to_string(node));
            landmarks_.insert(landmarks_.end(), own.begin(), own.end());
            for (std::size_t i = 0; i < options_.addresses_per_node; ++i) {
                landmarks_.push_back(pod_address(nft::Family::ipv4, node));
                landmarks_.push_back(pod_address(nft::Family::ipv6, node));
            }
        }
    }
    for (const auto edge : {"0.0.0.0", "255.255.255.255", "127.255.255.255", "128.0.0.0",
                            "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "7fff::", "8000::"}) {
        landmarks_.push_back(ip(edge));
    }
}

Cluster Generator::cluster() {
    Cluster made;
    for (const auto& ns : options_.namespaces) {
        if (random_.percent(85)) made.put(random_namespace(ns));  // Else unseen (N29).
    }
    if (options_.fixed_pods.empty()) {
        const std::size_t pods = random_.between(1, options_.pods_max);
        for (std::size_t i = 0; i < pods; ++i) {
            made.put(random_pod({some_namespace(), "p" + std::to_string(i)}));
        }
    }
    for (const Pod& pod : options_.fixed_pods) made.put(relabelled(pod));
    const std::size_t policies = random_.percent(3) ? 0 : random_.between(1, options_.policies_max);
    for (std::size_t i = 0; i < policies; ++i) {
        made.put(policy({some_namespace(), "np" + std::to_string(i)}));
    }
    return made;
}

const std::string& Generator::some_namespace() {
    return random_.percent(50) ? options_.namespaces.front() : random_.pick(options_.namespaces);
}

Namespace Generator::random_namespace(const std::string& name) {
    return {.name = name, .labels = random_labels()};
}

Labels Generator::random_labels() {
    Labels made;
    for (const auto key : kLabelKeys) {
        if (random_.percent(70)) made.emplace(key, random_.pick(kLabelValues));
    }
    return made;
}

std::vector<ContainerPort> Generator::container_ports() {
    std::vector<ContainerPort> made(random_.between(0, 4));
    for (ContainerPort& port : made) {
        port.name = random_.pick(kPortNames);
        port.number = random_.pick(options_.ports);
        port.protocol = random_.pick(kProtocols);
    }
    return made;
}

Address Generator::pod_address(nft::Family family, std::size_t node) {
    if (random_.percent(2)) {  // As far as addresses go.
        return family == nft::Family::ipv4 ? ip("255.255.255.254")
                                           : ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    }
    const std::string host = std::to_string(random_.between(1, options_.addresses_per_node));
    const std::string net = std::to_string(node);
    return family == nft::Family::ipv4 ? ip("10.0." + net + "." + host)
                                       : ip("fd00:0:0:" + net + "::" + host);
}

Pod Generator::random_pod(const ObjectName& name) {
    const std::size_t number = random_.between(1, options_.nodes);
    Pod made = relabelled({.name = name});
    made.uid = Uid(std::to_string(random_.below(1000)));
    made.created_s = static_cast<std::int64_t>(random_.below(4));
    made.deleting = random_.percent(10);
    if (random_.percent(4)) return made;  // Unscheduled.
    made.node = "n" + std::to_string(number);
    made.node_addresses = node_addresses(made.node.get());
    made.phase = random_.percent(75)   ? PodPhase::running
                 : random_.percent(40) ? PodPhase::pending
                 : random_.percent(30) ? PodPhase::unknown
                 : random_.percent(50) ? PodPhase::succeeded
                                       : PodPhase::failed;
    made.host_network = random_.percent(8);
    if (made.host_network) {
        made.addresses = made.node_addresses;
        return made;
    }
    // An address of another node's range now and then: a holder there that is not yet known gone.
    const std::size_t range = random_.percent(10) ? random_.between(1, options_.nodes) : number;
    const std::size_t families = random_.below(10);  // 0: no address yet, 1-2: one family
    if (families != 0 && families != 1) {
        made.addresses.push_back(pod_address(nft::Family::ipv4, range));
    }
    if (families != 0 && families != 2) {
        made.addresses.push_back(pod_address(nft::Family::ipv6, range));
    }
    return made;
}

Pod Generator::relabelled(Pod pod) {
    pod.labels = random_labels();
    pod.ports = container_ports();
    return pod;
}

namespace {

template <class Objects>
const auto& any_value(Random& random, const Objects& objects) {
    return std::next(objects.begin(), static_cast<std::ptrdiff_t>(random.below(objects.size())))
        ->second;
}

}  // namespace

Event Generator::event(const Cluster& cluster) {
    const bool fixed = !options_.fixed_pods.empty();
    const std::size_t kind = random_.below(10);
    if (kind < 3 && !cluster.pods().empty()) return relabelled(any_value(random_, cluster.pods()));
    if (kind < 5 && !fixed) {
        if (kind == 4 && !cluster.pods().empty()) {
            return PodGone{any_value(random_, cluster.pods()).name};
        }
        Pod pod =
            random_pod({some_namespace(), "p" + std::to_string(random_.below(options_.pods_max))});
        if (random_.percent(50) && !cluster.pods().empty()) {  // Reuse right after deletion (N56).
            const Pod& previous = any_value(random_, cluster.pods());
            if (!previous.host_network) pod.addresses = previous.addresses;
            pod.created_s = previous.created_s + 1;
            pod.host_network = previous.host_network;
            pod.node = previous.node;
            pod.node_addresses = previous.node_addresses;
            if (previous.host_network) pod.addresses = pod.node_addresses;
        }
        return pod;
    }
    const std::string& ns = some_namespace();
    if (kind == 5) return random_namespace(ns);
    if (kind == 6 && random_.percent(30)) return NamespaceGone{ns};
    const std::string name = "np" + std::to_string(random_.below(options_.policies_max));
    if (kind == 7 && !cluster.policies().empty()) {
        return PolicyGone{any_value(random_, cluster.policies()).name};
    }
    return policy({ns, name});
}

}  // namespace podfence::test
