#include "test/support/shrink.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace podfence::test {

namespace {

/// Every cluster that is one step smaller.
class Steps {
  public:
    explicit Steps(const Cluster& cluster) : cluster_(cluster) {
        for (const auto& [name, policy] : cluster.policies()) {
            add([&](Cluster& c) { c.remove_policy(name); });
            add_rules(policy, &NetworkPolicy::ingress_rules);
            add_rules(policy, &NetworkPolicy::egress_rules);
        }
        for (const auto& [name, pod] : cluster.pods()) {
            add([&](Cluster& c) { c.remove_pod(name); });
        }
        for (const auto& [name, ns] : cluster.namespaces()) {
            add([&](Cluster& c) { c.remove_namespace(name); });
        }
    }

    std::vector<Cluster> take() { return std::move(steps_); }

  private:
    template <class Change>
    void add(Change change) {
        Cluster smaller = cluster_;
        change(smaller);
        steps_.push_back(std::move(smaller));
    }

    template <class Change>
    void add_policy(const NetworkPolicy& policy, Change change) {
        NetworkPolicy smaller = policy;
        change(smaller);
        add([&](Cluster& c) { c.put(std::move(smaller)); });
    }

    void add_rules(const NetworkPolicy& policy, std::vector<PolicyRule> NetworkPolicy::*rules) {
        const auto erase = [](auto& items, std::size_t i) {
            items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
        };
        for (std::size_t r = 0; r < (policy.*rules).size(); ++r) {
            add_policy(policy, [&](NetworkPolicy& p) {
                erase(p.*rules, r);
                for (std::size_t i = r; i < (p.*rules).size(); ++i) --(p.*rules)[i].index;
            });
            const PolicyRule& rule = (policy.*rules)[r];
            for (std::size_t i = 0; i < rule.peers.size() && rule.peers.size() > 1; ++i) {
                add_policy(policy, [&](NetworkPolicy& p) { erase((p.*rules)[r].peers, i); });
            }
            for (std::size_t i = 0; i < rule.ports.size() && rule.ports.size() > 1; ++i) {
                add_policy(policy, [&](NetworkPolicy& p) { erase((p.*rules)[r].ports, i); });
            }
        }
    }

    const Cluster& cluster_;
    std::vector<Cluster> steps_;
};

}  // namespace

Cluster shrink(Cluster cluster, const std::function<bool(const Cluster&)>& fails) {
    bool smaller = true;
    while (smaller) {
        smaller = false;
        for (Cluster& step : Steps(cluster).take()) {
            if (!fails(step)) continue;
            cluster = std::move(step);
            smaller = true;
            break;
        }
    }
    return cluster;
}

}  // namespace podfence::test
