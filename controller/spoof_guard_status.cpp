#include "controller/spoof_guard.hpp"
#include "nft/rule_counters.hpp"

namespace podfence {

/// Counters go with their interfaces: what they had counted is kept.
void SpoofGuard::count() const {
    const auto now = nft::read_rule_counters(options_.rules.table);
    if (!now) return;
    std::map<std::string, std::uint64_t> counted;
    for (const auto& [chain, count] : *now) {
        const auto before = counted_.find(chain);
        const bool goes_on = before != counted_.end() && before->second <= count.packets;
        refused_ += count.packets - (goes_on ? before->second : 0);
        counted.emplace(chain, count.packets);
    }
    counted_ = std::move(counted);
}

AntiSpoofStatus SpoofGuard::status() const {
    count();
    AntiSpoofStatus status{.mode = std::string(to_string(options_.rules.mode)),
                           .in_sync = in_sync(),
                           .repairs = repairs_,
                           .error = error_};
    status.refused = refused_;
    const auto shown = [this](const PodLink& link) {
        const auto counted = counted_.find(hook_chain(link));
        return PodLinkStatus{.pod = link.pod,
                             .interface = link.name,
                             .index = link.index,
                             .evidence = std::string(to_string(link.evidence)),
                             .addresses = link.addresses,
                             .extra = link.extra,
                             .refused = counted == counted_.end() ? 0 : counted->second};
    };
    for (const auto& [index, link] : links_.links()) {
        status.interfaces.add(shown(link), kPodLinksMax);
    }
    for (const auto& [index, link] : held_.links()) {
        status.held.add(shown(link), kPodLinksMax);
    }
    for (const UnboundPod& one : links_.unbound()) {
        status.unproved.add({.pod = one.pod,
                             .reason = std::string(to_string(one.reason)),
                             .text = explanation(one)},
                            kPodsInTroubleMax);
    }
    return status;
}

}  // namespace podfence
