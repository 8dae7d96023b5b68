#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "controller/objects.hpp"

/// A proof with packets that this node enforces: two pods of our own making, a policy for them
/// compiled as any other, and flows that it allows and denies.
namespace podfence::self_test {

/// How the two pods are connected to the node.
enum class Wiring : std::uint8_t {
    routed,   ///< A veth pair each, and a route to its host's end (ptp, AWS VPC CNI, Calico).
    bridged,  ///< Ports of one bridge (bridge, flannel).
};
std::string_view to_string(Wiring wiring);  ///< "routed", "bridged"

/// What becomes of a port of the second pod, when the first one uses it.
enum class Expected : std::uint8_t {
    allowed,
    denied_for_source,
    denied_for_destination,
    cut,  ///< Allowed, and cut while it is open, as the agent cuts what policies stop allowing.
};

struct Flow {
    nft::Family family{};
    Protocol protocol{};
    Expected expected{};

    friend bool operator==(const Flow&, const Flow&) = default;
};

/// The port of the second pod that stands for an expectation.
constexpr std::uint16_t port_of(Expected expected) {
    constexpr std::uint16_t kFirst = 7001;
    return static_cast<std::uint16_t>(kFirst + static_cast<int>(expected));
}

/// All flows of the families, denied ones first: what allowed ones leave in conntrack must not
/// let others pass. `cut`: with those to be cut.
std::vector<Flow> flows_of(const std::vector<nft::Family>& families, bool cut);

/// What became of a flow.
enum class Fate : std::uint8_t {
    passed,    ///< It arrived; of one to be cut: something did after that.
    dropped,   ///< Our rules counted it where they deny.
    answered,  ///< Somebody refused it with an answer (reset, unreachable).
    lost,      ///< It did not arrive, and our rules did not deny it either.
};
std::string_view to_string(Fate fate);  ///< "passed", ...

struct FlowResult {
    Wiring wiring{};
    std::string bridge{};  ///< Of a bridged one.
    Flow flow{};
    Fate fate{};

    friend bool operator==(const FlowResult&, const FlowResult&) = default;
};

/// "TCP over IPv4"
std::string describe(const Flow& flow);

/// The objects behind the flows: two pods with these addresses, and their policies.
struct PodAddresses {
    std::vector<Address> first{};   ///< At most one a family.
    std::vector<Address> second{};  ///< Of the same families.
};
inline constexpr const char* kNode = "podfence-self-test";

}  // namespace podfence::self_test
