#include "test/lab/rig.hpp"

#include <cstdlib>
#include <random>

#include <catch2/catch.hpp>

namespace podfence::lab {
namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
}

}  // namespace

Rig::Rig(LabSpec spec, const std::vector<std::uint16_t>& ports)
    : lab(std::move(spec)),
      servers(poller),
      witness(lab),
      prober(lab, poller, witness),
      enforcer(lab) {
    servers.serve_all(lab, ports);
}

test::GeneratorOptions Rig::generator_options() const {
    test::GeneratorOptions options;
    options.namespaces = {"a", "b", "c"};
    for (std::size_t i = 0; i < lab.pod_count(); ++i) {
        Pod pod{.name = {options.namespaces[i % options.namespaces.size()], lab.pod(i).name}};
        pod.phase = PodPhase::running;
        place(pod, lab, lab.pod(i));
        options.fixed_pods.push_back(pod);
    }
    options.outside = lab.outside().addresses;
    return options;
}

std::vector<Address> Rig::ends() const {
    std::vector<Address> ends = lab.outside().addresses;
    for (std::size_t n = 0; n < lab.node_count(); ++n) {
        ends.push_back(lab.node(n).primary(Family::ipv4));
        ends.push_back(lab.node(n).primary(Family::ipv6));
    }
    for (std::size_t i = 0; i < lab.pod_count(); ++i)
        ends.insert(ends.end(), lab.pod(i).addresses.begin(), lab.pod(i).addresses.end());
    return ends;
}

void check_judges_agree(Rig& rig, const Cluster& cluster, const std::vector<Compiled>& compiled,
                        const std::vector<Flow>& flows, const std::string& context) {
    constexpr int kReportedMax = 10;
    int disagreements = 0;
    const auto outcomes = rig.prober.run(flows);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const bool packet = reached(outcomes[i]);
        const bool oracle = allowed(cluster, flows[i]);
        const bool walk = walk_allows(rig.lab, compiled, flows[i]);
        if (packet == oracle && packet == walk) continue;
        if (++disagreements > kReportedMax) continue;
        UNSCOPED_INFO(context << ": " << describe(rig.lab, flows[i]) << ": packet " << packet
                              << ", oracle " << oracle << ", walk " << walk);
    }
    CHECK(disagreements == 0);
}

std::uint64_t seed_of_run() {
    return number_from_environment("PODFENCE_SEED", std::random_device{}());
}

unsigned soak_seconds() {
    return static_cast<unsigned>(number_from_environment("PODFENCE_SOAK", 0));
}

}  // namespace podfence::lab
