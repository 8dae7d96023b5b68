#include "test/support/lab_agreement.hpp"

#include <algorithm>

#include "test/support/manifest.hpp"
#include "test/support/shrink.hpp"

namespace podfence::lab {

namespace {

constexpr std::size_t kPodsPerNode = 8;

/// TCP, UDP and SCTP on any port but 0, which is never sent, and echo requests for all else.
Flow probeable(Flow flow) {
    const bool ports = flow.protocol == 6 || flow.protocol == 17 || flow.protocol == 132;
    if (ports && flow.port != 0) return flow;
    flow.protocol = flow.source.family() == Family::ipv4 ? 1 : 58;
    flow.port = 0;
    return flow;
}

std::vector<Flow> random_flows(const Cluster& cluster, const Rig& rig, test::Generator& generator,
                               std::size_t count) {
    const test::FlowGenerator flows(cluster, generator.options(), rig.ends(), rig.ends());
    std::vector<Flow> chosen;
    while (chosen.size() < count) chosen.push_back(probeable(flows.next(generator.random())));
    return chosen;
}

struct Verdicts {
    bool packet = false;
    bool oracle = false;
    bool walk = false;
    bool agree() const { return packet == oracle && packet == walk; }
};

std::string to_string(const Verdicts& verdicts) {
    const auto word = [](bool passes) { return passes ? "allow" : "deny"; };
    return std::string("packet: ") + word(verdicts.packet) + ", oracle: " + word(verdicts.oracle) +
           ", walk: " + word(verdicts.walk);
}

std::vector<Verdicts> judge(Rig& rig, const Cluster& cluster, const std::vector<Compiled>& compiled,
                            const std::vector<Flow>& flows) {
    const auto outcomes = rig.prober.run(flows);
    std::vector<Verdicts> verdicts;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        verdicts.push_back({.packet = reached(outcomes[i]),
                            .oracle = allowed(cluster, flows[i]),
                            .walk = walk_allows(rig.lab, compiled, flows[i])});
    }
    return verdicts;
}

/// On a node without any rules of ours.
Verdicts judge_afresh(Rig& rig, const Cluster& cluster, const Flow& flow) {
    rig.enforcer.remove();
    const auto compiled = rig.enforcer.compile(cluster);
    rig.enforcer.apply_compiled(compiled);
    return judge(rig, cluster, compiled, {flow}).front();
}

/// What shows the disagreement on this flow, as little as does.
std::string shrunk(Rig& rig, const Cluster& cluster, const Flow& flow) {
    const auto fails = [&](const Cluster& c) { return !judge_afresh(rig, c, flow).agree(); };
    if (!fails(cluster)) {
        return "applied to a node without rules this state shows nothing of it: the fault is in "
               "the way there from the state before\n" +
               test::to_manifest(cluster);
    }
    const Cluster small = test::shrink(cluster, fails);
    return "on as little as shows it: " + to_string(judge_afresh(rig, small, flow)) + "\n" +
           test::to_manifest(small);
}

std::optional<std::string> check_state(Rig& rig, const Cluster& cluster,
                                       const std::vector<Flow>& flows) {
    constexpr std::size_t kReportedMax = 10;
    const auto compiled = rig.enforcer.compile(cluster);
    rig.enforcer.apply_compiled(compiled);
    for (const auto& again : rig.enforcer.apply_compiled(compiled)) {
        if (!again.batch.empty()) {
            return "a second commit of the same found something to do\n" +
                   test::to_manifest(cluster);
        }
    }
    const auto verdicts = judge(rig, cluster, compiled, flows);
    std::string text;
    std::size_t reported = 0;
    const Flow* first = nullptr;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        if (verdicts[i].agree()) continue;
        if (first == nullptr) first = &flows[i];
        if (++reported > kReportedMax) continue;
        text += describe(rig.lab, flows[i]) + ": " + to_string(verdicts[i]) + "\n";
    }
    if (first == nullptr) return std::nullopt;
    return std::to_string(reported) + " flows are judged differently:\n" + text + "the first, " +
           shrunk(rig, cluster, *first);
}

}  // namespace

LabSpec agreement_lab(Wiring first, Wiring second) {
    LabSpec spec = two_nodes(first, second, kPodsPerNode);
    spec.lent = {*Address::parse("52.94.1.1"), *Address::parse("10.1.2.3"),
                 *Address::parse("2001:db8:52::1")};
    return spec;
}

std::optional<std::string> play(Rig& rig, std::uint64_t seed, const PlaySize& size) {
    test::Generator generator(seed, rig.generator_options());
    Cluster cluster = generator.cluster();
    for (std::size_t event = 0; event <= size.events; ++event) {
        if (event > 0) test::apply(cluster, generator.event(cluster));
        const auto flows = random_flows(cluster, rig, generator, size.flows_per_state);
        if (auto found = check_state(rig, cluster, flows)) {
            return "seed " + std::to_string(seed) + " event " + std::to_string(event) + ": " +
                   *found;
        }
    }
    return std::nullopt;
}

}  // namespace podfence::lab
