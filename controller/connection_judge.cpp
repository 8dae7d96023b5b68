#include "controller/connection_judge.hpp"

#include <utility>

#include "controller/local_pod.hpp"
#include "controller/prefixes.hpp"

namespace podfence {

namespace {

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmpv6 = 58;

/// Conntrack keeps other things where ports would be.
std::uint16_t port_of(const nft::Tuple& reply) {
    return reply.protocol == kIcmp || reply.protocol == kIcmpv6 ? 0 : reply.source_port;
}

}  // namespace

ConnectionJudge::ConnectionJudge(const Desired& desired, std::set<Address> host)
    : desired_(desired),
      host_(std::move(host)),
      options_{
          .pod_to_node_enforced = desired.options().pod_to_node_enforced,
          .refused = [&desired](const ObjectName& policy) { return desired.is_refused(policy); }} {}

bool ConnectionJudge::allows(const nft::Connection& connection) const {
    const Flow flow{.source = connection.original.source,
                    .destination = connection.reply.source,
                    .protocol = connection.original.protocol,
                    .port = port_of(connection.reply)};
    if (flow.source.family() != flow.destination.family()) return true;  // Not ours to say.
    if (host_.contains(flow.source)) return true;                        // D1
    const bool to_host = host_.contains(flow.destination);
    if (to_host && !options_.pod_to_node_enforced) return true;  // D2
    const Cluster& cluster = desired_.cluster();
    for (const auto direction : kDirections) {
        if (to_host && direction == Direction::ingress) continue;
        const bool egress = direction == Direction::egress;
        const Address& own = egress ? flow.source : flow.destination;
        const Pod* pod = cluster.owner_of(own);
        if (pod == nullptr && is_in_any(desired_.options().held_ranges, own)) return false;
        if (pod == nullptr || !is_local(*pod, desired_.options().node)) continue;
        if (!allowed(cluster, flow, direction, options_)) return false;
    }
    return true;
}

}  // namespace podfence
