#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace podfence::test {

/// How much of a long random run is made: all of it, but a fifth where everything takes five to ten
/// times as long: under AddressSanitizer, and on an emulated machine (PODFENCE_EFFORT=5: one part
/// in five). What it looks for does not hide in rare seeds.
inline std::size_t effort(std::size_t full) {
#ifdef __SANITIZE_ADDRESS__
    constexpr unsigned long kParts = 5;
#else
    constexpr unsigned long kParts = 1;
#endif
    const char* given = std::getenv("PODFENCE_EFFORT");
    const unsigned long parts = given == nullptr ? kParts : std::stoul(given);
    return std::max<std::size_t>(full / std::max(parts, 1UL), 1);
}

}  // namespace podfence::test
