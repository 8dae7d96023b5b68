// The second opinion of `explain --live`: a walk through what the kernel holds now.
#include <algorithm>

#include "cmd/explained.hpp"
#include "nft/text.hpp"
#include "nft/walk.hpp"

namespace podfence::cmd {

namespace {

constexpr std::uint32_t kTableDormant = 1;  // NFT_TABLE_F_DORMANT
constexpr std::uint8_t kIcmpEcho = 8;
constexpr std::uint8_t kIcmp6Echo = 128;

bool is_local(const Pod* pod, const std::string& node) {
    return pod != nullptr && pod->node == node;
}

/// Why this node's rules do not see the flow's first packet; "" when they do.
std::string reason_to_skip(const Explanation& why, const std::string& node) {
    const bool held = why.egress.held || why.ingress.held;
    if (!held && !is_local(why.source_pod, node) && !is_local(why.destination_pod, node)) {
        return "neither end is a pod of this node (" + node + ")";
    }
    // The other way round there may be rules: of somebody who runs with --pod-to-node=enforce.
    if (why.ingress.exemption == Exemption::own_node) {
        return "what a node sends to its own pods does not pass these rules";
    }
    return "";
}

/// To the source's own node a packet comes in by the hook for local delivery.
nft::Hook hook_of(const Explanation& why) {
    if (why.source_pod == nullptr) return nft::Hook::forward;
    const auto& own = why.source_pod->node_addresses;
    const bool to_node = why.destination_pod == nullptr &&
                         std::find(own.begin(), own.end(), why.flow.destination) != own.end();
    return to_node ? nft::Hook::input : nft::Hook::forward;
}

std::string rule_text(const nft::Table& table, const nft::WalkStep& step) {
    const auto chain = table.chains.find(step.chain);
    if (chain == table.chains.end() || step.rule >= chain->second.rules.size()) return "";
    return nft::to_text(chain->second.rules[step.rule]);
}

}  // namespace

LiveVerdict walk_live(const std::optional<nft::Table>& table, const Explanation& why,
                      const std::string& node) {
    LiveVerdict live{.skipped = reason_to_skip(why, node)};
    if (!live.skipped.empty()) return live;
    // The other end's direction is judged by the other end's node.
    live.expected = !why.egress.held && !why.ingress.held &&
                    (!is_local(why.source_pod, node) || why.egress.allowed()) &&
                    (!is_local(why.destination_pod, node) || why.ingress.allowed());
    if (!table || (table->flags & kTableDormant) != 0) {
        live.accepted = true;
        return live;
    }
    const nft::Packet packet{
        .source = why.flow.source,
        .destination = why.flow.destination,
        .protocol = why.flow.protocol,
        .destination_port = why.flow.port,
        .icmp_type = why.flow.source.family() == nft::Family::ipv4 ? kIcmpEcho : kIcmp6Echo};
    const nft::WalkResult result = nft::walk(*table, hook_of(why), packet);
    live.accepted = result.accepted;
    for (const nft::WalkStep& step : result.steps) {
        live.steps.push_back({.chain = step.chain,
                              .rule = step.rule,
                              .text = rule_text(*table, step),
                              .note = step.note});
    }
    return live;
}

}  // namespace podfence::cmd
