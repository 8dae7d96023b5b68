#include "test/support/lab_rig.hpp"

#include <cstdlib>
#include <random>

namespace podfence::lab {

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

std::uint64_t seed_of_run() {
    const char* text = std::getenv("PODFENCE_SEED");
    return text == nullptr || *text == '\0' ? std::random_device{}() : std::stoull(text);
}

}  // namespace podfence::lab
