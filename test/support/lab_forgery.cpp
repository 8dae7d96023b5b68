#include "test/support/lab_forgery.hpp"

#include <net/if.h>
#include <sys/socket.h>

#include "test/support/lab_process.hpp"
#include "test/support/lab_socket.hpp"

namespace podfence::lab {

namespace {

Address parse(const char* text) {
    return Address::parse(text).value();
}

Mac mac_at(const Host& host, const std::string& interface) {
    const Stay stay = host.ns.enter();
    return mac_of(interface);
}

}  // namespace

/// The kernel calls a pod's side "eth0@if7": 7 is the index of the other one.
std::string node_side_of(const Network& network, const Host& pod) {
    const std::string shown =
        check_program({"ip", "-n", pod.ns.name(), "-o", "link", "show", "dev", "eth0"});
    const std::string before = "eth0@if";
    const auto at = shown.find(before);
    if (at == std::string::npos) fail(pod.name + " has no cable: " + shown);
    const auto index = static_cast<unsigned>(std::stoul(shown.substr(at + before.size())));
    std::array<char, IF_NAMESIZE> name{};
    const Stay stay = network.node(pod.node).ns.enter();
    if (::if_indextoname(index, name.data()) == nullptr) fail_errno("the cable of " + pod.name);
    return name.data();
}

Forger::Forger(const Network& network, const Host& sender, const Host& receiver, const Host& victim)
    : node_(network.node(sender.node)),
      sender_(sender),
      receiver_(receiver),
      victim_(victim),
      cable_(sender.ns) {
    wire_.source = cable_.mac();
    everyone_ = {.source = cable_.mac(), .destination = {255, 255, 255, 255, 255, 255}};
    // Over a bridge straight to the other pod, over a cable of its own to the node.
    const std::string near = node_side_of(network, sender);
    const bool bridged =
        check_program({"ip", "-n", node_.ns.name(), "-o", "link", "show", "dev", near})
            .find(" master ") != std::string::npos;
    wire_.destination = bridged ? mac_at(receiver, "eth0") : mac_at(node_, near);
}

std::vector<Bytes> Forger::forged() const {
    const Bytes mark(16, 'f');
    std::vector<Bytes> frames;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        const Address to = receiver_.primary(family);
        for (const Address& from :
             {victim_.primary(family), receiver_.primary(family), node_.primary(family),
              parse(family == Family::ipv4 ? "198.51.100.7" : "2001:db8::bad"),
              parse(family == Family::ipv4 ? "127.0.0.1" : "::1"),
              parse(family == Family::ipv4 ? "0.0.0.0" : "::")}) {
            frames.push_back(udp_frame(wire_, from, to, kPort, mark));
        }
        const Bytes honest = udp_frame(wire_, sender_.primary(family), to, kPort, mark);
        for (const std::uint16_t vlan : {0, 1}) frames.push_back(tagged(honest, vlan));
        frames.push_back(tagged(tagged(honest, 0), 0));
    }
    const Address victim4 = victim_.primary(Family::ipv4);
    const Address gateway4 = node_.addresses.at(4);
    const Address to4 = receiver_.primary(Family::ipv4);
    frames.push_back(arp_frame(everyone_, 1, victim4, victim4));
    frames.push_back(arp_frame(everyone_, 2, gateway4, to4));
    frames.push_back(arp_frame(wire_, 2, victim4, to4));
    frames.push_back(arp_frame(everyone_, 1, Address(), victim4));
    const Address own6 = sender_.primary(Family::ipv6);
    const Address victim6 = victim_.primary(Family::ipv6);
    const Address gateway6 = node_.addresses.at(5);
    const Address to6 = receiver_.primary(Family::ipv6);
    frames.push_back(neighbour_frame(wire_, 136, own6, to6, victim6));
    frames.push_back(neighbour_frame(wire_, 136, own6, to6, gateway6));
    frames.push_back(neighbour_frame(wire_, 136, victim6, to6, victim6));
    frames.push_back(neighbour_frame(wire_, 135, victim6, to6, to6));
    frames.push_back(neighbour_frame(wire_, 135, parse("::"), to6, victim6));
    frames.push_back(neighbour_frame(wire_, 134, parse("fe80::1"), to6, own6));
    return frames;
}

std::vector<Bytes> Forger::honest() const {
    const Bytes mark(16, 'h');
    std::vector<Bytes> frames;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        frames.push_back(
            udp_frame(wire_, sender_.primary(family), receiver_.primary(family), kPort, mark));
    }
    return frames;
}

void Ear::listen() {
    for (const UniqueFd& fd : sockets_) {
        std::array<char, 64> payload{};
        while (::recv(fd.get(), payload.data(), payload.size(), MSG_DONTWAIT) > 0) {
            ++(payload[0] == 'h' ? honest : forged);
        }
    }
}

UniqueFd Ear::open(const Host& host, Family family) {
    const Stay stay = host.ns.enter();
    UniqueFd fd(
        ::socket(family == Family::ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int bytes = 8 << 20;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    const SocketAddress own = socket_address(host.primary(family), Forger::kPort);
    if (!fd || ::bind(fd.get(), own.get(), own.length) != 0) fail_errno("listening");
    return fd;
}

}  // namespace podfence::lab
