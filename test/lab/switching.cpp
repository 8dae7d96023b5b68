#include "test/lab/switching.hpp"

#include <array>

namespace podfence::lab {
namespace {

/// A packet may see one hook before a switch and the next one after it, and the nodes do not switch
/// at one time. So only what both policy sets say of one direction binds a flow.
void sort_flows(PolicyPair& pair, const std::vector<Flow>& flows) {
    for (const auto& flow : flows) {
        const Explanation in_a = explain(pair.a, flow);
        const Explanation in_b = explain(pair.b, flow);
        if (in_a.allowed() && in_b.allowed()) pair.always.push_back(flow);
        const bool egress = in_a.egress.allowed() || in_b.egress.allowed();
        const bool ingress = in_a.ingress.allowed() || in_b.ingress.allowed();
        if (!egress || !ingress) pair.never.push_back(flow);
    }
}

/// Between all pods, nodes and the outside, on a few ports.
std::vector<Flow> many_flows(const Rig& rig) {
    std::vector<Flow> flows;
    const auto ends = rig.ends();
    for (const auto& from : ends) {
        for (const auto& to : ends) {
            if (from.family() != to.family()) continue;
            if (rig.lab.owner_of(from) == rig.lab.owner_of(to)) continue;
            const auto number = static_cast<std::uint16_t>(flows.size());
            constexpr std::array<std::uint16_t, 4> kPorts{53, 80, 443, 8080};
            flows.push_back({.source = from,
                             .destination = to,
                             .protocol = static_cast<std::uint8_t>(number % 3 == 0 ? 17 : 6),
                             .port = kPorts[number % kPorts.size()]});
        }
    }
    return flows;
}

}  // namespace

PolicyPair choose_pair(const Rig& rig, std::uint64_t& seed) {
    auto options = rig.generator_options();
    options.policies_max = 10;
    const auto flows = many_flows(rig);
    const std::size_t enough = flows.size() / 10;
    for (;; ++seed) {
        test::Generator generator(seed, options);
        PolicyPair pair;
        pair.a = pair.b = generator.cluster();
        for (const auto& [name, policy] : pair.a.policies()) pair.b.remove_policy(name);
        for (std::size_t i = 0; i < pair.a.policies().size(); ++i)
            pair.b.put(generator.policy({generator.random().pick(generator.options().namespaces),
                                         "other" + std::to_string(i)}));
        sort_flows(pair, flows);
        if (pair.always.size() > enough && pair.never.size() > enough) return pair;
    }
}

Switcher::Switcher(Rig& rig, const PolicyPair& pair)
    : rig_(rig), a_(rig.enforcer.compile(pair.a)), b_(rig.enforcer.compile(pair.b)) {
    rig.enforcer.apply_compiled(a_);
    thread_ = std::jthread([this](const std::stop_token& stop) {
        try {
            for (bool to_b = true; !stop.stop_requested(); to_b = !to_b) {
                rig_.enforcer.apply_compiled(to_b ? b_ : a_);
                ++switches_;
            }
        } catch (const Failure& error) {
            failure_ = error.what();
        }
    });
}

bool Switcher::go_on(std::chrono::steady_clock::duration time) const {
    const auto took = std::chrono::steady_clock::now() - start_;
    return took < time || (switches_ < kSwitchesMin && took < std::chrono::minutes(1));
}

std::size_t Switcher::stop() {
    thread_.request_stop();
    thread_.join();
    if (!failure_.empty()) throw Failure(failure_);
    return switches_;
}

}  // namespace podfence::lab
