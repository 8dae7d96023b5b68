#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "controller/explain.hpp"
#include "test/cluster/agent.hpp"
#include "test/cluster/api.hpp"
#include "test/support/lab_rig.hpp"

namespace podfence::lab {

/// nullopt: a Scene can be made here. Else what is missing, for PODFENCE_SKIP.
std::optional<std::string> scene_missing();

/// What flows had become when one look at them was wrong.
struct Wrong {
    std::size_t lost = 0;    ///< Should have reached the other end.
    std::size_t leaked = 0;  ///< Should not have.
    std::string what;        ///< A few of them.
    explicit operator bool() const { return lost + leaked > 0; }
};

/// A lab whose pods a real API server tells of, and on each node an agent that follows it. The
/// judge is the oracle, asked about `told`: what the test has told the API server.
class Scene {
  public:
    /// Tells of all pods of the lab, spread over the namespaces a, b and c, and starts an agent on
    /// every node, with exactly the rights that manifests/ gives it. All are ready.
    explicit Scene(LabSpec spec);

    template <class Object>
    void put(const Object& object) {
        api.put(object);
        told.put(object);
    }
    void remove_pod(const ObjectName& name);
    void remove_policy(const ObjectName& name);
    void remove_namespace(const std::string& name);

    /// The object of a lab's pod, as it was told.
    const Pod& pod(std::size_t number) const;
    ObjectName pod_name(std::size_t number) const;

    /// Between all hosts, on two ports, TCP and UDP, in both families.
    const std::vector<Flow>& flows() const { return flows_; }
    /// One look at these flows by packets.
    Wrong look(const std::vector<Flow>& flows, const Cluster& truth);
    Wrong look() { return look(flows_, told); }
    /// The nodes whose kernel does not hold exactly what the compiler makes of `told`; "": none.
    std::string nodes_apart();
    /// Looks until nothing is wrong by packets and no node is apart; gives how long that took.
    /// After the limit it throws Failure with what still is, and the agents' last words.
    std::chrono::milliseconds settle(std::chrono::seconds limit = std::chrono::seconds(20));
    /// Those of the flows that `before` and `after` agree on, in the whole and in each direction:
    /// whatever happens on the way from one to the other, theirs must not change.
    std::vector<Flow> steady_flows(const Cluster& before, const Cluster& after) const;

    /// A kubeconfig for the agent's service account; `port` as in write_kubeconfig.
    std::string agent_kubeconfig(std::uint16_t port = ControlPlane::kPort);
    /// What `manifests/` installs of this name, as text.
    static std::string manifest(const std::string& file);

    Rig rig;
    ControlPlane control;
    Api api;
    Cluster told;
    std::deque<Agent> agents;

  private:
    void install();
    void tell_pods();

    std::vector<Flow> flows_;
};

}  // namespace podfence::lab
