#pragma once

#include <algorithm>

namespace podfence {

/// Makes a vector a sorted one in which nothing is twice.
template <class Vector>
void sort_unique(Vector& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// Small sets as sorted vectors: compact, and fast to walk.
template <class Vector>
bool contains(const Vector& sorted, const typename Vector::value_type& value) {
    return std::binary_search(sorted.begin(), sorted.end(), value);
}
/// No change when it is there already.
template <class Vector>
void insert(Vector& sorted, const typename Vector::value_type& value) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), value);
    if (at == sorted.end() || *at != value) sorted.insert(at, value);
}
/// No change when it is not there.
template <class Vector>
void erase(Vector& sorted, const typename Vector::value_type& value) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), value);
    if (at != sorted.end() && *at == value) sorted.erase(at);
}

}  // namespace podfence
