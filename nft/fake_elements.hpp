#pragma once

#include <algorithm>
#include <cerrno>
#include <vector>

#include "nft/fake_form.hpp"
#include "nft/ruleset.hpp"

/// Elements coming and going as in nf_tables, for FakeKernel. `items` are elements or map entries,
/// sorted.
namespace podfence::nft::fake {

inline bool is_concatenated_interval(const SetSpec& spec) {
    return spec.interval && spec.key.size() > 1;
}

/// Whether each field of the key lies in the element's range of that field.
inline bool holds(const SetSpec& spec, const Element& element, const Key& key) {
    std::size_t at = 0;
    for (const auto type : spec.key) {
        const auto size = spec.key.size() > 1 ? padded_size_of(type) : size_of(type);
        const auto less = [&](const Key& a, const Key& b) {
            return std::ranges::lexicographical_compare(a.bytes().subspan(at, size),
                                                        b.bytes().subspan(at, size));
        };
        if (less(key, element.first) || less(element.last, key)) return false;
        at += size;
    }
    return true;
}

inline const Element& element_of(const Element& element) {
    return element;
}
inline const Element& element_of(const MapEntry& entry) {
    return entry.key;
}

/// Whether the element can be one of this set.
inline bool fits(const SetSpec& spec, const Element& element) {
    return element.first.bytes().size() == key_bytes(spec) && element.first <= element.last &&
           (spec.interval || element.first == element.last);
}

/// Adds one item where it belongs; 0 or an errno.
template <class Item>
int insert(const SetSpec& spec, std::vector<Item>& items, const Item& item) {
    const auto& element = element_of(item);
    if (!fits(spec, element)) return EINVAL;
    const auto at = std::ranges::lower_bound(
        items, element, {}, [](const Item& i) -> const Element& { return element_of(i); });
    const auto collides = [&](const Item& other) {
        const auto& old = element_of(other);
        // For ranges per field the kernel asks no more than whether either end of the new element
        // is taken already (nft_pipapo_insert in net/netfilter/nft_set_pipapo.c).
        if (is_concatenated_interval(spec)) {
            return holds(spec, old, element.first) || holds(spec, old, element.last);
        }
        return old.first <= element.last && element.first <= old.last;
    };
    if (is_concatenated_interval(spec)) {  // has no total order
        if (std::ranges::any_of(items, collides)) return EEXIST;
    } else if ((at != items.end() && collides(*at)) ||
               (at != items.begin() && collides(*(at - 1)))) {
        return EEXIST;
    }
    items.insert(at, item);
    return 0;
}

/// Takes one item out by its key; 0 or an errno.
template <class Item>
int erase(const SetSpec& spec, std::vector<Item>& items, const Element& element) {
    if (!fits(spec, element)) return EINVAL;
    auto at = std::ranges::lower_bound(
        items, element, {}, [](const Item& i) -> const Element& { return element_of(i); });
    if (is_concatenated_interval(spec)) {
        // The kernel deletes what the first key lies in, whatever its ends (nft_pipapo_deactivate).
        at = std::ranges::find_if(
            items, [&](const Item& i) { return holds(spec, element_of(i), element.first); });
    } else if (at != items.end() && element_of(*at) != element) {
        return ENOENT;
    }
    if (at == items.end()) return ENOENT;
    items.erase(at);
    return 0;
}

}  // namespace podfence::nft::fake
