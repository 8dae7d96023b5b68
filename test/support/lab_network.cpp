#include <fstream>
#include <sstream>

#include "test/support/lab.hpp"

namespace podfence::lab {
namespace {

constexpr const char* kHostsFile = "/hosts";

}  // namespace

Address Host::primary(Family family) const {
    for (const auto& address : addresses) {
        if (address.family() == family) return address;
    }
    fail(name + " has no address of the family");
}

const Host* Network::find(std::string_view name) const {
    for (const auto& host : hosts_) {
        if (host.name == name) return &host;
    }
    return nullptr;
}

const Host* Network::owner_of(const Address& address) const {
    const auto found = by_address_.find(address);
    return found == by_address_.end() ? nullptr : &hosts_[found->second];
}

void Network::index_addresses() {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        for (const auto& address : hosts_[i].addresses) by_address_.emplace(address, i);
    }
}

/// A host a line: kind, node, name, namespace, addresses.
void Network::save(const std::string& directory) const {
    std::ofstream file(directory + kHostsFile);
    for (const auto& host : hosts_) {
        file << static_cast<int>(host.kind) << ' ' << host.node << ' ' << host.name << ' '
             << host.ns.name();
        for (const auto& address : host.addresses) file << ' ' << to_string(address);
        file << '\n';
    }
    if (!file.flush()) fail("write " + directory + kHostsFile);
}

Network Network::attach(const std::string& directory) {
    std::ifstream file(directory + kHostsFile);
    if (!file) fail("there is no lab in " + directory);
    Network network;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        int kind = 0;
        std::size_t node = 0;
        std::string name;
        std::string ns;
        fields >> kind >> node >> name >> ns;
        Host& host = network.hosts_.emplace_back(Host{.kind = static_cast<Host::Kind>(kind),
                                                      .name = name,
                                                      .ns = NetNs::open(ns),
                                                      .node = node});
        for (std::string text; fields >> text;) {
            const auto address = Address::parse(text);
            if (!address) fail("broken line in " + directory + kHostsFile + ": " + line);
            host.addresses.push_back(*address);
        }
        if (host.kind == Host::Kind::node) ++network.node_count_;
    }
    network.index_addresses();
    return network;
}

}  // namespace podfence::lab
