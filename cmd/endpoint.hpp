#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cmd/common_options.hpp"
#include "cmd/exit.hpp"
#include "cmd/terminal.hpp"
#include "controller/cluster.hpp"

namespace podfence::cmd {

/// One end of a flow: a pod, or an address that may or may not be a pod's.
struct Endpoint {
    std::string text{};        ///< As a person calls it: "shop/db", "52.94.0.7".
    const Pod* pod = nullptr;  ///< Owned by the cluster. nullptr: no pod's address.
    std::vector<Address> addresses{};
    std::vector<std::string> remarks{};  ///< What a person should know about it.
};

/// "NS/POD" or an address. Says what is wrong, with the nearest name, when there is no such pod or
/// it has no address.
Outcome<Endpoint> find_endpoint(Terminal& terminal, const Cluster& cluster,
                                const std::string& text);
Outcome<Endpoint> find_pod_endpoint(Terminal& terminal, const Cluster& cluster,
                                    const std::string& text);

/// What a flow goes to on its destination.
struct Target {
    std::uint8_t protocol = 6;  ///< IANA number; for ICMP the family's own.
    std::uint16_t port = 0;
    std::string name{};  ///< Of the container port, when it was found by name or declared.
    friend bool operator==(const Target&, const Target&) = default;
};
std::string to_string(const Target& target);  ///< "5432/TCP", "ICMP"
std::string protocol_name(std::uint8_t protocol);

/// What was asked for by --port and --protocol, checked.
struct PortQuery {
    std::optional<std::uint16_t> number{};
    std::string name{};
    std::optional<Protocol> protocol{};
    bool icmp = false;
};
Outcome<PortQuery> parse_ports(Terminal& terminal, const PortOptions& options);

/// The port that is judged when neither the command line nor the destination names one.
inline constexpr std::uint16_t kAssumedPort = 80;

struct Targets {
    std::vector<Target> list{};
    bool assumed = false;  ///< Nothing was asked for or declared: kAssumedPort.
};
/// The targets on the destination, for one family. Empty: a name that this destination does not
/// have (N45). `pod` may be nullptr.
Targets targets_on(const Pod* pod, const PortQuery& query, nft::Family family);

}  // namespace podfence::cmd
