#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "nft/error.hpp"

namespace podfence::test {

/// Random choices that a seed fixes on every machine: the engine's output is laid down by the C++
/// standard, that of its distributions is not, so they are not used.
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    /// 0..n-1. The bias of the remainder is far below what a test could notice.
    std::size_t below(std::size_t n) {
        PODFENCE_CHECK(n > 0);
        return static_cast<std::size_t>(engine_() % n);
    }
    /// Both inclusive.
    std::size_t between(std::size_t least, std::size_t most) {
        return least + below(most - least + 1);
    }
    bool percent(unsigned chance) { return below(100) < chance; }

    template <class Items>
    const auto& pick(const Items& items) {
        PODFENCE_CHECK(std::size(items) > 0);
        return *(std::begin(items) + static_cast<std::ptrdiff_t>(below(std::size(items))));
    }

  private:
    std::mt19937_64 engine_;
};

}  // namespace podfence::test
