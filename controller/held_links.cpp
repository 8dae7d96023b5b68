#include "controller/held_links.hpp"

#include <utility>

#include "controller/hold_frame.hpp"
#include "controller/sorted.hpp"

namespace podfence {

bool HeldLinks::settle(const PodLinks& pods, bool all_bound, PeerLook& look,
                       const IsTaken& is_taken) {
    std::map<LinkIndex, Asked> asked;
    std::map<LinkIndex, PodLink> held;
    const auto& facts = pods.facts();
    const auto into = all_bound ? facts.leading_into(ranges_) : LinkFacts::Leading();
    for (const auto& [index, link] : facts.links()) {
        if (!is_one_pods(link) || !link.peer_netns || pods.links().contains(index)) continue;
        const auto routes = into.find(index);
        if (routes == into.end() && !into.contains(link.master)) continue;
        auto before = asked_.extract(index);
        Asked end = before.empty() || before.mapped().link != link
                        ? Asked{.link = link, .addresses = look.addresses_behind(link)}
                        : std::move(before.mapped());
        auto addresses = end.addresses;
        if (routes != into.end()) {
            addresses.insert(addresses.end(), routes->second.begin(), routes->second.end());
        }
        std::erase_if(addresses, [&](const Address& address) {
            return !is_in_any(ranges_, address) || is_taken(address);
        });
        sort_unique(addresses);
        held.emplace(index, PodLink{.index = index,
                                    .name = link.name,
                                    .evidence = Evidence::peer,
                                    .addresses = std::move(addresses)});
        asked.emplace(index, std::move(end));
    }
    asked_ = std::move(asked);
    return std::exchange(held_, std::move(held)) != held_;
}

}  // namespace podfence
