#include "test/support/judge.hpp"

#include <algorithm>

namespace podfence::test {

namespace {

nft::WalkResult walk_at(nft::Hook hook, const Compiled& node, const Flow& flow) {
    nft::Packet packet = first_packet(flow);
    packet.source_local = hook == nft::Hook::output;
    return walk(node.table, hook, packet);
}

}  // namespace

RulesetJudge::RulesetJudge(const Cluster& cluster, const ExplainOptions& options) {
    for (const auto& [name, pod] : cluster.pods()) {
        if (pod.node.empty()) continue;
        node_addresses_[pod.node].insert(pod.node_addresses.begin(), pod.node_addresses.end());
    }
    if (!options.held.ranges.empty()) node_addresses_[options.held.node];
    for (const auto& [node, addresses] : node_addresses_) {
        compiled_.emplace(
            node, compile_all(cluster,
                              {.node = node,
                               .pod_to_node_enforced = options.pod_to_node_enforced,
                               .held_ranges = node == options.held.node ? options.held.ranges
                                                                        : std::vector<Prefix>()}));
    }
}

nft::Hook RulesetJudge::hook_at(const std::string& node, const Flow& flow) const {
    const auto& own = node_addresses_.at(node);
    if (own.contains(flow.source)) return nft::Hook::output;
    if (own.contains(flow.destination)) return nft::Hook::input;
    return nft::Hook::forward;
}

bool RulesetJudge::allowed(const Flow& flow) const {
    return std::ranges::all_of(compiled_, [&](const auto& node) {
        return walk_at(hook_at(node.first, flow), node.second, flow).accepted;
    });
}

bool RulesetJudge::allowed_by_relays(const Flow& flow) const {
    return std::ranges::all_of(compiled_, [&](const auto& node) {
        const auto hook = hook_at(node.first, flow);
        if (hook != nft::Hook::forward) return walk_at(hook, node.second, flow).accepted;
        return walk(node.second.table, nft::Hook::output, first_packet(flow)).accepted;
    });
}

std::string RulesetJudge::trace(const Flow& flow) const {
    std::string text;
    for (const auto& [node, compiled] : compiled_) {
        const auto result = walk_at(hook_at(node, flow), compiled, flow);
        text += "node " + node + ": " + (result.accepted ? "accepted" : "dropped") + "\n";
        for (const auto& step : result.steps) {
            text += "  " + step.chain + "[" + std::to_string(step.rule) + "] " + step.note + "\n";
        }
    }
    return text;
}

nft::Packet first_packet(const Flow& flow) {
    constexpr std::uint8_t icmp_echo_request = 8;
    constexpr std::uint8_t icmpv6_echo_request = 128;
    return {.source = flow.source,
            .destination = flow.destination,
            .protocol = flow.protocol,
            .destination_port = flow.port,
            .icmp_type = flow.source.family() == nft::Family::ipv4 ? icmp_echo_request
                                                                   : icmpv6_echo_request};
}

}  // namespace podfence::test
