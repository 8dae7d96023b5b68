#include "controller/self_test/flows.hpp"

namespace podfence::self_test {

std::string_view to_string(Wiring wiring) {
    return wiring == Wiring::routed ? "routed" : "bridged";
}

std::string_view to_string(Fate fate) {
    switch (fate) {
        case Fate::passed:
            return "passed";
        case Fate::dropped:
            return "dropped";
        case Fate::answered:
            return "answered";
        case Fate::lost:
            return "lost";
    }
    return "?";
}

std::vector<Flow> flows_of(const std::vector<nft::Family>& families, bool cut) {
    std::vector<Flow> flows;
    for (const auto expected : {Expected::denied_for_source, Expected::denied_for_destination,
                                Expected::allowed, Expected::cut}) {
        if (expected == Expected::cut && !cut) continue;
        for (const auto family : families) {
            for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
                flows.push_back({.family = family, .protocol = protocol, .expected = expected});
            }
        }
    }
    return flows;
}

std::string describe(const Flow& flow) {
    return std::string(to_string(flow.protocol)) +
           (flow.family == nft::Family::ipv4 ? " over IPv4" : " over IPv6");
}

}  // namespace podfence::self_test
