#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "controller/manifest_source.hpp"

/// Helpers for tests of what is read from manifests.
namespace podfence::test {

inline std::string all_problems(const Loaded& loaded) {
    std::string text;
    for (const Problem& problem : loaded.problems) text += to_string(problem) + "\n";
    return text;
}

/// The first problem at this field; nullptr: none.
inline const Problem* problem_at(const Loaded& loaded, std::string_view field) {
    const auto found = std::find_if(loaded.problems.begin(), loaded.problems.end(),
                                    [&](const Problem& p) { return p.field == field; });
    return found == loaded.problems.end() ? nullptr : &*found;
}

inline std::size_t count(const Loaded& loaded, Severity severity) {
    return static_cast<std::size_t>(
        std::count_if(loaded.problems.begin(), loaded.problems.end(),
                      [&](const Problem& p) { return p.severity == severity; }));
}

/// A policy "shop/p" with this spec, given as YAML in flow style or as indented lines.
inline std::string policy_yaml(std::string_view spec) {
    return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
           "metadata: {name: p, namespace: shop}\nspec: " +
           std::string(spec) + "\n";
}

/// The same objects without where they came from.
inline Cluster without_positions(const Cluster& cluster) {
    Cluster out;
    for (auto [name, pod] : cluster.pods()) {
        pod.pos = {};
        out.put(std::move(pod));
    }
    for (auto [name, ns] : cluster.namespaces()) {
        ns.pos = {};
        out.put(std::move(ns));
    }
    for (auto [name, policy] : cluster.policies()) {
        policy.pos = {};
        for (auto* rules : {&policy.ingress_rules, &policy.egress_rules}) {
            for (PolicyRule& rule : *rules) rule.pos = {};
        }
        out.put(std::move(policy));
    }
    return out;
}

}  // namespace podfence::test
