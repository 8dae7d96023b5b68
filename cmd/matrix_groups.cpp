// Pods that nothing tells apart: replicas, mostly.
#include <algorithm>

#include "cmd/matrix.hpp"

namespace podfence::cmd {

namespace {

/// Would swapping the two change anything? Then they are not the same.
bool alike(const Matrix& matrix, std::size_t a, std::size_t b) {
    if (matrix.pods[a]->name.ns != matrix.pods[b]->name.ns) return false;
    if (matrix.targets[a] != matrix.targets[b]) return false;
    if (matrix.at(a, b) != matrix.at(b, a)) return false;
    for (std::size_t other = 0; other < matrix.size(); ++other) {
        if (other == a || other == b) continue;
        if (matrix.at(a, other) != matrix.at(b, other)) return false;
        if (matrix.at(other, a) != matrix.at(other, b)) return false;
    }
    return true;
}

/// "web-7d4f-*" of web-7d4f-abcde and web-7d4f-xyz12; several names where they have no common
/// beginning.
std::string label_of(const Matrix& matrix, const std::vector<std::size_t>& members) {
    std::string common = matrix.pods[members.front()]->name.name;
    if (members.size() == 1) return common;
    for (const std::size_t member : members) {
        const std::string& name = matrix.pods[member]->name.name;
        const auto end = std::mismatch(common.begin(), common.end(), name.begin(), name.end());
        common.erase(end.first, common.end());
    }
    common.erase(std::min(common.size(), common.rfind('-') + 1));
    const std::string count = " (" + std::to_string(members.size()) + ")";
    if (!common.empty()) return common + "*" + count;
    return matrix.pods[members.front()]->name.name + ",..." + count;
}

}  // namespace

std::vector<PodGroup> group_pods(const Matrix& matrix, bool merge) {
    std::vector<PodGroup> groups;
    for (std::size_t pod = 0; pod < matrix.size(); ++pod) {
        const auto same = std::find_if(groups.begin(), groups.end(), [&](const PodGroup& group) {
            return merge && alike(matrix, group.members.front(), pod);
        });
        if (same != groups.end()) {
            same->members.push_back(pod);
        } else {
            groups.push_back({.members = {pod}, .ns = matrix.pods[pod]->name.ns, .label = {}});
        }
    }
    for (PodGroup& group : groups) group.label = label_of(matrix, group.members);
    return groups;
}

}  // namespace podfence::cmd
