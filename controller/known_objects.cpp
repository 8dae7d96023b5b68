#include "controller/known_objects.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "nft/error.hpp"

namespace podfence {

void KnownObjects::Slot::rename(const ObjectName& to) {
    constexpr std::size_t kMax = std::numeric_limits<std::uint16_t>::max();
    PODFENCE_CHECK(to.ns.size() <= kMax && to.name.size() <= kMax);  // the decoder allows 253
    text = std::make_unique<char[]>(std::max(to.ns.size() + to.name.size(), std::size_t{1}));
    std::memcpy(text.get(), to.ns.data(), to.ns.size());
    std::memcpy(text.get() + to.ns.size(), to.name.data(), to.name.size());
    ns_size = static_cast<std::uint16_t>(to.ns.size());
    name_size = static_cast<std::uint16_t>(to.name.size());
}

std::uint32_t KnownObjects::hash_of(const ObjectName& name) const {
    return static_cast<std::uint32_t>(KeyedHash(key_).add(name.ns).add(name.name).value());
}

KnownObjects::Slot* KnownObjects::find(const ObjectName& name, std::uint32_t hash) {
    return slots_.find(
        hash, [&](const Slot& slot) { return slot.ns() == name.ns && slot.name() == name.name; });
}

bool KnownObjects::note(const ObjectName& name, std::uint64_t fingerprint) {
    const std::uint32_t hash = hash_of(name);
    if (Slot* known = find(name, hash)) {
        known->round = round_;
        return std::exchange(known->fingerprint, fingerprint) != fingerprint;
    }
    Slot slot{.fingerprint = fingerprint, .hash = hash, .round = round_};
    slot.rename(name);
    slots_.add(std::move(slot));
    return true;
}

bool KnownObjects::forget(const ObjectName& name) {
    Slot* known = find(name, hash_of(name));
    if (known == nullptr) return false;
    slots_.erase(known);
    return true;
}

std::vector<ObjectName> KnownObjects::sweep() {
    std::vector<ObjectName> gone;
    slots_.each([&](const Slot& slot) {
        if (slot.round == round_) return;
        gone.push_back({.ns = std::string(slot.ns()), .name = std::string(slot.name())});
    });
    for (const ObjectName& name : gone) forget(name);
    std::sort(gone.begin(), gone.end());
    return gone;
}

}  // namespace podfence
