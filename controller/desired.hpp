#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/cluster.hpp"
#include "controller/compile.hpp"
#include "controller/live_classes.hpp"
#include "controller/live_dispatch.hpp"
#include "controller/local_pod.hpp"
#include "controller/wanted.hpp"
#include "nft/batch.hpp"
#include "nft/ruleset.hpp"

namespace podfence {

/// The desired table of one node, kept up to date event by event. After any events, in any order,
/// it is what `compile_all` makes of the cluster, but for policies that were refused. Work grows
/// with what an event changes and not with the cluster: a pod of another node costs an element of
/// each set that it belongs to.
class Desired final : public Wanted {
  public:
    explicit Desired(CompileOptions options);

    void put(Pod pod);
    void put(Namespace ns);
    void put(NetworkPolicy policy);  ///< Takes a refusal back, also when it says the same.
    void remove_pod(const ObjectName& name);
    void remove_namespace(const std::string& name);
    void remove_policy(const ObjectName& name);
    /// The kernel rejects what this policy compiles to: its pods stay isolated in the directions
    /// it names, and it allows nothing, until it is put again. No such policy: nothing happens.
    void refuse(const ObjectName& policy) override;

    const Cluster& cluster() const { return cluster_; }

    std::vector<nft::Op> take_changes() override;
    std::set<ObjectName> policies_behind(const std::string& object) const override {
        return classes_.policies_behind(object);
    }
    /// The addresses of this node's pods that are judged by this chain, map or set in a direction.
    PerDirection<std::set<Address>> addresses_behind(const std::string& object) const;
    /// Those of pods that are isolated in a direction.
    PerDirection<std::set<Address>> isolated_addresses() const;
    /// What is held became known only now (CompileOptions::held_ranges), before anything was taken.
    void hold(std::vector<Prefix> ranges);
    /// Whether it was refused, and still is.
    bool is_refused(const ObjectName& policy) const { return refused_.contains(policy); }
    const CompileOptions& options() const { return options_; }
    nft::Table table() override;
    /// How large the table was when take_changes() or table() was called last, but for elements of
    /// pods that came or went since. Not in proportion to anything.
    nft::TableCounts counts() const;
    /// The pods of this node, finished ones and those on its network included.
    const std::set<ObjectName>& own_pods() const { return own_pods_; }
    /// The part of it that denies: isolated pods are told from others, and nothing is allowed for
    /// them but what no policy can forbid. Small, and quick to commit.
    nft::Table closed_table() override;

  private:
    /// What a local pod has in the table.
    struct LocalPod {
        std::vector<Address> addresses{};  ///< None where nothing isolates it.
        PerDirection<LiveClass*> classes{};
    };

    template <class Judges>
    PerDirection<std::set<Address>> addresses_where(Judges judges) const;
    bool is_ours(const Pod* pod) const { return pod != nullptr && pod->node == options_.node; }
    void touch_holders(const std::vector<Address>& addresses);
    void update_holders(const std::vector<Address>& addresses);
    void touch_pods(const NetworkPolicy& policy);
    void drop_refusal(const ObjectName& name);
    const NetworkPolicy* in_force(const NetworkPolicy* policy) const;
    void settle();
    void leave(LocalPod& pod);
    void enter(const Pod& pod);

    CompileOptions options_;
    Cluster cluster_;
    LiveClasses classes_;
    LiveDispatch dispatch_;
    std::set<ObjectName> own_pods_;
    std::map<ObjectName, LocalPod> local_pods_;
    /// What stands for refused policies: the same without rules.
    std::map<ObjectName, NetworkPolicy> refused_;
    /// Local pods to look at again.
    std::set<ObjectName> touched_;
    /// Policies that are gone, to which classes point until they are settled.
    std::vector<std::map<ObjectName, NetworkPolicy>::node_type> gone_;
    bool told_ = false;
};

}  // namespace podfence
