#include "controller/objects.hpp"

#include <algorithm>

namespace podfence {

std::string to_string(const SourcePos& pos) {
    if (pos.file.empty()) return "";
    return pos.line == 0 ? pos.file : pos.file + ":" + std::to_string(pos.line);
}

namespace {

constexpr std::string_view kHex = "0123456789abcdef";
/// 8-4-4-4-12 digits.
constexpr std::size_t kUuidText = 36;
constexpr bool has_dash_at(std::size_t i) {
    return i == 8 || i == 13 || i == 18 || i == 23;
}

/// As API servers write it, in lower case: what would be written otherwise than it was read is
/// none.
std::optional<std::array<char, 16>> parse_uuid(std::string_view text) {
    if (text.size() != kUuidText) return std::nullopt;
    std::array<char, 16> uuid{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < kUuidText; ++i) {
        if (has_dash_at(i)) {
            if (text[i] != '-') return std::nullopt;
            continue;
        }
        const std::size_t digit = kHex.find(text[i]);
        if (digit == std::string_view::npos) return std::nullopt;
        char& byte = uuid[digits++ / 2];
        byte = static_cast<char>(static_cast<unsigned char>(byte) << 4U | digit);
    }
    return uuid;
}

}  // namespace

Uid::Uid(std::string_view text) {
    if (const auto uuid = parse_uuid(text)) {
        value_ = *uuid;
    } else {
        value_ = Shared<std::string>(std::string(text));
    }
}

std::string Uid::text() const {
    if (const auto* other = std::get_if<Shared<std::string>>(&value_)) return *other;
    std::string text;
    for (const char byte : bytes()) {
        if (has_dash_at(text.size())) text += '-';
        text += kHex[static_cast<unsigned char>(byte) >> 4U];
        text += kHex[static_cast<unsigned char>(byte) & 0xfU];
    }
    return text;
}

std::string_view Uid::bytes() const {
    if (const auto* other = std::get_if<Shared<std::string>>(&value_)) return other->get();
    const Uuid& uuid = std::get<Uuid>(value_);
    return {uuid.data(), uuid.size()};
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
