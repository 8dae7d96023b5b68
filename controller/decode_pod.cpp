#include <algorithm>

#include "controller/decode.hpp"
#include "controller/limits.hpp"
#include "controller/sorted.hpp"
#include "controller/validate.hpp"

namespace podfence {

namespace {

std::optional<Address> decode_address(const Node& node, const std::string& field, Report& report) {
    const std::string remedy = "the pod counts as without this address until it is mended";
    if (!node.is_string()) {
        report.error(node.line, field, "is " + describe(node) + ", not an address", remedy);
        return std::nullopt;
    }
    const auto address = Address::parse(node.text);
    if (!address) {
        report.error(node.line, field, quoted(node.text) + " is no IP address", remedy);
    } else if (is_ipv4_mapped(*address)) {
        report.error(node.line, field, quoted(node.text) + " is an IPv4-mapped IPv6 address",
                     remedy);
        return std::nullopt;
    }
    return address;
}

/// `many` is a list of {ip: ...}, `one` the older single field; at most one a family (N55).
std::vector<Address> decode_addresses(const Node& status, std::string_view many,
                                      std::string_view one, Report& report) {
    std::vector<Address> out;
    const std::string remedy = "the pod counts as without this address until it is mended";
    const auto add = [&](const Node& node, const std::string& field) {
        if (node.is_string() && node.text.empty()) return;
        const auto address = decode_address(node, field, report);
        if (!address || std::find(out.begin(), out.end(), *address) != out.end()) return;
        const bool second = std::any_of(out.begin(), out.end(), [&](const Address& other) {
            return other.family() == address->family();
        });
        if (second) {
            report.error(node.line, field, quoted(node.text) + " is a second address of its family",
                         remedy);
        } else {
            out.push_back(*address);
        }
    };
    const std::string list_field = join_field("status", many);
    const Node* list = report.child(status, "status", many, Node::Kind::list, remedy);
    for (std::size_t i = 0; list != nullptr && i < list->children.size(); ++i) {
        const std::string field = join_index(list_field, i);
        const Node& item = list->children[i];
        const Node* ip = item.get("ip");
        if (!item.is_map()) {
            report.error(item.line, field, "is " + describe(item) + ", not a map with ip", remedy);
        } else if (ip == nullptr) {
            report.error(item.line, field, "has no ip", remedy);
        } else {
            add(*ip, field + ".ip");
        }
    }
    // podIPs may be empty, or without a usable address, with podIP set (N55).
    if (out.empty()) {
        if (const Node* node = status.get(one)) add(*node, join_field("status", one));
    }
    return out;
}

void decode_container_port(const Node& node, const std::string& field, Report& report,
                           std::vector<ContainerPort>& out) {
    const std::string remedy = "no policy finds this port by name until it is mended";
    if (!node.is_map()) {
        report.error(node.line, field, "is " + describe(node) + ", not a map", remedy);
        return;
    }
    report.check_repeated(node, field, "the last one counts until this is mended");
    const bool has_name = node.get("name") != nullptr;
    const auto name = report.string(node, field, "name", remedy);
    if (has_name && !name) return;
    ContainerPort port{.name = name.value_or("")};
    if (!port.name.empty() && !is_port_name(port.name)) {
        report.error(node.find("name")->line, field + ".name",
                     quoted(port.name) + " is no valid port name", remedy);
        return;
    }
    // Nothing depends on a port without a name, so nothing is said about it (N41).
    const bool matters = !port.name.empty();
    const Node* number = node.get("containerPort");
    const auto value = number != nullptr && number->is(Node::Kind::integer)
                           ? parse_integer(number->text)
                           : std::nullopt;
    if (!value || *value < 1 || *value > 65535) {
        if (!matters) return;
        report.error(number == nullptr ? node.line : number->line, field + ".containerPort",
                     (number == nullptr ? "is missing" : "is " + describe(*number)) +
                         std::string(", not a number from 1 to 65535"),
                     remedy);
        return;
    }
    port.number = static_cast<std::uint16_t>(*value);
    if (const Node* text = node.get("protocol")) {
        const auto protocol = text->is_string() ? parse_protocol(text->text) : std::nullopt;
        if (!protocol) {
            if (!matters) return;
            report.error(text->line, field + ".protocol",
                         "is " + describe(*text) + ", not TCP, UDP or SCTP", remedy);
            return;
        }
        port.protocol = *protocol;
    }
    out.push_back(std::move(port));
}

void decode_container_ports(const Node& spec, std::string_view key, bool restartable_only,
                            Report& report, std::vector<ContainerPort>& out) {
    const std::string remedy = "no policy finds these ports by name until it is mended";
    const Node* containers = report.child(spec, "spec", key, Node::Kind::list, remedy);
    if (containers == nullptr) return;
    const std::string list_field = join_field("spec", key);
    for (std::size_t i = 0; i < containers->children.size(); ++i) {
        const Node& container = containers->children[i];
        const std::string field = join_index(list_field, i);
        if (!container.is_map()) {
            report.error(container.line, field, "is " + describe(container) + ", not a map",
                         remedy);
            continue;
        }
        if (restartable_only && container.string_at("restartPolicy") != "Always") continue;
        const Node* ports = report.child(container, field, "ports", Node::Kind::list, remedy);
        for (std::size_t p = 0; ports != nullptr && p < ports->children.size(); ++p) {
            decode_container_port(ports->children[p], join_index(field + ".ports", p), report, out);
        }
    }
}

PodPhase parse_phase(std::string_view text) {
    if (text == "Running") return PodPhase::running;
    if (text == "Succeeded") return PodPhase::succeeded;
    if (text == "Failed") return PodPhase::failed;
    return text.empty() || text == "Pending" ? PodPhase::pending : PodPhase::unknown;
}

void decode_pod_spec(const Node& spec, Report& report, Pod& pod, bool& host_network_known) {
    const std::string ignored = "ignored until it is mended";
    report.check_repeated(spec, "spec", "the last one counts until this is mended");
    if (auto node = report.string(spec, "spec", "nodeName", "the pod counts as on no node")) {
        if (!node->empty() && !is_dns_subdomain(*node)) {
            report.error(spec.get("nodeName")->line, "spec.nodeName",
                         quoted(*node) + " is no valid node name", "the pod counts as on no node");
        } else {
            pod.node = std::move(*node);
        }
    }
    const auto host = report.boolean(spec, "spec", "hostNetwork",
                                     "the pod counts as without addresses until it is mended");
    pod.host_network = host.value_or(false);
    host_network_known = host.has_value() || spec.get("hostNetwork") == nullptr;
    std::vector<ContainerPort> ports;
    decode_container_ports(spec, "containers", false, report, ports);
    decode_container_ports(spec, "initContainers", true, report, ports);
    pod.ports = std::move(ports);
}

/// A block, or one address.
std::optional<Prefix> parse_block(std::string_view text) {
    auto prefix = Prefix::parse(text);
    if (const auto address = Address::parse(text); address) {
        prefix = Prefix::make(*address, static_cast<unsigned>(address->size() * 8));
    }
    return prefix && !is_ipv4_mapped(prefix->first()) ? prefix : std::nullopt;
}

/// "10.1.2.3, 2001:db8::/64"; what cannot be read is left out and reported.
std::vector<Prefix> decode_extra_addresses(const Node& object, Report& report) {
    const Node* metadata = object.find("metadata");
    const Node* annotations = metadata == nullptr ? nullptr : metadata->find("annotations");
    if (annotations == nullptr || !annotations->is_map()) return {};
    const std::string remedy = "the pod may not use it until it is mended";
    const auto text = report.string(*annotations, "metadata.annotations", kExtraAddresses, remedy);
    if (!text) return {};
    const std::string field = join_field("metadata.annotations", kExtraAddresses);
    // Policies mean the same without it, so the input is not in error; and what the annotation asks
    // for may not even be wanted here.
    const auto complain = [&](const std::string& what) {
        report.warning(annotations->get(kExtraAddresses)->line, field, what, remedy);
    };
    std::vector<Prefix> found;
    std::size_t count = 0;
    for (std::size_t at = 0; at <= text->size();) {
        const std::size_t end = std::min(text->find(',', at), text->size());
        const std::string_view item = trimmed(std::string_view(*text).substr(at, end - at));
        at = end + 1;
        if (item.empty()) continue;
        if (++count > limits::kExtraAddresses) {
            complain("lists more than " + std::to_string(limits::kExtraAddresses) + " addresses");
            break;
        }
        const auto prefix = parse_block(item);
        if (!prefix) {
            complain(quoted(item) +
                     " is no address and no block, as in \"10.1.2.3, 2001:db8::/64\"");
        } else if (prefix->length() == 0) {
            complain(quoted(item) + " is every address there is");
        } else {
            found.push_back(*prefix);
        }
    }
    sort_unique(found);
    return found;
}

}  // namespace

std::optional<Pod> decode_pod(const Node& object, const std::string& default_namespace,
                              Report& report) {
    report.check_repeated(object, "", "the last one counts until this is mended");
    Metadata meta = decode_metadata(object, Kind::pod, default_namespace, report);
    if (!meta.named) return std::nullopt;
    Pod pod{.name = std::move(meta.name),
            .uid = Uid(meta.uid),
            .labels = std::move(meta.labels),
            .deleting = meta.deleting,
            .created_s = meta.created_s,
            .extra_addresses = decode_extra_addresses(object, report),
            .pos = report.pos(object.line)};
    const std::string remedy = "the pod counts as without it until it is mended";
    bool host_network_known = true;
    if (const Node* spec = report.child(object, "", "spec", Node::Kind::map, remedy)) {
        decode_pod_spec(*spec, report, pod, host_network_known);
    } else {
        host_network_known = object.get("spec") == nullptr;
    }
    if (const Node* status = report.child(object, "", "status", Node::Kind::map, remedy)) {
        report.check_repeated(*status, "status", "the last one counts until this is mended");
        pod.phase = parse_phase(report.string(*status, "status", "phase", remedy).value_or(""));
        pod.addresses = decode_addresses(*status, "podIPs", "podIP", report);
        pod.node_addresses = decode_addresses(*status, "hostIPs", "hostIP", report);
    }
    // Were it on the host's network, its address would be the node's (N57).
    if (!host_network_known) pod.addresses.clear();
    return pod;
}

std::optional<Namespace> decode_namespace(const Node& object, Report& report) {
    report.check_repeated(object, "", "the last one counts until this is mended");
    Metadata meta = decode_metadata(object, Kind::ns, "", report);
    if (!meta.named) return std::nullopt;
    return Namespace{.name = std::move(meta.name.name),
                     .labels = std::move(meta.labels),
                     .pos = report.pos(object.line)};
}

}  // namespace podfence
