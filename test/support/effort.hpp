#pragma once

#include <cstddef>

namespace podfence::test {

/// How much of a long random run is made: all of it, but a fifth under AddressSanitizer, which
/// makes it five to ten times as slow. What it looks for does not hide in rare seeds.
constexpr std::size_t effort(std::size_t full) {
#ifdef __SANITIZE_ADDRESS__
    return full / 5;
#else
    return full;
#endif
}

}  // namespace podfence::test
