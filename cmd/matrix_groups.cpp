// Pods that nothing tells apart: replicas, mostly.
#include <algorithm>
#include <map>
#include <utility>

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

/// "web-7d4f-" of web-7d4f-abcde and web-7d4f-xyz12; "" where they have no common beginning.
std::string common_beginning(const Matrix& matrix, const std::vector<std::size_t>& members) {
    std::string common = matrix.pods[members.front()]->name.name;
    for (const std::size_t member : members) {
        const std::string& name = matrix.pods[member]->name.name;
        const auto end = std::mismatch(common.begin(), common.end(), name.begin(), name.end());
        common.erase(end.first, common.end());
    }
    return common.erase(std::min(common.size(), common.rfind('-') + 1));
}

/// `beginning` without the hash that a Deployment puts into its pods' names: "web-" of "web-7d4f-".
std::string without_hash(const Pod& pod, const std::string& beginning) {
    const auto label = pod.labels.find("pod-template-hash");
    if (label == pod.labels.end()) return beginning;
    const std::string hash = "-" + label->second + "-";
    if (!beginning.ends_with(hash)) return beginning;
    return beginning.substr(0, beginning.size() - hash.size() + 1);
}

/// Names each group by what its members' names begin with: short where that is no other's name.
void label_groups(const Matrix& matrix, std::vector<PodGroup>& groups) {
    std::map<std::pair<std::string, std::string>, std::size_t> taken;
    std::vector<std::string> shorts;
    std::vector<std::string> beginnings;
    for (const PodGroup& group : groups) {
        beginnings.push_back(common_beginning(matrix, group.members));
        shorts.push_back(without_hash(*matrix.pods[group.members.front()], beginnings.back()));
        if (group.members.size() > 1) ++taken[{group.ns, shorts.back()}];
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
        PodGroup& group = groups[i];
        group.label = matrix.pods[group.members.front()]->name.name;
        if (group.members.size() == 1) continue;
        const std::string count = " (" + std::to_string(group.members.size()) + ")";
        const bool unique = taken[{group.ns, shorts[i]}] == 1;
        const std::string& beginning = unique ? shorts[i] : beginnings[i];
        if (beginning.empty()) {
            group.label.append(",...").append(count);
        } else {
            group.label = beginning;
            group.label.append("*").append(count);
        }
    }
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
    label_groups(matrix, groups);
    return groups;
}

}  // namespace podfence::cmd
