#include "controller/port_partition.hpp"

#include <algorithm>
#include <tuple>

namespace podfence {

namespace {

/// A group begins or ends to apply before port `at` (65536: past the last).
struct Edge {
    Protocol protocol;
    std::uint32_t at;
    std::uint32_t group;
    bool begins;
};

std::vector<Edge> edges_of(std::span<const std::vector<PortSpan>> groups) {
    std::vector<Edge> edges;
    for (std::uint32_t group = 0; group < groups.size(); ++group) {
        for (const auto& [protocol, range] : groups[group]) {
            edges.push_back({protocol, range.first, group, true});
            edges.push_back({protocol, range.last + 1U, group, false});
        }
    }
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
        return std::tie(a.protocol, a.at) < std::tie(b.protocol, b.at);
    });
    return edges;
}

/// How often each group covers the current port; a group's own spans may overlap.
class Active {
  public:
    void change(std::uint32_t group, bool begins) {
        const auto at = std::lower_bound(counts_.begin(), counts_.end(), group,
                                         [](const auto& c, auto g) { return c.first < g; });
        if (begins) {
            if (at != counts_.end() && at->first == group) {
                ++at->second;
            } else {
                counts_.insert(at, {group, 1U});
            }
        } else if (--at->second == 0) {
            counts_.erase(at);
        }
    }
    std::vector<std::uint32_t> groups() const {
        std::vector<std::uint32_t> groups;
        groups.reserve(counts_.size());
        for (const auto& [group, count] : counts_) groups.push_back(group);
        return groups;
    }
    std::size_t size() const { return counts_.size(); }

  private:
    std::vector<std::pair<std::uint32_t, std::uint32_t>> counts_;
};

}  // namespace

std::optional<std::vector<PortPiece>> partition(std::span<const std::vector<PortSpan>> groups,
                                                std::size_t entries_max) {
    const auto edges = edges_of(groups);
    std::vector<PortPiece> pieces;
    std::size_t entries = 0;
    Active active;
    for (std::size_t i = 0; i < edges.size();) {
        const auto [protocol, at] = std::tuple(edges[i].protocol, edges[i].at);
        // Begins go first, so that a count never falls below zero at a shared edge.
        const std::size_t first = i;
        while (i < edges.size() && edges[i].protocol == protocol && edges[i].at == at) ++i;
        for (const bool begins : {true, false}) {
            for (std::size_t j = first; j < i; ++j) {
                if (edges[j].begins == begins) active.change(edges[j].group, begins);
            }
        }
        if (active.size() == 0) continue;
        // Something is active, so an edge that ends it follows in this protocol.
        const auto last = static_cast<std::uint16_t>(edges[i].at - 1);
        const PortSpan span{protocol, {static_cast<std::uint16_t>(at), last}};
        auto now = active.groups();
        if (!pieces.empty() && pieces.back().span.protocol == protocol &&
            pieces.back().span.range.last + 1U == at && pieces.back().groups == now) {
            pieces.back().span.range.last = last;
            continue;
        }
        entries += now.size();
        if (entries > entries_max) return std::nullopt;
        pieces.push_back({span, std::move(now)});
    }
    return pieces;
}

}  // namespace podfence
