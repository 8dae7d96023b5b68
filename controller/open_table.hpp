#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "nft/error.hpp"

namespace podfence {

/// An open hash table of small slots that know their keys, or where to look for them: an entry
/// costs its slot and no node of its own. Like keys may occur more than once.
///
/// A Slot is free when it is Slot{}; it has `bool used() const` and the `std::uint32_t hash` of its
/// key. Equal hashes stand in one row that is walked, so keys that others choose are to be hashed
/// with a secret (controller/fingerprint.hpp).
template <class Slot>
class OpenTable {
  public:
    /// The first slot of this hash that `is` takes; nullptr: none. Pointers to slots hold until
    /// something is added or erased.
    template <class Is>
    Slot* find(std::uint32_t hash, const Is& is) {
        return const_cast<Slot*>(std::as_const(*this).find(hash, is));
    }
    template <class Is>
    const Slot* find(std::uint32_t hash, const Is& is) const {
        if (slots_.empty()) return nullptr;
        for (std::size_t i = home(hash); slots_[i].used(); i = next(i)) {
            if (slots_[i].hash == hash && is(slots_[i])) return &slots_[i];
        }
        return nullptr;
    }

    /// All slots of this hash.
    template <class Visit>
    void each_of(std::uint32_t hash, const Visit& visit) const {
        static_cast<void>(find(hash, [&](const Slot& slot) {
            visit(slot);
            return false;
        }));
    }

    /// A used slot; those of the same key stay.
    Slot& add(Slot slot) {
        if ((size_ + 1) * kOf > slots_.size() * kMost) resize(grown());
        ++size_;
        Slot& place = slots_[free_for(slot.hash)];
        place = std::move(slot);
        return place;
    }

    void erase(Slot* slot) {
        PODFENCE_CHECK(slot != nullptr && slot->used());
        close_gap(static_cast<std::size_t>(slot - slots_.data()));
        --size_;
        if (slots_.size() > kSlotsMin && size_ * kOf * 4 < slots_.size() * kMost) {
            resize(slots_.size() / 2);
        }
    }

    std::size_t size() const { return size_; }
    /// In no order that means anything.
    template <class Visit>
    void each(const Visit& visit) const {
        for (const Slot& slot : slots_) {
            if (slot.used()) visit(slot);
        }
    }

  private:
    static constexpr std::size_t kSlotsMin = 16;
    /// Of every eight slots six may be used.
    static constexpr std::size_t kMost = 6;
    static constexpr std::size_t kOf = 8;

    std::size_t home(std::uint32_t hash) const { return hash & (slots_.size() - 1); }
    std::size_t next(std::size_t i) const { return (i + 1) & (slots_.size() - 1); }
    std::size_t grown() const { return slots_.empty() ? kSlotsMin : 2 * slots_.size(); }
    std::size_t free_for(std::uint32_t hash) const {
        std::size_t i = home(hash);
        while (slots_[i].used()) i = next(i);
        return i;
    }

    void resize(std::size_t slots) {
        std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
        for (Slot& slot : old) {
            if (slot.used()) slots_[free_for(slot.hash)] = std::move(slot);
        }
    }

    /// Moves up what stands behind and would not be found any more.
    void close_gap(std::size_t i) {
        slots_[i] = {};
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t j = next(i); slots_[j].used(); j = next(j)) {
            if (((j - home(slots_[j].hash)) & mask) < ((j - i) & mask)) continue;
            slots_[i] = std::exchange(slots_[j], {});
            i = j;
        }
    }

    std::vector<Slot> slots_{};  ///< A power of two, never full; or none.
    std::size_t size_ = 0;
};

}  // namespace podfence
