#include "controller/held_links.hpp"

#include <algorithm>
#include <utility>

#include "controller/prefixes.hpp"
#include "controller/sorted.hpp"

namespace podfence {

/// Who told nothing of use is asked again.
const std::vector<Address>& HeldLinks::end_of(const Link& link, PeerLook& look) {
    Asked& asked = asked_[link.index];
    const bool useful = std::ranges::any_of(
        asked.addresses, [this](const Address& address) { return is_in_any(ranges_, address); });
    if (!useful || asked.link != link) {
        asked = {.link = link, .addresses = look.addresses_behind(link)};
    }
    return asked.addresses;
}

bool HeldLinks::settle(const PodLinks& pods, PeerLook& look, const Known& known) {
    std::map<LinkIndex, PodLink> held;
    const auto& facts = pods.facts();
    const auto into = facts.leading_into(ranges_);
    for (const auto& [index, link] : facts.links()) {
        if (!is_one_pods(link) || !link.peer_netns || pods.links().contains(index)) continue;
        const auto routes = into.find(index);
        if (routes == into.end() && !into.contains(link.master)) continue;
        auto addresses = end_of(link, look);
        if (routes != into.end()) {
            addresses.insert(addresses.end(), routes->second.begin(), routes->second.end());
        }
        std::erase_if(addresses, [&](const Address& address) {
            return !is_in_any(ranges_, address) && !known.loose.contains(address);
        });
        // It may be a known pod's, who cannot be told from others.
        if (addresses.empty() && !known.loose.empty()) continue;
        const bool all_taken = !addresses.empty() && std::ranges::all_of(addresses, known.is_taken);
        // What we take for other nodes' pods may be our own, when we do not know our node's name.
        if (all_taken && !known.any_local) continue;
        std::erase_if(addresses, [&](const Address& address) {
            return known.is_taken(address) && !known.loose.contains(address);
        });
        sort_unique(addresses);
        held.emplace(index, PodLink{.index = index,
                                    .name = link.name,
                                    .evidence = Evidence::peer,
                                    .addresses = std::move(addresses)});
    }
    std::erase_if(asked_, [&](const auto& one) { return !held.contains(one.first); });
    return std::exchange(held_, std::move(held)) != held_;
}

}  // namespace podfence
