#include "controller/class_parts.hpp"

#include <algorithm>

#include "controller/sorted.hpp"

namespace podfence {

namespace {

PeerUnion peers_of(const PolicyRule& rule, const std::string& ns) {
    PeerUnion peers{.any = rule.any_peer};
    if (peers.any) return peers;
    for (const auto& peer : rule.peers) {
        if (const auto* block = std::get_if<IpBlock>(&peer)) {
            // A block of which its exceptions leave nothing has no set; two unions that differ in
            // such blocks alone would have the same sets and not be the same.
            if (block->except.empty() || !ranges_of(*block).empty()) peers.blocks.push_back(*block);
        } else if (const auto& pods = std::get<PodPeer>(peer); pods.namespaces || pods.pods) {
            peers.pods.push_back(bind(pods, ns));
        }
    }
    return peers;
}

void add_named_targets(const PolicyPort& port, const PeerUnion& peers,
                       std::vector<NamedTarget>& out) {
    const NamedTarget target{.port = std::get<NamedPort>(port.port).name,
                             .protocol = port.protocol};
    if (peers.any) {
        out.push_back(target);
        out.back().any_peer = true;
        return;
    }
    for (const auto& pods : peers.pods) {
        out.push_back(target);
        out.back().pods = pods;
    }
    for (const auto& block : peers.blocks) {
        out.push_back(target);
        out.back().block = {block};
    }
}

}  // namespace

std::vector<std::string> names_of(const PolicyClass& policy_class) {
    std::vector<std::string> names;
    for (const auto* policy : policy_class.policies) names.push_back(to_string(policy->name));
    return names;
}

PolicyClass class_of(const Pod& pod, Direction direction,
                     std::vector<const NetworkPolicy*> policies) {
    PolicyClass result{.direction = direction, .policies = std::move(policies)};
    if (direction == Direction::egress) return result;
    for (const auto* policy : result.policies) {
        for (const auto& rule : policy->ingress_rules) {
            for (const auto& port : rule.ports) {
                const auto* named = std::get_if<NamedPort>(&port.port);
                if (named == nullptr) continue;
                const auto number = find_port(pod, named->name, port.protocol);
                if (number) result.named.insert({{named->name, port.protocol}, *number});
            }
        }
    }
    return result;
}

ClassParts collect(const PolicyClass& policy_class) {
    ClassParts parts;
    std::map<std::vector<PortSpan>, RuleGroup> by_ports;
    const auto add = [](RuleGroup& group, const PeerUnion& peers, const std::string& origin) {
        group.peers |= peers;
        group.origins.push_back(origin);
    };
    for (const auto* policy : policy_class.policies) {
        for (const auto& rule : policy->rules(policy_class.direction)) {
            const auto peers = peers_of(rule, policy->name.ns);
            if (peers.empty()) continue;
            const auto origin = to_string(policy->name) + " " +
                                std::string(to_string(policy_class.direction)) + "[" +
                                std::to_string(rule.index) + "]";
            if (rule.any_port) {
                add(parts.any_port, peers, origin);
                continue;
            }
            std::vector<PortSpan> spans;
            for (const auto& port : rule.ports) {
                if (const auto* range = std::get_if<PortRange>(&port.port)) {
                    spans.push_back({port.protocol, *range});
                } else if (policy_class.direction == Direction::egress) {
                    add_named_targets(port, peers, parts.named);
                    parts.named_origins.push_back(origin);
                } else if (const auto named = policy_class.named.find(
                               {std::get<NamedPort>(port.port).name, port.protocol});
                           named != policy_class.named.end()) {
                    spans.push_back({port.protocol, {named->second, named->second}});
                }
            }
            std::sort(spans.begin(), spans.end());
            if (!spans.empty()) add(by_ports[spans], peers, origin);
        }
    }
    parts.any_port.peers.normalize();
    // What has the same ports was united; now what has the same peers is, too.
    std::map<PeerUnion, RuleGroup> by_peers;
    for (auto& [spans, group] : by_ports) {
        group.peers.normalize();
        auto& united = by_peers[group.peers];
        united.spans.insert(united.spans.end(), spans.begin(), spans.end());
        united.origins.insert(united.origins.end(), group.origins.begin(), group.origins.end());
    }
    for (auto& [peers, group] : by_peers) {
        group.peers = peers;
        sort_unique(group.origins);
        parts.groups.push_back(std::move(group));
    }
    sort_unique(parts.named);
    sort_unique(parts.named_origins);
    return parts;
}

}  // namespace podfence
