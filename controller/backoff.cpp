#include "controller/backoff.hpp"

#include <algorithm>

namespace podfence {

Backoff::Duration Backoff::failed(Duration asked, Duration max) {
    max = std::min(max, limits_.max);
    Duration wait = std::min(limits_.first, max);
    for (unsigned i = 0; i < failures_ && wait < max; ++i) wait = std::min(wait * 2, max);
    ++failures_;
    return std::max(between(wait / 2, wait), asked + between(Duration::zero(), asked / 4));
}

/// The engine's output is laid down by the standard, that of its distributions is not: a seed means
/// the same everywhere. The bias of the remainder does not matter here.
Backoff::Duration Backoff::between(Duration least, Duration most) {
    const auto span = static_cast<std::uint64_t>((most - least).count()) + 1;
    return least + Duration(static_cast<std::int64_t>(random_() % span));
}

}  // namespace podfence
