#include "controller/known_objects.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "nft/error.hpp"

namespace podfence {

namespace {

constexpr std::size_t kSlotsMin = 16;

/// Of every eight slots so many may be used.
constexpr std::size_t kLoad = 6;

}  // namespace

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

std::size_t KnownObjects::find(const ObjectName& name, std::uint32_t hash) const {
    std::size_t i = hash & (slots_.size() - 1);
    while (slots_[i].text &&
           (slots_[i].hash != hash || slots_[i].ns() != name.ns || slots_[i].name() != name.name)) {
        i = next(i);
    }
    return i;
}

void KnownObjects::resize(std::size_t slots) {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
    for (Slot& slot : old) {
        if (!slot.text) continue;
        std::size_t i = slot.hash & (slots - 1);
        while (slots_[i].text) i = next(i);
        slots_[i] = std::move(slot);
    }
}

bool KnownObjects::note(const ObjectName& name, std::uint64_t fingerprint) {
    if ((size_ + 1) * 8 > slots_.size() * kLoad) resize(std::max(slots_.size() * 2, kSlotsMin));
    const std::uint32_t hash = hash_of(name);
    Slot& slot = slots_[find(name, hash)];
    slot.round = round_;
    const bool known = slot.text != nullptr;
    if (known && slot.fingerprint == fingerprint) return false;
    slot.fingerprint = fingerprint;
    if (known) return true;
    slot.hash = hash;
    slot.rename(name);
    ++size_;
    return true;
}

/// Moves up what stands behind the gap and would not be found any more.
void KnownObjects::erase(std::size_t i) {
    slots_[i] = {};
    --size_;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t j = next(i); slots_[j].text; j = next(j)) {
        const std::size_t home = slots_[j].hash & mask;
        if (((j - home) & mask) < ((j - i) & mask)) continue;
        slots_[i] = std::exchange(slots_[j], {});
        i = j;
    }
}

bool KnownObjects::forget(const ObjectName& name) {
    if (slots_.empty()) return false;
    const std::size_t i = find(name, hash_of(name));
    if (!slots_[i].text) return false;
    erase(i);
    return true;
}

std::vector<ObjectName> KnownObjects::sweep() {
    std::vector<ObjectName> gone;
    for (const Slot& slot : slots_) {
        if (!slot.text || slot.round == round_) continue;
        gone.push_back({.ns = std::string(slot.ns()), .name = std::string(slot.name())});
    }
    for (const ObjectName& name : gone) forget(name);
    // Much smaller than before: the table shrinks with it.
    std::size_t slots = slots_.size();
    while (slots > kSlotsMin && (size_ + 1) * 8 * 4 <= slots * kLoad) slots /= 2;
    if (slots != slots_.size()) resize(slots);
    std::sort(gone.begin(), gone.end());
    return gone;
}

}  // namespace podfence
