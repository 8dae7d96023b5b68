#include "controller/objects.hpp"

#include <algorithm>

namespace podfence {

std::string to_string(const SourcePos& pos) {
    if (pos.file.empty()) return "";
    return pos.line == 0 ? pos.file : pos.file + ":" + std::to_string(pos.line);
}

std::string to_string(const ObjectName& name) {
    return name.ns + "/" + name.name;
}

bool may_be_peer(const Labels& labels) {
    return !labels.contains(kUnsureLabel);
}

std::string_view to_string(Protocol protocol) {
    switch (protocol) {
        case Protocol::tcp:
            return "TCP";
        case Protocol::udp:
            return "UDP";
        case Protocol::sctp:
            return "SCTP";
    }
    return "?";
}

std::optional<Protocol> parse_protocol(std::string_view text) {
    for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
        if (text == to_string(protocol)) return protocol;
    }
    return std::nullopt;
}

std::string_view to_string(Direction direction) {
    return direction == Direction::ingress ? "ingress" : "egress";
}

std::optional<std::uint16_t> find_port(const Pod& pod, std::string_view name, Protocol protocol) {
    const auto found = std::find_if(pod.ports.begin(), pod.ports.end(), [&](const auto& port) {
        return port.name == name && port.protocol == protocol;
    });
    if (found == pod.ports.end()) return std::nullopt;
    return found->number;
}

}  // namespace podfence
