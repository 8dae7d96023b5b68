#include "test/cluster/scene.hpp"

#include <array>
#include <fstream>
#include <iterator>

#include "test/support/paths.hpp"

namespace podfence::lab {
namespace {

constexpr std::array<std::uint16_t, 2> kPorts{80, 443};
const ObjectName kAccount{.ns = "podfence-system", .name = "podfence"};

/// Echo requests stand for every protocol without ports.
std::vector<Flow> all_flows(const Rig& rig) {
    constexpr std::array<std::uint8_t, 2> kProtocols{6, 17};
    std::vector<Flow> flows;
    const auto ends = rig.ends();
    for (const auto& from : ends) {
        for (const auto& to : ends) {
            if (from.family() != to.family() || rig.lab.owner_of(from) == rig.lab.owner_of(to))
                continue;
            for (const auto port : kPorts) {
                for (const auto protocol : kProtocols) flows.push_back({from, to, protocol, port});
            }
        }
    }
    return flows;
}

}  // namespace

std::optional<std::string> scene_missing() {
    if (auto missing = ControlPlane::missing()) return missing;
    return agent_missing();
}

Scene::Scene(LabSpec spec)
    : rig(std::move(spec), {kPorts.begin(), kPorts.end()}),
      control(rig.lab),
      api(control),
      flows_(all_flows(rig)) {
    install();
    tell_pods();
    const std::string kubeconfig = agent_kubeconfig();
    for (std::size_t n = 0; n < rig.lab.node_count(); ++n)
        agents.emplace_back(rig.lab, n, kubeconfig);
    for (auto& agent : agents) agent.await_ready();
}

std::string Scene::manifest(const std::string& file) {
    std::ifstream in(test::in_source_tree("manifests/" + file));
    if (!in) fail("no manifests/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
}

void Scene::install() {
    const std::string account_path = "/api/v1/namespaces/" + kAccount.ns;
    const std::string rbac = "/apis/rbac.authorization.k8s.io/v1/";
    api.apply(account_path, manifest("base/namespace.yaml"));
    api.apply(account_path + "/serviceaccounts/" + kAccount.name,
              manifest("base/service-account.yaml"));
    api.apply(rbac + "clusterroles/podfence", manifest("base/cluster-role.yaml"));
    api.apply(rbac + "clusterrolebindings/podfence", manifest("base/cluster-role-binding.yaml"));
}

void Scene::tell_pods() {
    const auto pods = rig.generator_options().fixed_pods;
    for (const auto& pod : pods) {
        if (!told.namespaces().contains(pod.name.ns)) put(Namespace{.name = pod.name.ns});
        put(pod);
    }
}

std::string Scene::agent_kubeconfig(std::uint16_t port) {
    return control.write_kubeconfig("agent-" + std::to_string(port), api.token_of(kAccount), port);
}

void Scene::remove_pod(const ObjectName& name) {
    api.remove_pod(name);
    told.remove_pod(name);
}

void Scene::remove_policy(const ObjectName& name) {
    api.remove_policy(name);
    told.remove_policy(name);
}

void Scene::remove_namespace(const std::string& name) {
    api.remove_namespace(name);
    std::vector<ObjectName> gone;
    for (const auto& [pod, object] : told.pods()) {
        if (pod.ns == name) gone.push_back(pod);
    }
    for (const auto& pod : gone) told.remove_pod(pod);
    gone.clear();
    for (const auto& [policy, object] : told.policies()) {
        if (policy.ns == name) gone.push_back(policy);
    }
    for (const auto& policy : gone) told.remove_policy(policy);
    told.remove_namespace(name);
}

ObjectName Scene::pod_name(std::size_t number) const {
    static const std::array<std::string, 3> kNamespaces{"a", "b", "c"};
    return {.ns = kNamespaces.at(number % kNamespaces.size()), .name = rig.lab.pod(number).name};
}

const Pod& Scene::pod(std::size_t number) const {
    const Pod* pod = told.find_pod(pod_name(number));
    if (pod == nullptr) fail("not told of: " + to_string(pod_name(number)));
    return *pod;
}

Wrong Scene::look(const std::vector<Flow>& flows, const Cluster& truth) {
    constexpr std::size_t kNamedMax = 5;
    Wrong wrong;
    const auto outcomes = rig.prober.run(flows);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const bool want = allowed(truth, flows[i]);
        if (want == reached(outcomes[i])) continue;
        ++(want ? wrong.lost : wrong.leaked);
        if (wrong.lost + wrong.leaked <= kNamedMax)
            wrong.what += (want ? "lost " : "leaked ") + describe(rig.lab, flows[i]) + "\n";
    }
    return wrong;
}

std::string Scene::nodes_apart() {
    std::string apart;
    const auto compiled = rig.enforcer.compile(told);
    for (std::size_t n = 0; n < compiled.size(); ++n) {
        const auto held = rig.enforcer.kernel(n).dump(compiled[n].table.id);
        // A dump that a commit interrupts is one of a kernel that is not done yet.
        if (!held || held->table != compiled[n].table) apart += rig.lab.node(n).name + " ";
    }
    return apart;
}

std::chrono::milliseconds Scene::settle(std::chrono::seconds limit) {
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
        const Wrong wrong = look();
        const std::string apart = wrong ? "" : nodes_apart();
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - start);
        if (!wrong && apart.empty()) return took;
        if (took < limit) continue;
        std::string message = "after " + std::to_string(took.count()) + " ms " +
                              std::to_string(wrong.lost) + " flows are lost and " +
                              std::to_string(wrong.leaked) + " leak:\n" + wrong.what +
                              "apart: " + apart + "\n";
        for (const auto& agent : agents) message += tail_of(agent.log());
        fail(message);
    }
}

std::vector<Flow> Scene::steady_flows(const Cluster& before, const Cluster& after) const {
    std::vector<Flow> steady;
    for (const auto& flow : flows_) {
        const Explanation a = explain(before, flow);
        const Explanation b = explain(after, flow);
        const bool open = a.allowed() && b.allowed();
        // Two hooks, perhaps of two nodes: only what both say of one direction binds a flow.
        const bool shut = (!a.egress.allowed() && !b.egress.allowed()) ||
                          (!a.ingress.allowed() && !b.ingress.allowed());
        if (open || shut) steady.push_back(flow);
    }
    return steady;
}

}  // namespace podfence::lab
